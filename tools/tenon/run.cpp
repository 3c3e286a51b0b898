// run and bench: executing an engine; compare: checking it against the double-precision reference.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "backends/device.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "ops/op.h"
#include "tenon/command.h"

namespace tenon::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  std::vector<std::string> inputs;
  std::string output_dir;
  uint64_t seed = 1;
  double seconds = 1;
  double tolerance = 1e-5;
  bool profile = false;
};

std::shared_ptr<RunOptions> add_common(CLI::App& command) {
  auto o = std::make_shared<RunOptions>();
  o->model.add_to(command, true);
  command.add_option("--input,-i", o->inputs, "name:file.npy or name:raw.bin, once an input");
  command.add_option("--seed", o->seed, "of random inputs");
  return o;
}

plan::Profile profile_of(const runtime::Engine& engine, const ModelOptions& o) {
  plan::Profile p = make_profile(engine.plan().graph, o);
  if (o.shapes.empty() && o.opt_shapes.empty()) p = engine.plan().profiles[0];
  return p;
}

void run(const RunOptions& o) {
  auto engine = open_engine(o.model);
  auto context = engine->create_context();
  auto outputs = context->run(make_inputs(engine->plan().graph, profile_of(*engine, o.model), o.inputs, o.seed));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = engine->io()[engine->input_count() + i].name;
    std::printf("%s: %s%s", name.c_str(), std::string(ir::name(outputs[i].dtype())).c_str(),
                cat(outputs[i].dims()).c_str());
    for (int64_t k = 0; k < std::min<int64_t>(outputs[i].count(), 8) && outputs[i].dtype() != ir::DType::kString; ++k)
      std::printf(" %g", outputs[i].get(k));
    std::printf(outputs[i].count() > 8 ? " …\n" : "\n");
    std::string file = name;
    std::replace(file.begin(), file.end(), '/', '_');
    if (!o.output_dir.empty()) write_npy(o.output_dir + "/" + file + ".npy", outputs[i]);
  }
}

