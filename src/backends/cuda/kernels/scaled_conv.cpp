// ScaledConv where no faster kernel does it.
#include "ops/fused/scaled_conv.h"

#include <algorithm>

#include "backends/cuda/device/index.h"
#include "backends/cuda/device/scaled_conv.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 2, kScale = 3, kExtras = 4;

class ScaledConv final : public Kernel {
 public:
  explicit ScaledConv(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    const std::string reason = epilogue_.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    args_.results = uint32_t(y.count());
    args_.depth = int(x.dims.back());
    args_.columns = Divisor(y.dims.back());
    args_.pixels = Divisor(y.count() / y.dims.back() / y.dims[0]);
    args_.x_pitch = x.pitch;
    args_.w_pitch = args_.depth;
    args_.y_pitch = y.pitch;
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    ScaledConvArgs a = args_;
    a.x = args.inputs[0];
    a.w = args.inputs[1];
    a.scale = args.inputs[kScale];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    TENON_CUDA(scaled_conv(a, type_, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  Elem type_;
  ScaledConvArgs args_{};
  ProductEpilogue epilogue_;
};

Support supports(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!is_elem(x.dtype)) return Support::no("elements are ", x.dtype, ", accepted are f32, bf16 and f16");
  for (const TensorDesc* t : {&p.inputs[1], &p.inputs[kScale], &y})
    if (t->dtype != x.dtype) return Support::no("types ", x.dtype, " and ", t->dtype, ", accepted is one type");
  if (y.count() == 0 || y.count() > kMaxElements)
    return Support::no("y has ", y.count(), " elements, accepted are 1 to ", kMaxElements);
  ProductEpilogue epilogue;
  const std::string reason = epilogue.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 2.0 * double(y.count()) * double(x.dims.back()), 0.05));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<ScaledConv>(p); }

}  // namespace

std::vector<KernelDef> scaled_conv() { return {{"scaled_conv", "ScaledConv", supports, prepare, 0x1fff1}}; }

}  // namespace tenon::cuda
