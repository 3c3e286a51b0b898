// trtexec's command line: every option of TensorRT's trtexec, 7 to 11. What has no meaning here is accepted and said.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace trtexec {

using Dims = std::vector<int64_t>;
using Shapes = std::map<std::string, Dims>;  ///< by input name

struct Options {
  // Model
  std::string onnx;
  // Build
  Shapes min_shapes, opt_shapes, max_shapes, shapes;
  bool fp16 = false, bf16 = false, int8 = false, fp8 = false, int4 = false, best = false, tf32 = true,
       strongly_typed = false;
  std::string calib, precision_constraints = "none", layer_precisions, layer_output_types;
  std::map<std::string, double> pools;         ///< MiB by pool name
  std::map<std::string, bool> tactic_sources;  ///< added or taken away, by name
  int optimization_level = 3, average_timing = -1, max_tactics = -1, max_aux_streams = -1;
  std::string timing_cache_file, profiling_verbosity = "layer_names_only", input_formats, output_formats;
  std::vector<std::string> plugins;
  bool refit = false, strip_weights = false, version_compatible = false, error_on_timing_cache_miss = false;
  bool allow_weight_streaming = false, direct_io = false, plugin_instance_norm = false;
  double weight_streaming_budget = -2;  ///< bytes, or percent of what can be streamed; -1: automatic, -2: all of it
  bool weight_streaming_percent = false;
  std::string save_engine, load_engine, sparsity = "disable", hardware_compatibility = "none", mark_debug;
  bool skip_inference = false, get_plan_version_only = false, time_refit = false;
  // System
  int device = 0, dla_core = -1;
  bool allow_gpu_fallback = false;
  // Inference
  int iterations = 10, streams = 1, average_runs = 10, profile = 0, batch = 0;
  double duration = 3, warm_up_ms = 200, sleep_ms = 0, idle_ms = 0;
  bool threads = false, data_transfers = true, spin_wait = false, cuda_graph = false, separate_profile_run = false;
  bool time_deserialize = false;
  std::map<std::string, std::string> load_inputs;
  // Reporting
  bool verbose = false, dump_output = false, dump_profile = false, dump_layer_info = false, dump_raw_bindings = false;
  bool dump_refit = false, dump_optimization_profile = false;
  std::vector<double> percentiles{90, 95, 99};
  std::string export_times, export_output, export_profile, export_layer_info;
  bool help = false;

  std::vector<std::string> notes;  ///< about options accepted without effect
};

/// Throws std::invalid_argument naming the option and what is accepted.
Options parse(const std::vector<std::string>& arguments);
/// The sections "=== Model Options ===" to "=== Reporting Options ===" as lines.
std::vector<std::string> describe(const Options& options);
std::string usage();

/// "1x3x224x224"; "" for a scalar.
std::string text(const Dims& dims);

}  // namespace trtexec