/// Milliseconds a run: on the host around Context::run, on a device between events around replays on device memory.
std::vector<double> measure(runtime::Context& context, const std::vector<ir::Tensor>& inputs, double seconds) {
  using Clock = std::chrono::steady_clock;
  const Device* device = context.engine().backend().device();
  std::vector<std::shared_ptr<void>> memory;
  if (device) {
    const auto outputs = context.run(inputs);
    size_t io = 0;
    for (const auto* list : {&inputs, &outputs})
      for (const ir::Tensor& t : *list) {
        memory.push_back(device_memory(*device, size_t(t.bytes())));
        device->copy(memory.back().get(), t.data().data(), size_t(t.bytes()), device->own_stream());
        context.set_address(io++, memory.back().get());
      }
    for (int warm = 0; warm < 3; ++warm) context.run();
  } else {
    context.run(inputs);
  }
  std::vector<double> times;
  const auto begin = Clock::now();
  const size_t least = device ? 200 : 5;
  while (times.size() < least || std::chrono::duration<double>(Clock::now() - begin).count() < seconds) {
    const auto start = Clock::now();
    if (device) {
      times.push_back(device->milliseconds(device->own_stream(), [&](void* stream) { context.enqueue(stream); }));
      continue;
    }
    context.run(inputs);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

void bench(const RunOptions& o) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  auto engine = open_engine(o.model);
  auto context = engine->create_context();
  const auto opened = Clock::now();
  const auto inputs = make_inputs(engine->plan().graph, profile_of(*engine, o.model), o.inputs, o.seed);
  const auto ready = Clock::now();
  context->run(inputs);
  const auto milliseconds = [](Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  std::printf("%s in %.1f ms, first run in %.1f ms\n", is_plan(o.model.path) ? "loaded" : "built",
              milliseconds(opened - begin), milliseconds(Clock::now() - ready));
  const std::vector<double> times = measure(*context, inputs, o.seconds);
  const auto& memory = context->prepare().memory;
  std::printf("median %.4g ms, min %.4g ms, %zu runs, %d threads; arena %.2f MiB, peak live %.2f MiB (%.3f)\n",
              times[times.size() / 2], times[0], times.size(), engine->threads(), double(memory.arena_bytes) / 1048576,
              double(memory.peak_live_bytes) / 1048576,
              double(memory.arena_bytes) / double(std::max<int64_t>(memory.peak_live_bytes, 1)));
  if (engine->backend().device())
    std::printf("on the device: weights %.2f MiB, context %.2f MiB; page-locked %.2f MiB\n",
                double(engine->weight_bytes()) / 1048576, double(context->memory_bytes()) / 1048576,
                double(context->host_memory_bytes()) / 1048576);
  if (!o.profile) return;
  // Of each layer the least time of several runs, which other work on the machine disturbs least.
  struct Layer {
    std::string name, kernel;
    double ms;
  };
  std::vector<Layer> layers;
  size_t at = 0;
  context->set_profiler([&](const std::string& name, const std::string& kernel, double ms) {
    if (at == layers.size())
      layers.push_back({name, kernel, ms});
    else
      layers[at].ms = std::min(layers[at].ms, ms);
    ++at;
  });
  for (int i = 0; i < 20; ++i, at = 0) context->run(inputs);
  double sum = 0;
  for (const Layer& l : layers) sum += l.ms;
  std::printf("%10s %7s  %-28s %s\n", "us", "%", "kernel", "layer");
  for (const Layer& l : layers)
    std::printf("%10.1f %7.2f  %-28s %s\n", l.ms * 1000, l.ms / sum * 100, l.kernel.c_str(), l.name.c_str());
}

// Names the first layer, in execution order, whose own error (its inputs taken from the reference) is beyond tolerance.
std::string first_bad_layer(const RunOptions& o, const ir::Graph& graph, const std::vector<ir::Tensor>& inputs) {
  std::vector<ir::Tensor> reference(graph.value_count());
  for (size_t i = 0; i < inputs.size(); ++i) reference[graph.inputs[i]] = inputs[i];
  ops::eval_graph(graph, inputs, true, [&](ir::ValueId v, const ir::Tensor& t) { reference[v] = t; });
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    ir::Graph single;
    plan::Plan plan;
    std::vector<ir::ValueId> args;
    std::vector<ir::Tensor> feed;
    for (ir::ValueId v : node.inputs) {
      if (v == ir::kNone) {
        args.push_back(v);
      } else if (const ir::Tensor* c = graph.constant(v)) {
        args.push_back(single.add_constant(*c));
      } else {
        ir::Tensor t = reference[v].cast(graph.value(v).dtype);
        args.push_back(single.add_input(single.unique_name("i"), t.dtype(), ir::to_shape(t.dims())));
        feed.push_back(std::move(t));
      }
    }
    const ir::NodeId copy = single.add_node(node.op, args, node.attrs, node.outputs.size(), node.name);
    single.outputs = single.node(copy).outputs;
    ops::infer(single);
    plan.profiles = {builder::default_profile(single)};
    plan.graph = std::move(single);
    auto got = runtime::Engine::create(std::move(plan), {&find_backend(o.model.device), o.model.threads})
                   ->create_context()
                   ->run(feed);
    for (size_t i = 0; i < got.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      const double error = ir::relative_error(got[i], reference[node.outputs[i]]);
      if (!(error <= o.tolerance)) return cat("'", node.name, "' (", node.op, "), output ", i, ", error ", error);
    }
  }
  return "no single layer: the error accumulates";
}

void compare(const RunOptions& o) {
  const ir::Graph network = load_network(o.model.path);
  const auto inputs = make_inputs(network, make_profile(network, o.model), o.inputs, o.seed);
  auto engine = open_engine(o.model);
  const auto got = engine->create_context()->run(inputs);
  const auto want = ops::eval_graph(network, inputs, true);
  bool ok = true;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = ir::relative_error(got[i], want[i]);
    ok = ok && error <= o.tolerance;
    std::printf("%s: error %.3g %s\n", engine->io()[engine->input_count() + i].name.c_str(), error,
                error <= o.tolerance ? "ok" : "too large");
  }
  if (ok) return;
  std::printf("first differing layer: %s\n", first_bad_layer(o, engine->plan().graph, inputs).c_str());
  throw CLI::RuntimeError(1);
}

}  // namespace

void add_run(CLI::App& app) {
  auto* command = app.add_subcommand("run", "run a plan or a model once and print the outputs");
  auto o = add_common(*command);
  command->add_option("--output-dir", o->output_dir, "directory for outputs as .npy files");
  command->callback([o] { run(*o); });
}

void add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench", "time a plan or a model, in all and by layer");
  auto o = add_common(*command);
  command->add_option("--seconds", o->seconds, "how long to repeat");
  command->add_flag("--profile", o->profile, "time each layer");
  command->callback([o] { bench(*o); });
}

void add_compare(CLI::App& app) {
  auto* command = app.add_subcommand("compare", "check a model's outputs against the double-precision reference");
  auto o = add_common(*command);
  command->add_option("--tolerance", o->tolerance, "accepted ‖y − y64‖ / ‖y64‖");
  command->callback([o] { compare(*o); });
}

}  // namespace tenon::cli
