// The last resort: runs an operator's reference on host memory. Accepts every operator that has one. Bodies of control
// flow run with kernels.
#include <cstring>
#include <mutex>

#include "backends/backend.h"
#include "backends/cpu/body_runner.h"
#include "ops/op.h"

namespace tenon::cpu {
namespace {

class Reference final : public Kernel {
 public:
  explicit Reference(const Problem& p)
      : node_(*p.node),
        inputs_(p.inputs),
        outputs_(p.outputs),
        control_flow_(ops::find_op(p.node->op).form == ops::OpForm::kControlFlow),
        weights_(p.backend && !p.backend->device() ? p.weights : nullptr) {
    for (const TensorDesc& d : p.outputs) types_.push_back(d.dtype);
  }
  void run(const RunArgs& args) const override {
    std::vector<ir::Tensor> in;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const TensorDesc& d = inputs_[i];
      if (d.dtype == ir::DType::kUndefined) {
        in.emplace_back();
        continue;
      }
      const size_t bytes = size_t(ir::storage_bytes(d.dtype, d.count()));
      in.emplace_back(d.dtype, d.dims, nullptr, std::span(static_cast<const std::byte*>(args.inputs[i]), bytes));
    }
    auto results =
        control_flow_ ? with_kernels(args.pool, std::move(in)) : ops::eval_node(node_, std::move(in), types_);
    for (size_t i = 0; i < results.size(); ++i) {
      if (!results[i].defined()) continue;
      require(args.sink || results[i].dims() == outputs_[i].dims, ErrorCode::kShapeMismatch, "output ", i, " of ",
              node_.op, " has dims ", results[i].dims(), ", ", outputs_[i].dims, " were inferred");
      void* to = args.sink ? args.sink->allocate(i, results[i].dims()) : args.outputs[i];
      if (to && results[i].bytes()) std::memcpy(to, results[i].data().data(), size_t(results[i].bytes()));
    }
  }

 private:
  /// Runs that go on at the same time have runners of their own, which later runs take over.
  std::vector<ir::Tensor> with_kernels(ThreadPool& pool, std::vector<ir::Tensor> in) const {
    std::unique_ptr<BodyRunner> runner;
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty() && idle_.back().first == &pool) runner = std::move(idle_.back().second), idle_.pop_back();
    }
    if (!runner) runner = std::make_unique<BodyRunner>(pool, weights_);
    std::vector<ir::Tensor> results;
    {
      const ops::ScopedNodeRunner scope(*runner);
      results = ops::eval_node(node_, std::move(in), types_);
    }
    const std::lock_guard lock(mutex_);
    idle_.emplace_back(&pool, std::move(runner));
    return results;
  }

  ir::Node node_;
  std::vector<TensorDesc> inputs_, outputs_;
  std::vector<ir::DType> types_;
  bool control_flow_;
  WeightCache* weights_;
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<const ThreadPool*, std::unique_ptr<BodyRunner>>> idle_;
};

Support supports(const Problem& p) {
  const ops::OpDef* op = ops::find_op_or_null(p.node->op);
  if (!op || !op->eval) return Support::no("operator ", p.node->op, " has no reference");
  if (!p.all_dense()) return Support::no("operands must be dense");
  double work = 0;
  for (const auto& d : p.outputs) work += double(d.count());
  return Support::yes(1e6 + work);
}

}  // namespace

std::vector<KernelDef> reference() {
  return {{"reference", "*", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Reference>(p); }}};
}

}  // namespace tenon::cpu
