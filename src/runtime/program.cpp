#include "runtime/program.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>

#include "backends/device_weights.h"
#include "base/checked.h"
#include "base/thread_pool.h"
#include "ops/op.h"
#include "runtime/alias.h"
#include "runtime/placer.h"
#include "runtime/weight_streaming.h"

namespace tenon::runtime {
namespace {

TensorDesc describe(const ir::Value& v) {
  TensorDesc d{v.dtype, {}, 0};
  for (ir::Dim size : v.shape) d.dims.push_back(size.is_const() ? size.constant() : 0);
  d.pitch = d.dims.empty() ? 1 : d.dims.back();
  return d;
}

bool empty_outputs(const Problem& p) {
  return std::all_of(p.outputs.begin(), p.outputs.end(),
                     [](const TensorDesc& d) { return d.dtype == ir::DType::kUndefined || d.count() == 0; });
}

/// `streamed`: the step's view of weights that do not stay on the device, or null.
void prepare_kernel(Step& step, const ir::Graph& g, const PrepareOptions& options, const Aliases& aliases,
                    StepWeights* streamed) {
  const ir::Node& node = g.node(step.node);
  Problem problem = make_problem(g, step.node, options, &aliases);
  if (empty_outputs(problem)) return;
  if (streamed) problem.weights = streamed;
  try {
    const std::string_view wanted = options.choices ? (*options.choices)[step.node].kernel : std::string_view();
    auto [def, kernel] = prepare_best(options, problem, wanted, streamed);
    step.kernel = std::move(kernel);
    step.kernel_name = def->name;
    if (streamed) step.loads = streamed->loads();
    if (options.auxiliary_streams > 0) {
      const float known = def->name == wanted ? (*options.choices)[step.node].time_us : 0;
      step.us = known > 0 ? double(known) : def->supports(problem).cost_us;
    }
  } catch (const Error& e) {
    throw e.at(cat("node '", node.name, "' (", node.op, ")"));
  } catch (const std::bad_alloc& e) {
    throw ops::as_error(e, cat("node '", node.name, "' (", node.op, ")"));
  }
}

void add_steps(Program& program, const PrepareOptions& options, const Aliases& aliases) {
  const ir::Graph& g = program.concrete.graph;
  for (ir::NodeId n : program.concrete.order) {
    const ir::Node& node = g.node(n);
    if (ops::find_op(node.op).form == ops::OpForm::kView || aliases.resolved_node[n]) continue;
    Step step;
    step.node = n;
    step.name = layer_name(g, node);
    program.steps.push_back(std::move(step));
  }
  // The user's operators are prepared on this thread: they may need a lock that it holds, such as Python's.
  const auto of_user = [&](int64_t i) { return g.node(program.steps[size_t(i)].node).op == "Custom"; };
  const auto one = [&](int64_t i) {
    std::optional<StepWeights> streamed;
    if (options.streamed) streamed.emplace(*options.streamed);
    prepare_kernel(program.steps[size_t(i)], g, options, aliases, streamed ? &*streamed : nullptr);
  };
  const auto count = int64_t(program.steps.size());
  const auto others = [&](int64_t i, int) {
    if (!of_user(i)) one(i);
  };
  if (options.pool) options.pool->parallel_for(count, others);
  for (int64_t i = 0; i < count; ++i)
    if (!options.pool || of_user(i)) one(i);
}

void add_output_copies(Program& program, const Placer& placer) {
  const ir::Graph& g = program.concrete.graph;
  for (size_t i = 0; i < g.outputs.size(); ++i) {
    const Place from = placer.of(g.outputs[i]);
    if (from.kind == Place::Kind::kOutput && from.index == i) continue;
    Step copy;
    copy.name = copy.kernel_name = "copy";
    copy.inputs = {from};
    copy.outputs = {{Place::Kind::kOutput, 0, uint32_t(i), nullptr}};
    copy.copy_bytes = placer.bytes(g.outputs[i]);
    program.steps.push_back(std::move(copy));
  }
}

/// A constant operand that a step reads from its part of the scratch area.
struct StreamedOperand {
  size_t step, input;
  const ir::Tensor* source;
  int64_t offset;  ///< bytes into the constant
};

// Lets steps read constants in the device's memory, where each lies once for all programs of an engine. Tells which do
// not stay there.
std::vector<StreamedOperand> upload_constants(Program& program, const PrepareOptions& options) {
  const Device& device = *options.backend->device();
  const ir::Graph& g = program.concrete.graph;
  struct Constant {
    const ir::Tensor* tensor;
    std::shared_ptr<const void> copy;
  };
  std::vector<StreamedOperand> streamed;
  std::map<const std::byte*, Constant> constants;  // by where they start on the host
  for (ir::ValueId v = 0; v < g.value_count(); ++v)
    if (const auto& t = g.value(v).constant) constants.emplace(t->data().data(), Constant{&*t, nullptr});
  for (size_t s = 0; s < program.steps.size(); ++s)
    for (size_t i = 0; i < program.steps[s].inputs.size(); ++i) {
      const Step& step = program.steps[s];
      Place& place = program.steps[s].inputs[i];
      if (place.kind != Place::Kind::kConstant || (step.kernel && !step.kernel->reads_constant(i))) continue;
      const auto* at = static_cast<const std::byte*>(place.constant);
      auto& [start, constant] = *std::prev(constants.upper_bound(at));
      if (options.streamed && options.streamed->has(*constant.tensor)) {
        streamed.push_back({s, i, constant.tensor, at - start});
        continue;
      }
      auto& copy = constant.copy;
      if (!copy) {
        copy = constant_on_device(*constant.tensor, device, options.weights);
        program.device_constants.push_back(copy);
      }
      place.constant = static_cast<const std::byte*>(copy.get()) + (at - start);
    }
  return streamed;
}

/// Gives streamed weights their places, and prepares the kernels that read them again, which know these places then.
void place_streamed_weights(Program& program, const PrepareOptions& options, const Aliases& aliases,
                            const std::vector<StreamedOperand>& operands) {
  const Device& device = *options.backend->device();
  std::vector<size_t> bytes(program.steps.size(), 0);
  for (size_t s = 0; s < program.steps.size(); ++s)
    for (const Load& load : program.steps[s].loads) bytes[s] += (load.bytes + 255) / 256 * 256;
  for (const StreamedOperand& o : operands) bytes[o.step] += (size_t(o.source->bytes()) + 255) / 256 * 256;
  const size_t half = *std::max_element(bytes.begin(), bytes.end());
  if (half == 0) return;
  const auto scratch = weight_memory(options.weights, device, 2 * half);
  program.device_constants.push_back(scratch);
  program.copy_stream = device.new_stream();
  size_t turn = 0, operand = 0;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    if (bytes[s] == 0) continue;
    Step& step = program.steps[s];
    StepWeights places(*options.streamed, scratch, turn++ % 2 * half);
    if (!step.loads.empty()) prepare_kernel(step, program.concrete.graph, options, aliases, &places);
    for (; operand < operands.size() && operands[operand].step == s; ++operand) {
      const StreamedOperand& o = operands[operand];
      const auto to = constant_on_device(*o.source, device, &places);
      step.inputs[o.input].constant = static_cast<const std::byte*>(to.get()) + o.offset;
    }
    step.loads = places.loads();
    require(places.bytes() <= half, ErrorCode::kInternal, "streamed weights need ", places.bytes(), " bytes, ", half,
            " are set aside");
  }
}

/// Cuts the steps where the application's own operators stand. Few steps between them are not worth a recording.
void add_stretches(Program& program) {
  constexpr size_t kWorthRecording = 3;
  auto& all = program.stretches;
  for (size_t s = 0; s < program.steps.size(); ++s) {
    const bool own = !program.steps[s].kernel || program.concrete.graph.node(program.steps[s].node).op != "Custom";
    if (all.empty() || all.back().recordable != own) all.push_back({s, s, own});
    all.back().end = s + 1;
  }
  if (all.size() > 1)
    for (Stretch& stretch : all) stretch.recordable &= stretch.end - stretch.begin >= kWorthRecording;
}

/// Whether the node's bodies hold an operator of the application.
bool custom_in_bodies(const ir::Node& node) {
  for (const ir::Field& f : node.attrs.schema().fields) {
    if (f.kind != ir::FieldKind::kGraph) continue;
    const auto& body = f.of<std::shared_ptr<ir::Graph>>(node.attrs.data());
    for (ir::NodeId n = 0; body && n < body->node_count(); ++n)
      if (const ir::Node& inner = body->node(n); inner.alive && (inner.op == "Custom" || custom_in_bodies(inner)))
        return true;
  }
  return false;
}

}  // namespace

