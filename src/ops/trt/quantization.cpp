// Quantize and dequantize layers: round(x / scale) and x * scale, zero point 0.
#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

struct QuantizeAttrs {
  int64_t axis = -1;
  DType to_type = DType::kI8;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(QuantizeAttrs, axis), TENON_TRT_FIELD(QuantizeAttrs, to_type)};
    return f;
  }
};

struct DequantizeAttrs {
  int64_t axis = -1;
  DType to_type = DType::kF32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(DequantizeAttrs, axis), TENON_TRT_FIELD(DequantizeAttrs, to_type)};
    return f;
  }
};

Values axis_values(LowerContext& c, int64_t axis) {
  if (c.rank(c.input(1)) == 0) return {};
  return {{"axis", axis < 0 ? int64_t{1} : axis}};
}

void lower_quantize(LowerContext& c) {
  const auto& a = c.attrs<QuantizeAttrs>();
  Values values = axis_values(c, a.axis);
  values["output_dtype"] = a.to_type;
  c.output(0, c.onnx("QuantizeLinear", {c.input(0), c.cast(c.input(1), c.dtype(c.input(0)))}, std::move(values)));
}

void lower_dequantize(LowerContext& c) {
  const auto& a = c.attrs<DequantizeAttrs>();
  c.output(0, c.cast(c.onnx("DequantizeLinear", {c.input(0), c.input(1)}, axis_values(c, a.axis)), a.to_type));
}

}  // namespace

std::vector<Layer> quantization_layers() {
  return {{"trt.Quantize", ir::schema_of<QuantizeAttrs>(), 2, 2, lower_quantize},
          {"trt.Dequantize", ir::schema_of<DequantizeAttrs>(), 2, 2, lower_dequantize}};
}

}  // namespace tenon::ops::trt
