#include "runtime/program.h"

#include <algorithm>

#include "base/checked.h"
#include "ops/op.h"

namespace tenon::runtime {
namespace {

TensorDesc describe(const ir::Value& v) {
  TensorDesc d{v.dtype, ir::static_dims(v.shape), 0};
  d.pitch = d.dims.empty() ? 1 : d.dims.back();
  return d;
}

// Assigns a place to every value: views share their source's, outputs are written in place where that is possible.
class Placer {
 public:
  Placer(Program& program) : p_(program), g_(program.concrete.graph), place_(g_.value_count()), root_(g_.value_count()) {}

  void run() {
    for (ir::ValueId v = 0; v < g_.value_count(); ++v) root_[v] = v;
    find_roots();
    claim_outputs();
    lay_out();
  }
  const Place& of(ir::ValueId v) const { return place_[root_[v]]; }
  Place operand(ir::ValueId v) const { return v == ir::kNone ? Place{} : of(v); }

  int64_t bytes(ir::ValueId v) const {
    return ir::storage_bytes(g_.value(v).dtype, checked_product(ir::static_dims(g_.value(v).shape)));
  }

 private:
  void find_roots() {
    for (size_t i = 0; i < g_.inputs.size(); ++i) place_[g_.inputs[i]] = {Place::Kind::kInput, 0, uint32_t(i), nullptr};
    for (ir::ValueId v = 0; v < g_.value_count(); ++v)
      if (g_.value(v).constant) place_[v] = {Place::Kind::kConstant, 0, 0, g_.value(v).constant->data().data()};
    for (ir::NodeId n : p_.concrete.order) {
      const ir::Node& node = g_.node(n);
      if (is_view(node)) root_[node.outputs[0]] = root_[node.inputs[0]];
    }
  }
  void claim_outputs() {
    for (size_t i = 0; i < g_.outputs.size(); ++i) {
      Place& place = place_[root_[g_.outputs[i]]];
      if (place.kind == Place::Kind::kAbsent) place = {Place::Kind::kOutput, 0, uint32_t(i), nullptr};
    }
  }
  void lay_out() {
    std::vector<int> first(g_.value_count(), -1), last(g_.value_count(), -1);
    int step = 0;
    for (ir::NodeId n : p_.concrete.order) {
      const ir::Node& node = g_.node(n);
      if (is_view(node)) continue;
      for (ir::ValueId v : node.inputs)
        if (v != ir::kNone) last[root_[v]] = step;
      for (ir::ValueId v : node.outputs)
        if (v != ir::kNone) first[v] = last[v] = step;
      ++step;
    }
    std::vector<plan::Lifetime> lifetimes;
    std::vector<ir::ValueId> owners;
    for (ir::ValueId v = 0; v < g_.value_count(); ++v)
      if (root_[v] == v && first[v] >= 0 && place_[v].kind == Place::Kind::kAbsent) {
        lifetimes.push_back({bytes(v), first[v], last[v]});
        owners.push_back(v);
      }
    const size_t tensors = lifetimes.size();
    step = 0;
    for (const Step& s : p_.steps) lifetimes.push_back({s.kernel ? s.kernel->workspace_bytes() : 0, step, step}), ++step;
    p_.memory = plan::plan_memory(lifetimes);
    for (size_t i = 0; i < tensors; ++i) place_[owners[i]] = {Place::Kind::kArena, p_.memory.offsets[i], 0, nullptr};
    for (size_t i = 0; i < p_.steps.size(); ++i) p_.steps[i].workspace_offset = p_.memory.offsets[tensors + i];
  }
  static bool is_view(const ir::Node& node) { return ops::find_op(node.op).form == ops::OpForm::kView; }