Problem make_problem(const ir::Graph& g, ir::NodeId n, const PrepareOptions& options, const Aliases* aliases) {
  const ir::Node& node = g.node(n);
  Problem p;
  p.node = &node;
  p.threads = options.threads;
  p.backend = options.backend;
  p.weights = options.weights;
  auto operand = [&](ir::ValueId v) {
    if (v == ir::kNone) return TensorDesc{};
    TensorDesc d = describe(g.value(v));
    if (aliases && aliases->values[v].pitch) d.pitch = aliases->values[v].pitch;
    return d;
  };
  for (ir::ValueId v : node.inputs) {
    p.inputs.push_back(operand(v));
    p.constants.push_back(g.constant(v));
  }
  for (ir::ValueId v : node.outputs) p.outputs.push_back(operand(v));
  return p;
}

std::vector<std::string> without_kernels(const std::map<std::string, std::string>& info) {
  std::vector<std::string> beginnings;
  if (const auto found = info.find(kWithoutKernels); found != info.end()) {
    std::istringstream text(found->second);
    for (std::string word; text >> word;) beginnings.push_back(word);
  }
  return beginnings;
}

bool is_without(const KernelDef& kernel, std::span<const std::string> beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::string& beginning) { return kernel.name.starts_with(beginning); });
}

