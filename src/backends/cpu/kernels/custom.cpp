// Custom operators: the application's implementation on host memory.
#include "ops/custom/custom.h"
#include "backends/kernel.h"

namespace tenon::cpu {
namespace {

std::vector<ops::CustomTensor> operands(const std::vector<TensorDesc>& descs, size_t count) {
  std::vector<ops::CustomTensor> out;
  for (size_t i = 0; i < count; ++i) out.push_back({descs[i].dtype, descs[i].dims});
  return out;
}

class Custom final : public Kernel {
 public:
  explicit Custom(const Problem& p) {
    const auto& a = p.attrs<ops::CustomAttrs>();
    run_ = ops::live_of(a).prepare(operands(p.inputs, p.inputs.size() - size_t(a.shape_inputs)),
                                   operands(p.outputs, p.outputs.size()));
  }
  int64_t workspace_bytes() const override { return run_->workspace_bytes(); }
  void run(const RunArgs& args) const override { run_->run(args.inputs, args.outputs, args.workspace); }

 private:
  std::unique_ptr<ops::CustomRun> run_;
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ops::CustomAttrs>();
  if (!a.live) return Support::no("no implementation of '", a.name, "' is loaded");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (const TensorDesc& d : p.outputs)
    if (d.dtype == ir::DType::kUndefined) return Support::no("every output must have memory");
  return Support::yes(1);
}

}  // namespace

std::vector<KernelDef> custom() {
  return {{"custom", "Custom", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Custom>(p); }}};
}

}  // namespace tenon::cpu
