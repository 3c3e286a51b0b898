// Quantize and dequantize layers: round(x / scale) and x * scale, zero point 0.
#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

struct QuantizeAttrs {
  int64_t axis = -1;
  DType to_type = DType::kI8;
  Dims block_shape{};
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(QuantizeAttrs, axis), TENON_TRT_FIELD(QuantizeAttrs, to_type),
                                  TENON_TRT_FIELD(QuantizeAttrs, block_shape)};
    return f;
  }
};

struct DequantizeAttrs {
  int64_t axis = -1;
  DType to_type = DType::kF32;
  Dims block_shape{};
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(DequantizeAttrs, axis), TENON_TRT_FIELD(DequantizeAttrs, to_type),
                                  TENON_TRT_FIELD(DequantizeAttrs, block_shape)};
    return f;
  }
};

/// How a scale is used: nowhere varying, along `axis`, or over blocks.
struct ScaleUse {
  ValueId scale;
  Values values;
};

/// Blocks along several axes become blocks along the last of them: along the others scales are repeated.
ScaleUse scale_use(LowerContext& c, int64_t axis, const Dims& block_shape) {
  ValueId scale = c.input(1);
  if (c.rank(scale) == 0) return {scale, {}};
  if (block_shape.empty()) return {scale, {{"axis", axis < 0 ? int64_t{1} : axis}}};
  require(block_shape.size() == c.rank(c.input(0)), ErrorCode::kShapeMismatch, "the block shape ", block_shape,
          " has another rank than the input, ", c.rank(c.input(0)));
  std::vector<size_t> blocked;
  for (size_t i = 0; i < block_shape.size(); ++i) {
    require(block_shape[i] > 0, ErrorCode::kInvalidArgument, "the block shape is ", block_shape);
    if (block_shape[i] > 1) blocked.push_back(i);
  }
  if (blocked.empty()) blocked.push_back(block_shape.size() - 1);
  const size_t last = blocked.back();
  blocked.pop_back();
  for (size_t i : blocked) {
    Ints places;
    for (int64_t k = 0; k < c.number(c.input(0), i); ++k) places.push_back(k / block_shape[i]);
    scale = c.onnx("Gather", {scale, c.ints(places)}, {{"axis", int64_t(i)}});
  }
  return {scale, {{"axis", int64_t(last)}, {"block_size", block_shape[last]}}};
}

void lower_quantize(LowerContext& c) {
  const auto& a = c.attrs<QuantizeAttrs>();
  ScaleUse use = scale_use(c, a.axis, a.block_shape);
  use.values["output_dtype"] = a.to_type;
  c.output(0, c.onnx("QuantizeLinear", {c.input(0), c.cast(use.scale, c.dtype(c.input(0)))}, std::move(use.values)));
}

void lower_dequantize(LowerContext& c) {
  const auto& a = c.attrs<DequantizeAttrs>();
  const ScaleUse use = scale_use(c, a.axis, a.block_shape);
  c.output(0, c.cast(c.onnx("DequantizeLinear", {c.input(0), use.scale}, use.values), a.to_type));
}

}  // namespace

std::vector<Layer> quantization_layers() {
  return {{"trt.Quantize", ir::schema_of<QuantizeAttrs>(), 2, 2, lower_quantize},
          {"trt.Dequantize", ir::schema_of<DequantizeAttrs>(), 2, 2, lower_dequantize}};
}

}  // namespace tenon::ops::trt
