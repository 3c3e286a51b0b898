// dump, opt, build, inspect: looking at each stage of the pipeline.
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "ir/text.h"
#include "passes/passes.h"
#include "tenon/command.h"

namespace tenon::cli {
namespace {

void show(const ir::Graph& graph) { std::printf("%s", ir::print(graph).c_str()); }

struct DumpOptions {
  std::string path;
};

/// Entries as text; of what is none, how long it is.
std::map<std::string, std::string> readable(std::map<std::string, std::string> info) {
  for (auto& [key, value] : info)
    if (value.find('\0') != std::string::npos) value = std::to_string(value.size()) + " bytes";
  return info;
}

nlohmann::json describe(const runtime::Engine& engine) {
  const plan::Plan& plan = engine.plan();
  nlohmann::json out{{"device", plan.device}, {"info", readable(plan.info)}};
  for (const auto& io : engine.io())
    out[io.is_input ? "inputs" : "outputs"].push_back(
        {{"name", io.name}, {"type", ir::name(io.dtype)}, {"dims", io.dims}});
  for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n) {
    const ir::Node& node = plan.graph.node(n);
    nlohmann::json layer{{"name", node.name},
                         {"op", node.op},
                         {"origin", node.origin},
                         {"type", ir::name(plan.graph.value(node.outputs.at(0)).dtype)}};
    for (size_t p = 0; p < plan.choices.size(); ++p)
      layer["kernels"].push_back({{"kernel", plan.choices[p][n].kernel}, {"us", plan.choices[p][n].time_us}});
    out["layers"].push_back(std::move(layer));
  }
  return out;
}

}  // namespace

void add_dump(CLI::App& app) {
  auto* command = app.add_subcommand("dump", "print a model as the graph that import makes of it, or a plan's graph");
  auto o = std::make_shared<DumpOptions>();
  command->add_option("model", o->path, "ONNX file, plan, or graph in text form (.tn)")->required();
  command->callback([o] { show(is_plan(o->path) ? plan::load(o->path).graph : load_network(o->path)); });
}

void add_opt(CLI::App& app) {
  auto* command = app.add_subcommand("opt", "run the passes and print the graph, or what each pass did");
  struct Options {
    DumpOptions model;
    passes::PassOptions passes;
    bool each = false, report = false;
  };
  auto o = std::make_shared<Options>();
  command->add_option("model", o->model.path, "ONNX file or graph in text form (.tn)")->required();
  command->add_option("--stop-after", o->passes.stop_after, "the last pass to run");
  command->add_option("--disable", o->passes.disabled, "passes to leave out");
  command->add_option("--only", o->passes.only, "the passes to run");
  command->add_flag("--bf16", o->passes.allow_bf16, "allow bf16");
  command->add_flag("--fp16", o->passes.allow_fp16, "allow f16");
  command->add_flag("--each", o->each, "print the graph after each pass");
  command->add_flag("--report", o->report, "print what each pass changed and why, not the graph");
  command->callback([o] {
    ir::Graph graph = load_network(o->model.path);
    if (o->each)
      o->passes.observe = [](std::string_view pass, const ir::Graph& g) {
        std::printf("// after %.*s\n", int(pass.size()), pass.data());
        show(g);
      };
    const auto reports = passes::run_passes(graph, o->passes);
    if (o->report)
      std::printf("%s", passes::print(reports, true).c_str());
    else if (!o->each)
      show(graph);
  });
}

void add_build(CLI::App& app) {
  auto* command = app.add_subcommand("build", "build a plan from a model");
  struct Options {
    ModelOptions model;
    std::string output;
  };
  auto o = std::make_shared<Options>();
  o->model.add_to(*command, true);
  command->add_option("-o,--output", o->output, "plan file to write");
  command->callback([o] {
    builder::BuildReport report;
    const plan::Plan plan = build_plan(o->model, &report);
    std::printf("%s", builder::print(report, o->model.verbose).c_str());
    if (!o->output.empty()) plan::save(plan, o->output);
  });
}

void add_inspect(CLI::App& app) {
  auto* command = app.add_subcommand("inspect", "describe a plan or a built model as JSON");
  auto o = std::make_shared<ModelOptions>();
  o->add_to(*command, true);
  command->callback([o] { std::printf("%s\n", describe(*open_engine(*o)).dump(2).c_str()); });
}

}  // namespace tenon::cli
