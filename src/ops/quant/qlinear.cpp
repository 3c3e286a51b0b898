// ONNX's integer products and quantized operators as core nodes. Integer products become i32 MatMul and Conv; operators
// on quantized tensors become dequantize, compute, quantize, which the quantization passes then fuse.
#include "ops/import.h"
#include "ops/math/activation.h"
#include "ops/math/cast.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "ops/nn/pool.h"
#include "ops/nn/window.h"
#include "ops/op.h"
#include "ops/quant/quantize.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/reshape.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

using ir::ValueId;

bool is_zero(const Tensor* t) {
  for (int64_t i = 0; t && i < t->count(); ++i)
    if (t->get_int(i) != 0) return false;
  return t != nullptr;
}

ValueId to_i32(ImportContext& c, ValueId v) { return c.add("Cast", {v}, CastAttrs{DType::kI32}); }

/// A vector as [n, 1, …, 1] with `trailing` ones; one number stays.
ValueId leading(ImportContext& c, ValueId v, size_t trailing) {
  const Shape s = c.shape(v);
  if (s.empty() || (s.size() == 1 && s[0] == 1)) return v;
  std::vector<int64_t> dims(trailing + 1, 1);
  dims[0] = -1;
  return s.size() == 1 ? c.add("Reshape", {v, c.constant(Tensor::vector_i64(dims))}, ReshapeAttrs{}) : v;
}

/// Operand `i` less its zero point, input `zero`, in i32. `trailing` axes follow the one that a vector of zero points
/// belongs to.
ValueId shifted(ImportContext& c, size_t i, size_t zero, size_t trailing) {
  const ValueId x = to_i32(c, c.required(i));
  if (!c.has(zero) || is_zero(c.constant(c.input(zero)))) return x;
  return c.add("Sub", {x, leading(c, to_i32(c, c.input(zero)), trailing)});
}

void import_matmul_integer(ImportContext& c) {
  if (c.shape(c.required(0)).size() < 2 || c.shape(c.required(1)).size() < 2)
    c.fail("operands have the ranks ", c.shape(c.required(0)).size(), " and ", c.shape(c.required(1)).size(),
           ", accepted are ranks from 2");
  const ValueId a = shifted(c, 0, 2, 1), b = shifted(c, 1, 3, 0);
  c.output(0, c.add("MatMul", {a, b}, MatMulAttrs{}));
}

void import_conv_integer(ImportContext& c) {
  const Shape w = c.shape(c.required(1));
  const ConvAttrs a = import_conv_attrs(c, w);
  if (needs_pad_same(c, a.strides)) c.fail("SAME padding with a stride needs a constant input size");
  const ValueId x = shifted(c, 0, 2, 0), weights = shifted(c, 1, 3, w.size() - 1);
  c.output(0, c.add("Conv", {x, weights}, a));
}

/// Dequantizes input `i`, whose scale and zero point follow it.
ValueId dequantized(ImportContext& c, size_t i, int64_t axis = 1) {
  QuantizeAttrs a;
  a.to = c.dtype(c.required(i + 1));
  a.axis = axis;
  std::vector<ValueId> in{c.required(i), c.required(i + 1)};
  if (c.has(i + 2)) in.push_back(c.input(i + 2));
  return c.add("DequantizeLinear", in, a);
}

/// Binds output 0 to `v` quantized by the scale at input `i` and the zero point after it.
void quantized_output(ImportContext& c, ValueId v, size_t i, DType fallback) {
  QuantizeAttrs a;
  std::vector<ValueId> in{v, c.required(i)};
  a.to = fallback;
  if (c.has(i + 1)) {
    in.push_back(c.input(i + 1));
    a.to = c.dtype(c.input(i + 1));
  }
  c.output(0, c.add("QuantizeLinear", in, a));
}

/// Dequantizes along the last axis but one (rows) or the last (columns), as the scale's length says.
int64_t matrix_axis(ImportContext& c, size_t i, bool rows) {
  return int64_t(c.shape(c.required(i)).size()) - (rows ? 2 : 1);
}

void import_qlinear_matmul(ImportContext& c) {
  const ValueId a = dequantized(c, 0, matrix_axis(c, 0, true)), b = dequantized(c, 3, matrix_axis(c, 3, false));
  quantized_output(c, c.add("MatMul", {a, b}, MatMulAttrs{}), 6, c.dtype(c.required(0)));
}

void import_qlinear_conv(ImportContext& c) {
  const ConvAttrs a = import_conv_attrs(c, c.shape(c.required(3)));
  if (needs_pad_same(c, a.strides)) c.fail("SAME padding with a stride needs a constant input size");
  std::vector<ValueId> in{dequantized(c, 0), dequantized(c, 3, 0)};
  if (c.has(8)) {
    const ValueId scale = c.add("Mul", {c.required(1), c.required(4)});
    QuantizeAttrs q;
    q.to = c.dtype(scale);
    q.axis = 0;
    in.push_back(c.add("DequantizeLinear", {c.input(8), scale}, q));
  }
  quantized_output(c, c.add("Conv", in, a), 6, c.dtype(c.required(0)));
}

template <bool Multiply>
void import_qlinear_binary(ImportContext& c) {
  const ValueId y = c.add(Multiply ? "Mul" : "Add", {dequantized(c, 0), dequantized(c, 3)});
  quantized_output(c, y, 6, c.dtype(c.required(0)));
}

void import_qlinear_sigmoid(ImportContext& c) {
  quantized_output(c, c.add("Sigmoid", {dequantized(c, 0)}), 3, c.dtype(c.required(0)));
}

void import_qlinear_leaky_relu(ImportContext& c) {
  const ValueId y = c.add("LeakyRelu", {dequantized(c, 0)}, AlphaAttrs{c.attr_float("alpha", 0.01f)});
  quantized_output(c, y, 3, c.dtype(c.required(0)));
}

void import_qlinear_softmax(ImportContext& c) {
  const int64_t axis = c.attr_int("axis", -1), rank = int64_t(c.shape(c.required(0)).size());
  if (c.attr_int("opset", 13) < 13 && axis != -1 && axis != rank - 1)
    c.fail("axis ", axis, " with opset ", c.attr_int("opset", 13), ", accepted is the last axis");
  quantized_output(c, c.add("Softmax", {dequantized(c, 0)}, AxisAttrs{axis}), 3, c.dtype(c.required(0)));
}

void import_qlinear_global_pool(ImportContext& c) {
  PoolAttrs a;
  a.kind = PoolKind::kAverage;
  a.channels_last = c.attr_int("channels_last", 0) != 0;
  quantized_output(c, c.add("Pool", {dequantized(c, 0)}, a), 3, c.dtype(c.required(0)));
}

}  // namespace

OpSet qlinear() {
  return {{},
          {{"", "MatMulInteger", 10, import_matmul_integer},
           {"", "ConvInteger", 10, import_conv_integer},
           {"", "QLinearMatMul", 10, import_qlinear_matmul},
           {"", "QLinearConv", 10, import_qlinear_conv},
           {"com.microsoft", "QLinearAdd", 1, import_qlinear_binary<false>},
           {"com.microsoft", "QLinearMul", 1, import_qlinear_binary<true>},
           {"com.microsoft", "QLinearSigmoid", 1, import_qlinear_sigmoid},
           {"com.microsoft", "QLinearLeakyRelu", 1, import_qlinear_leaky_relu},
           {"com.microsoft", "QLinearSoftmax", 1, import_qlinear_softmax},
           {"com.microsoft", "QLinearGlobalAveragePool", 1, import_qlinear_global_pool}}};
}

}  // namespace tenon::ops
