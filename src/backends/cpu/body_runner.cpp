#include "backends/cpu/body_runner.h"

#include <algorithm>

#include "backends/backend.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kWorth = 1024;    ///< elements of operands from which a kernel of exact results pays
constexpr size_t kMostShapes = 64;  ///< that are kept of one node

/// Where results are rounded the kernel runs at any size: what a row gives may not depend on how many there are.
bool worth_it(const ir::Node& node, const std::vector<ir::Tensor>& inputs) {
  const ops::OpDef& op = ops::find_op(node.op);
  if (op.form == ops::OpForm::kView || op.form == ops::OpForm::kControlFlow || op.random || op.data_dependent ||
      node.op == "Custom")
    return false;
  int64_t elements = 0;
  bool rounds = false;
  for (const ir::Tensor& t : inputs) {
    if (t.dtype() == ir::DType::kString) return false;
    elements += t.count();
    rounds = rounds || (ir::is_float(t.dtype()) && !t.dims().empty());
  }
  return rounds || elements >= kWorth;
}

/// The kernel that promises to be fastest; null if there is the reference only.
const KernelDef* fastest(const Problem& problem) {
  const KernelDef* best = nullptr;
  double least = 0;
  for (const KernelDef& def : problem.backend->kernels()) {
    if (def.op != problem.node->op || def.tf32) continue;
    const Support s = def.supports(problem);
    if (s.ok && (!best || s.cost_us < least)) best = &def, least = s.cost_us;
  }
  return best;
}

}  // namespace

/// One node for operands of certain dims. `kernel` is null where the reference is to run.
struct BodyRunner::Prepared {
  std::vector<ir::Dims> dims;
  ir::Graph graph;  ///< the node alone, which the kernel may refer to
  std::unique_ptr<Kernel> kernel;
  std::vector<TensorDesc> outputs;
};

BodyRunner::BodyRunner(ThreadPool& pool, WeightCache* weights) : pool_(pool), weights_(weights) {}
BodyRunner::~BodyRunner() = default;

std::unique_ptr<BodyRunner::Prepared> BodyRunner::prepare(const ir::Graph& graph, ir::NodeId n,
                                                          const std::vector<ir::Tensor>& inputs) const {
  auto p = std::make_unique<Prepared>();
  const ir::Node& node = graph.node(n);
  Problem problem;
  problem.threads = pool_.size();
  problem.backend = &cpu_backend();
  problem.weights = weights_;
  const auto describe = [](ir::DType type, const ir::Dims& dims) {
    return TensorDesc{type, dims, dims.empty() ? 1 : dims.back()};
  };
  std::vector<ir::ValueId> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::ValueId v = node.inputs[i];
    const ir::Tensor* constant = graph.constant(v);
    p->dims.push_back(inputs[i].dims());
    operands.push_back(v == ir::kNone ? ir::kNone
                       : constant     ? p->graph.add_constant(*constant)
                                  : p->graph.add_input(cat("i", i), inputs[i].dtype(), ir::to_shape(inputs[i].dims())));
    problem.inputs.push_back(v == ir::kNone ? TensorDesc{} : describe(inputs[i].dtype(), inputs[i].dims()));
    problem.constants.push_back(constant);
  }
  const ir::NodeId alone = p->graph.add_node(node.op, operands, node.attrs, node.outputs.size(), node.name);
  ops::infer_node(p->graph, alone);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ir::Value& y = p->graph.value(p->graph.node(alone).outputs[i]);
    if (node.outputs[i] == ir::kNone) {
      problem.outputs.emplace_back();
      continue;
    }
    if (!y.ranked || !ir::is_static(y.shape) || y.dtype == ir::DType::kString) return p;
    problem.outputs.push_back(describe(y.dtype, ir::static_dims(y.shape)));
    if (problem.outputs.back().count() == 0) return p;
  }
  problem.node = &p->graph.node(alone);
  if (const KernelDef* def = fastest(problem)) p->kernel = def->prepare(problem);
  p->outputs = problem.outputs;
  return p;
}

std::optional<std::vector<ir::Tensor>> BodyRunner::run(const ir::Graph& graph, ir::NodeId n,
                                                       const std::vector<ir::Tensor>& inputs) {
  if (!worth_it(graph.node(n), inputs)) return std::nullopt;
  auto& kept = prepared_[{&graph, n}];
  auto found = std::find_if(kept.begin(), kept.end(), [&](const auto& p) {
    return std::equal(p->dims.begin(), p->dims.end(), inputs.begin(), inputs.end(),
                      [](const ir::Dims& d, const ir::Tensor& t) { return d == t.dims(); });
  });
  if (found == kept.end()) {
    if (kept.size() >= kMostShapes) kept.erase(kept.begin());
    try {
      kept.push_back(prepare(graph, n, inputs));
    } catch (const Error&) {
      return std::nullopt;  // the reference says what is wrong
    }
    found = kept.end() - 1;
  }
  const Prepared& p = **found;
  if (!p.kernel) return std::nullopt;
  std::vector<const void*> in;
  std::vector<void*> out;
  std::vector<ir::Tensor> made;
  for (const ir::Tensor& t : inputs) in.push_back(t.defined() ? t.data().data() : nullptr);
  for (const TensorDesc& d : p.outputs) {
    made.push_back(d.dtype == ir::DType::kUndefined ? ir::Tensor() : ir::Tensor::uninitialized(d.dtype, d.dims));
    out.push_back(made.back().mutable_data());
  }
  if (workspace_.bytes() < p.kernel->workspace_bytes())
    workspace_ = ir::Tensor::uninitialized(ir::DType::kU8, {p.kernel->workspace_bytes()});
  p.kernel->run({in.data(), out.data(), workspace_.mutable_data(), pool_, nullptr});
  return made;
}

}  // namespace tenon::cpu