  Program& p_;
  const ir::Graph& g_;
  std::vector<Place> place_;
  std::vector<ir::ValueId> root_;
};

bool empty_outputs(const Problem& p) {
  return std::all_of(p.outputs.begin(), p.outputs.end(), [](const TensorDesc& d) { return d.dtype == ir::DType::kUndefined || d.count() == 0; });
}

void add_steps(Program& program, const PrepareOptions& options) {
  const ir::Graph& g = program.concrete.graph;
  for (ir::NodeId n : program.concrete.order) {
    const ir::Node& node = g.node(n);
    if (ops::find_op(node.op).form == ops::OpForm::kView) continue;
    Problem problem = make_problem(g, n, options);
    Step step;
    step.node = n;
    step.name = node.name.empty() ? node.op : node.name;
    if (!empty_outputs(problem)) {
      try {
        const KernelDef& def =
            pick_kernel(*options.backend, problem, options.choices ? (*options.choices)[n].kernel : std::string_view());
        step.kernel = def.prepare(problem);
        step.kernel_name = def.name;
      } catch (const Error& e) {
        throw e.at(cat("node '", node.name, "' (", node.op, ")"));
      }
    }
    program.steps.push_back(std::move(step));
  }
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

}  // namespace

Problem make_problem(const ir::Graph& g, ir::NodeId n, const PrepareOptions& options) {
  const ir::Node& node = g.node(n);
  Problem p;
  p.node = &node;
  p.threads = options.threads;
  p.weights = options.weights;
  for (ir::ValueId v : node.inputs) {
    p.inputs.push_back(v == ir::kNone ? TensorDesc{} : describe(g.value(v)));
    p.constants.push_back(g.constant(v));
  }
  for (ir::ValueId v : node.outputs) p.outputs.push_back(v == ir::kNone ? TensorDesc{} : describe(g.value(v)));
  return p;
}

const KernelDef& pick_kernel(const Backend& backend, const Problem& problem, std::string_view wanted) {
  // Kernels may assume that no operand is empty; the reference takes the rest (an empty sum is 0, and so on).
  const bool empty_input = std::any_of(problem.inputs.begin(), problem.inputs.end(), [](const TensorDesc& d) {
    return d.dtype != ir::DType::kUndefined && d.count() == 0;
  });
  const KernelDef* best = nullptr;
  double best_cost = 0;
  std::string refusals;
  for (const KernelDef* k : kernels_for(backend, problem.node->op)) {
    if (empty_input && k->op != "*") continue;
    const Support s = k->supports(problem);
    if (!s.ok) {
      refusals += cat(refusals.empty() ? "" : "; ", k->name, ": ", s.reason);
      continue;
    }
    if (k->name == wanted) return *k;
    if (!best || s.cost_us < best_cost) best = k, best_cost = s.cost_us;
  }
  require(best != nullptr, ErrorCode::kUnsupported, "no kernel accepts the node (", refusals, ")");
  return *best;
}

std::shared_ptr<const Program> prepare(const ir::Graph& graph, const std::vector<ir::Dims>& input_dims,
                                       const PrepareOptions& options, const std::map<ir::ValueId, ir::Tensor>& values) {
  auto program = std::make_shared<Program>();
  program->concrete = concretize(graph, input_dims, values);
  const ir::Graph& g = program->concrete.graph;
  program->input_dims = input_dims;
  bool host_objects = false;
  for (ir::NodeId n : program->concrete.order) {
    for (ir::ValueId v : g.node(n).inputs) host_objects |= v != ir::kNone && g.value(v).dtype == ir::DType::kString;
    for (ir::ValueId v : g.node(n).outputs) host_objects |= v != ir::kNone && g.value(v).dtype == ir::DType::kString;
  }
  program->stepwise = !program->concrete.fully_static || host_objects;
  if (program->stepwise) return program;
  add_steps(*program, options);
  Placer placer(*program);
  placer.run();
  for (Step& step : program->steps) {
    const ir::Node& node = g.node(step.node);
    for (ir::ValueId v : node.inputs) step.inputs.push_back(placer.operand(v));
    for (ir::ValueId v : node.outputs) step.outputs.push_back(placer.operand(v));
  }
  add_output_copies(*program, placer);
  for (ir::ValueId v : g.outputs) program->output_dims.push_back(ir::static_dims(g.value(v).shape));
  for (ir::ValueId v = 0; v < g.value_count(); ++v)
    if (g.value(v).constant) program->keep_alive.push_back(*g.value(v).constant);
  std::erase_if(program->steps, [](const Step& s) { return !s.kernel && s.copy_bytes == 0; });
  return program;
}

}  // namespace tenon::runtime
