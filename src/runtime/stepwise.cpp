#include "runtime/stepwise.h"

#include <chrono>

#include "base/thread_pool.h"
#include "ops/op.h"
#include "runtime/split.h"

namespace tenon::runtime {
namespace {

constexpr int64_t kKnownElements = 4096;  // integer tensors up to this size can decide shapes

// A value of the run, put into the graph as a constant while its readers infer shapes from it.
void publish(ir::Graph& g, ir::ValueId v, const ir::Tensor& t) {
  ir::Value& value = g.value(v);
  value.shape = ir::to_shape(t.dims());
  value.ranked = true;
  value.contents.reset();
  const bool integer = ir::is_integer(t.dtype()) || t.dtype() == ir::DType::kBool;
  if (!integer || t.dims().size() > 1 || t.count() > kKnownElements) return;
  const auto ints = t.to_ints();
  value.contents = std::vector<ir::Dim>(ints.begin(), ints.end());
}

class Runner {
 public:
  Runner(const ConcreteGraph& concrete, const Rest& rest, const PrepareOptions& options, ThreadPool& pool)
      : g_(concrete.graph), options_(options), pool_(pool), values_(g_.value_count()), readers_(g_.value_count(), 0) {
    for (ir::ValueId v = 0; v < g_.value_count(); ++v)
      if (g_.value(v).constant) values_[v] = *g_.value(v).constant;
    for (ir::NodeId n : rest.order)
      for (ir::ValueId v : g_.node(n).inputs)
        if (v != ir::kNone) ++readers_[v];
    for (ir::ValueId v : g_.outputs) ++readers_[v];
  }

  void give(ir::ValueId v, ir::Tensor t) {
    publish(g_, v, t);
    values_[v] = std::move(t);
  }
  const ir::Tensor& value(ir::ValueId v) const { return values_[v]; }

  std::string run(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    ops::infer_node(g_, n);
    const ops::OpDef& op = ops::find_op(node.op);
    std::string kernel = "reference";
    if (op.form == ops::OpForm::kView && ir::is_static(g_.value(node.outputs[0]).shape)) {
      give(node.outputs[0], values_[node.inputs[0]].reshaped(ir::static_dims(g_.value(node.outputs[0]).shape)));
      kernel = "view";
    } else if (shapes_known(node) && !has_strings(node) && op.form != ops::OpForm::kControlFlow) {
      kernel = run_kernel(n);
    } else {
      run_reference(node);
    }
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone && --readers_[v] == 0) values_[v] = ir::Tensor();
    return kernel;
  }

 private:
  bool shapes_known(const ir::Node& node) const {
    for (ir::ValueId v : node.outputs)
      if (v != ir::kNone && !ir::is_static(g_.value(v).shape)) return false;
    return true;
  }
  bool has_strings(const ir::Node& node) const {
    for (const auto* ids : {&node.inputs, &node.outputs})
      for (ir::ValueId v : *ids)
        if (v != ir::kNone && g_.value(v).dtype == ir::DType::kString) return true;
    return false;
  }
  std::string run_kernel(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    Problem problem = make_problem(g_, n, options_);
    std::vector<const void*> in;
    std::vector<void*> out;
    std::vector<ir::Tensor> made;
    bool any = false;
    for (ir::ValueId v : node.inputs) in.push_back(v == ir::kNone ? nullptr : values_[v].data().data());
    for (ir::ValueId v : node.outputs) {
      made.push_back(v == ir::kNone ? ir::Tensor() : ir::Tensor(g_.value(v).dtype, ir::static_dims(g_.value(v).shape)));
      out.push_back(made.back().mutable_data());
      any |= made.back().count() > 0;
    }
    std::string name = "empty";
    if (any) {
      const KernelDef& def =
          pick_kernel(*options_.backend, problem, options_.choices ? (*options_.choices)[n].kernel : std::string_view(),
                      options_.without);
      auto kernel = def.prepare(problem);
      ir::Tensor workspace(ir::DType::kU8, {kernel->workspace_bytes()});
      kernel->run({in.data(), out.data(), workspace.mutable_data(), pool_, nullptr});
      name = def.name;
    }
    for (size_t i = 0; i < made.size(); ++i)
      if (node.outputs[i] != ir::kNone) give(node.outputs[i], std::move(made[i]));
    return name;
  }
  void run_reference(const ir::Node& node) {
    std::vector<ir::Tensor> args;
    std::vector<ir::DType> types;
    for (ir::ValueId v : node.inputs) args.push_back(v == ir::kNone ? ir::Tensor() : values_[v]);
    for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : g_.value(v).dtype);
    auto results = ops::eval_node(node, std::move(args), std::move(types));
    for (size_t i = 0; i < results.size(); ++i)
      if (node.outputs[i] != ir::kNone) give(node.outputs[i], std::move(results[i]));
  }

  ir::Graph g_;
  const PrepareOptions& options_;
  ThreadPool& pool_;
  std::vector<ir::Tensor> values_;
  std::vector<size_t> readers_;
};

}  // namespace

std::vector<ir::Tensor> stepwise(const ConcreteGraph& concrete, const std::vector<ir::Tensor>& inputs,
                                 const std::map<ir::ValueId, ir::Tensor>& known, const PrepareOptions& options,
                                 ThreadPool& pool,
                                 const std::function<void(const std::string&, const std::string&, double)>& profiler) {
  std::vector<ir::ValueId> values;
  for (const auto& [v, tensor] : known) values.push_back(v);
  const Rest rest = rest_of(concrete, values);
  Runner runner(concrete, rest, options, pool);
  const ir::Graph& g = concrete.graph;
  for (size_t i = 0; i < inputs.size(); ++i)
    if (rest.reads_input[i]) runner.give(g.inputs[i], inputs[i]);
  for (const auto& [v, tensor] : known) runner.give(v, tensor);
  using Clock = std::chrono::steady_clock;
  for (ir::NodeId n : rest.order) {
    const auto begin = Clock::now();
    const std::string kernel = runner.run(n);
    if (profiler)
      profiler(g.node(n).name, kernel, std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::vector<ir::Tensor> outputs;
  for (ir::ValueId v : g.outputs) outputs.push_back(runner.value(v));
  return outputs;
}

}  // namespace tenon::runtime
