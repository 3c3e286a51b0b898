// A command of the tenon tool: adds itself to the command line, and runs when it is chosen.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "builder/builder.h"
#include "ir/graph.h"
#include "runtime/engine.h"

namespace tenon::cli {

void add_dump(CLI::App& app);
void add_opt(CLI::App& app);
void add_build(CLI::App& app);
void add_run(CLI::App& app);
void add_bench(CLI::App& app);
void add_compare(CLI::App& app);
void add_inspect(CLI::App& app);
void add_python_path(CLI::App& app);

/// Options that every command on a model takes.
struct ModelOptions {
  std::string path;
  std::string shapes, min_shapes, opt_shapes, max_shapes;  ///< "name:1x3x224x224,other:8"
  std::string precision = "fp32";                          ///< fp32, tf32, bf16, fp16
  std::string timing_cache;
  std::string device = "cpu";  ///< cpu, cuda, cuda:1, or sm90 to choose kernels for a GPU that is not there
  int level = 3, threads = 0;
  bool verbose = false;

  void add_to(CLI::App& command, bool building);
};

bool is_plan(const std::string& path);
/// The network of an ONNX file, or of a text file in the IR's form (*.tn).
ir::Graph load_network(const std::string& path);
/// Builds a plan from a model with these options; a progress bar goes to standard error if it is a terminal.
plan::Plan build_plan(const ModelOptions& options, builder::BuildReport* report = nullptr);
/// An engine from a plan file, or built from a model.
std::shared_ptr<runtime::Engine> open_engine(const ModelOptions& options);

/// Profiles that the shape options describe for a network; symbolic dims that no option names take the default.
plan::Profile make_profile(const ir::Graph& network, const ModelOptions& options);

/// Input tensors: from "name:file.npy" (or raw binary), else random from `seed`. Dims come from the profile's optimum.
std::vector<ir::Tensor> make_inputs(const ir::Graph& network, const plan::Profile& profile,
                                    const std::vector<std::string>& files, uint64_t seed);

ir::Tensor read_npy(const std::string& path);
void write_npy(const std::string& path, const ir::Tensor& tensor);

}  // namespace tenon::cli
