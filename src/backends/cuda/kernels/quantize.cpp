// QuantizeLinear and DequantizeLinear with parameters of the tensor, of one axis, or of blocks along it.
#include "ops/quant/quantize.h"

#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/quantize.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/plain.h"
#include "backends/strides.h"

namespace tenon::cuda {
namespace {

using ir::DType;

class QuantizeKernel final : public Kernel {
 public:
  explicit QuantizeKernel(const Problem& p) : back_(p.node->op == "DequantizeLinear"), has_zero_(p.has_input(2)) {
    const auto& a = p.attrs<ops::QuantizeAttrs>();
    const ir::Dims &x = p.inputs[0].dims, &scale = p.inputs[1].dims;
    params_.from = *plain_of(p.inputs[0].dtype);
    params_.to = *plain_of(p.outputs[0].dtype);
    params_.scale_type = *plain_of(p.inputs[1].dtype);
    params_.count = uint32_t(p.inputs[0].count());
    params_.one = p.inputs[1].count() == 1;
    if (params_.one || params_.count == 0) return;
    const int64_t axis = x.size() == 1 ? 0 : a.axis;
    const AxisSplit s = split_at(x, axis), of_scale = split_at(scale, scale.size() == x.size() ? axis : 0);
    params_.blocked = scale.size() == x.size() && (x.size() > 1 || scale[0] != x[0]);
    params_.blocks = int(of_scale.size);
    params_.inner = Divisor(s.inner);
    params_.size = Divisor(s.size);
    const int64_t given =
        a.block_size > 0 ? a.block_size : (s.size + of_scale.size - 1) / std::max<int64_t>(of_scale.size, 1);
    params_.block = Divisor(params_.blocked ? std::max<int64_t>(given, 1) : 1);
  }
  void run(const RunArgs& args) const override {
    QuantizeParams p = params_;
    p.x = args.inputs[0];
    p.scale = args.inputs[1];
    if (has_zero_) p.zero = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(back_ ? cuda::dequantize(p, stream_of(args)) : cuda::quantize(p, stream_of(args)));
  }

 private:
  bool back_, has_zero_;
  QuantizeParams params_;
};

bool narrow_integer(DType t) { return t == DType::kI8 || t == DType::kU8 || t == DType::kI16 || t == DType::kU16; }

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  const bool back = p.node->op == "DequantizeLinear";
  const DType whole = (back ? p.inputs : p.outputs)[0].dtype, real = (back ? p.outputs : p.inputs)[0].dtype;
  if (!narrow_integer(whole) && !(back && whole == DType::kI32))
    return Support::no("the quantized type is ", whole, ", accepted are integers of 8 and 16 bits");
  if (!is_elem(real) && !(!back && real == DType::kI32))
    return Support::no("the real type is ", real, ", accepted are f32, bf16 and f16");
  if (!is_elem(p.inputs[1].dtype)) return Support::no("the scale is ", p.inputs[1].dtype);
  if (p.has_input(2) && p.inputs[2].dtype != whole)
    return Support::no("the zero point is ", p.inputs[2].dtype, ", accepted is ", whole);
  if (p.inputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> quantize() {
  auto prepare = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<QuantizeKernel>(p); };
  return {{"quantize_linear", "QuantizeLinear", supports, prepare},
          {"dequantize_linear", "DequantizeLinear", supports, prepare}};
}

}  // namespace tenon::cuda
