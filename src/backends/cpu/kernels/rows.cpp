#include "backends/cpu/kernels/rows.h"

namespace tenon::cpu {

std::optional<isa::PwType> float_type(ir::DType type) {
  switch (type) {
    case ir::DType::kF32:
      return isa::PwType::kF32;
    case ir::DType::kBF16:
      return isa::PwType::kBf16;
    case ir::DType::kF16:
      return isa::PwType::kF16;
    default:
      return std::nullopt;
  }
}

RowType::RowType(ir::DType type, const isa::PointwiseLoops& loops)
    : f32(type == ir::DType::kF32), size(ir::bits(type) / 8) {
  const auto t = float_type(type);
  require(t.has_value(), ErrorCode::kInternal, "rows of ", type);
  load = loops.load[size_t(*t)];
  store = loops.store[size_t(*t)];
}

const float* as_f32(const TensorDesc& desc, const void* data, float* buffer, const isa::PointwiseLoops& loops) {
  return RowType(desc.dtype, loops).in(data, buffer, desc.count());
}

}  // namespace tenon::cpu