std::string layer_name(const ir::Graph& g, const ir::Node& node) {
  if (!node.name.empty() || node.outputs.empty() || node.outputs[0] == ir::kNone) return node.name;
  return cat(node.op, " ", g.value(node.outputs[0]).name);
}

const KernelDef* find_kernel(const Backend& backend, const Problem& problem, std::string_view wanted,
                             std::string& refusals, std::span<const std::string> without) {
  // Kernels may assume that no operand is empty; the reference takes the rest (an empty sum is 0, and so on).
  const bool empty_input = std::any_of(problem.inputs.begin(), problem.inputs.end(), [](const TensorDesc& d) {
    return d.dtype != ir::DType::kUndefined && d.count() == 0;
  });
  const KernelDef* best = nullptr;
  double best_cost = 0;
  for (const KernelDef* k : kernels_for(backend, problem.node->op)) {
    if ((empty_input && k->op != "*") || (k->tf32 && k->name != wanted) || is_without(*k, without)) continue;
    const Support s = k->supports(problem);
    if (!s.ok) {
      refusals += cat(refusals.empty() ? "" : "; ", k->name, ": ", s.reason);
      continue;
    }
    if (k->name == wanted) return k;
    if (!best || s.cost_us < best_cost) best = k, best_cost = s.cost_us;
  }
  return best;
}

const KernelDef& pick_kernel(const Backend& backend, const Problem& problem, std::string_view wanted,
                             std::span<const std::string> without) {
  std::string refusals;
  const KernelDef* found = find_kernel(backend, problem, wanted, refusals, without);
  require(found != nullptr, ErrorCode::kUnsupported, "no kernel accepts the node (", refusals, ")");
  return *found;
}

