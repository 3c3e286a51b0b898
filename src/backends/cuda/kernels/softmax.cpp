// Softmax, LogSoftmax and LpNormalization along any axis.
#include "backends/cuda/device/softmax.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"
#include "backends/strides.h"
#include "ops/nn/norm.h"
#include "ops/shape/axis_attrs.h"

namespace tenon::cuda {
namespace {

class AxisRuleKernel final : public Kernel {
 public:
  explicit AxisRuleKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    int64_t axis = 0;
    if (p.node->op == "LpNormalization") {
      const auto& a = p.attrs<ops::LpNormAttrs>();
      axis = a.axis;
      params_.rule = a.p == 1 ? AxisRule::kL1 : AxisRule::kL2;
    } else {
      axis = p.attrs<ops::AxisAttrs>().axis;
      params_.rule = p.node->op == "Softmax" ? AxisRule::kSoftmax : AxisRule::kLogSoftmax;
    }
    const AxisSplit s = split_at(p.inputs[0].dims, axis);
    params_.outer = s.outer;
    params_.size = int(s.size);
    params_.inner = s.inner;
  }
  void run(const RunArgs& args) const override {
    AxisRuleParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(axis_rule(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  AxisRuleParams params_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (!is_elem(p.inputs[0].dtype) || p.outputs[0].dtype != p.inputs[0].dtype)
    return Support::no("elements are ", p.inputs[0].dtype, " and ", p.outputs[0].dtype,
                       ", accepted are f32, bf16 and f16 on both sides");
  if (p.inputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> softmax() {
  auto prepare = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<AxisRuleKernel>(p); };
  return {{"axis_rule", "Softmax", supports, prepare},
          {"axis_rule", "LogSoftmax", supports, prepare},
          {"axis_rule", "LpNormalization", supports, prepare}};
}

}  // namespace tenon::cuda
