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

/// Where the scale varies: nowhere, along `axis`, or over blocks along the one axis whose block is longer than 1.
Values axis_values(LowerContext& c, int64_t axis, const Dims& block_shape) {
  if (c.rank(c.input(1)) == 0) return {};
  if (block_shape.empty()) return {{"axis", axis < 0 ? int64_t{1} : axis}};
  require(block_shape.size() == c.rank(c.input(0)), ErrorCode::kShapeMismatch, "the block shape ", block_shape,
          " has another rank than the input, ", c.rank(c.input(0)));
  size_t blocked = block_shape.size() - 1;
  int count = 0;
  for (size_t i = 0; i < block_shape.size(); ++i) {
    require(block_shape[i] > 0, ErrorCode::kInvalidArgument, "the block shape is ", block_shape);
    if (block_shape[i] > 1) blocked = i, ++count;
  }
  require(count <= 1, ErrorCode::kUnsupported, "blocks of shape ", block_shape, "; accepted are blocks along one axis");
  return {{"axis", static_cast<int64_t>(blocked)}, {"block_size", block_shape[blocked]}};
}

void lower_quantize(LowerContext& c) {
  const auto& a = c.attrs<QuantizeAttrs>();
  Values values = axis_values(c, a.axis, a.block_shape);
  values["output_dtype"] = a.to_type;
  c.output(0, c.onnx("QuantizeLinear", {c.input(0), c.cast(c.input(1), c.dtype(c.input(0)))}, std::move(values)));
}

void lower_dequantize(LowerContext& c) {
  const auto& a = c.attrs<DequantizeAttrs>();
  c.output(0, c.cast(c.onnx("DequantizeLinear", {c.input(0), c.input(1)}, axis_values(c, a.axis, a.block_shape)),
                     a.to_type));
}

}  // namespace

std::vector<Layer> quantization_layers() {
  return {{"trt.Quantize", ir::schema_of<QuantizeAttrs>(), 2, 2, lower_quantize},
          {"trt.Dequantize", ir::schema_of<DequantizeAttrs>(), 2, 2, lower_dequantize}};
}

}  // namespace tenon::ops::trt