std::pair<const KernelDef*, std::unique_ptr<Kernel>> prepare_best(const PrepareOptions& options, const Problem& problem,
                                                                  std::string_view wanted, StepWeights* streamed) {
  const Backend& backend = *options.backend;
  const Device* const device = backend.device();
  const KernelDef& first = pick_kernel(backend, problem, wanted, options.without);
  std::string refusals;
  auto attempt = [&](const KernelDef& def) -> std::unique_ptr<Kernel> {
    try {
      if (streamed) streamed->restart();
      if (device && device->present()) device->activate();  // kernels are prepared on threads of a pool
      return def.prepare(problem);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kUnsupported) throw;
      refusals += cat(refusals.empty() ? "" : "; ", def.name, ": ", e.what());
      return nullptr;
    }
  };
  if (auto kernel = attempt(first)) return {&first, std::move(kernel)};
  std::vector<std::pair<double, const KernelDef*>> others;
  for (const KernelDef* k : kernels_for(backend, problem.node->op))
    if (const Support s = k->supports(problem); s.ok && k != &first && !is_without(*k, options.without))
      others.emplace_back(s.cost_us, k);
  std::stable_sort(others.begin(), others.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (const auto& [cost, def] : others)
    if (auto kernel = attempt(*def)) return {def, std::move(kernel)};
  fail(ErrorCode::kUnsupported, "no kernel accepts the node (", refusals, ")");
}

std::shared_ptr<const Program> prepare(const ir::Graph& graph, const std::vector<ir::Dims>& input_dims,
                                       const PrepareOptions& options, const std::map<ir::ValueId, ir::Tensor>& values) {
  auto program = std::make_shared<Program>();
  program->concrete = concretize(graph, input_dims, values);
  const ir::Graph& g = program->concrete.graph;
  program->input_dims = input_dims;
  bool host_objects = false, waits = false;
  for (ir::NodeId n : program->concrete.order) {
    // In a device's stream the host cannot run code of the application that waits for the device.
    waits = waits || (options.backend->device() && custom_in_bodies(g.node(n)));
    for (ir::ValueId v : g.node(n).inputs) host_objects |= v != ir::kNone && g.value(v).dtype == ir::DType::kString;
    for (ir::ValueId v : g.node(n).outputs) host_objects |= v != ir::kNone && g.value(v).dtype == ir::DType::kString;
  }
  program->stepwise = !program->concrete.fully_static || host_objects || waits;
  if (program->stepwise) return program;
  const Aliases aliases = find_aliases(program->concrete, options);
  add_steps(*program, options, aliases);
  Placer placer(*program, aliases, buffer_alignment(options.backend->device()));
  placer.run(options.streamed ? 0 : options.auxiliary_streams);  // streamed weights keep to one order
  for (Step& step : program->steps) {
    const ir::Node& node = g.node(step.node);
    for (ir::ValueId v : node.inputs) step.inputs.push_back(placer.operand(v));
    for (ir::ValueId v : node.outputs) step.outputs.push_back(placer.operand(v));
    if (!step.kernel) continue;
    step.host_workspace_offset = program->host_workspace_bytes;
    program->host_workspace_bytes += (step.kernel->host_workspace_bytes() + 63) / 64 * 64;
  }
  add_output_copies(*program, placer);
  std::erase_if(program->steps, [](const Step& s) { return !s.kernel && s.copy_bytes == 0; });
  if (options.backend->device()) {
    const std::vector<StreamedOperand> streamed = upload_constants(*program, options);
    if (options.streamed && !program->steps.empty()) place_streamed_weights(*program, options, aliases, streamed);
  }
  for (ir::ValueId v : g.outputs) program->output_dims.push_back(ir::static_dims(g.value(v).shape));
  for (ir::ValueId v = 0; v < g.value_count(); ++v)
    if (g.value(v).constant) program->keep_alive.push_back(*g.value(v).constant);
  add_stretches(*program);
  return program;
}

}  // namespace tenon::runtime
