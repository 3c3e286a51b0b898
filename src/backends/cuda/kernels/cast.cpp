// Cast between any two plain types.
#include "backends/cuda/cuda.h"
#include "backends/cuda/kernels/plain.h"

namespace tenon::cuda {
namespace {

class CastKernel final : public Kernel {
 public:
  explicit CastKernel(const Problem& p) {
    params_.from = *plain_of(p.inputs[0].dtype);
    params_.to = *plain_of(p.outputs[0].dtype);
    params_.count = p.outputs[0].count();
  }
  void run(const RunArgs& args) const override {
    CastParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(cuda::cast(p, stream_of(args)));
  }

 private:
  CastParams params_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (ir::DType t : {p.inputs[0].dtype, p.outputs[0].dtype})
    if (!plain_of(t)) return Support::no("elements of type ", t);
  if (p.outputs[0].count() > int64_t(1) << 38) return Support::no("x has ", p.outputs[0].count(), " elements");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> cast() {
  return {{"cast_plain", "Cast", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<CastKernel>(p); }}};
}

}  // namespace tenon::cuda
