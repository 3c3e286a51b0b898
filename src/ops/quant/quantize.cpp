// QuantizeLinear and DequantizeLinear.
#include "ops/quant/quantize.h"

#include <cmath>

#include "ir/small_float.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// Throws unless scale (and zero point, of the same shape) fit x per tensor, per axis or per block.
void check_parameters(InferContext& c, const QuantizeAttrs& a) {
  const Shape &x = c.shape(0), &scale = c.shape(1);
  c.expect(a.block_size >= 0, "block_size is ", a.block_size, ", accepted are numbers from 0");
  c.expect(ir::is_float(c.dtype(1)), "scale has the type ", ir::name(c.dtype(1)),
           ", accepted are floating-point types");
  const bool one = scale.empty() || (scale.size() == 1 && scale[0] == 1);
  if (!one) {
    c.expect(scale.size() == 1 || scale.size() == x.size(), "scale ", c.text(scale),
             " fits neither an axis nor blocks of x ", c.text(x));
    const size_t axis = x.size() == 1 ? 0 : c.axis(a.axis, x.size());
    if (scale.size() == 1 && x.size() != 1) {
      c.expect(may_equal(scale[0], x[axis]), "scale ", c.text(scale), " does not have one number a position of axis ",
               axis, " of x ", c.text(x));
    } else {
      for (size_t i = 0; i < x.size(); ++i) {
        const bool blocked = i == axis && !(scale[i] == x[i]);
        const Dim want = blocked && a.block_size > 0 ? c.dims().ceil_div(x[i], a.block_size) : x[i];
        c.expect(may_equal(scale[i], want) || (blocked && a.block_size == 0 && !(scale[i] == 0)), "scale ",
                 c.text(scale), " does not fit x ", c.text(x), " in blocks of ", a.block_size, " along axis ", axis);
      }
    }
  }
  if (!c.has(2)) return;
  const Shape& zero = c.shape(2);
  const bool one_zero = zero.empty() || (zero.size() == 1 && zero[0] == 1);
  bool same = one == one_zero && (one || zero.size() == scale.size());
  for (size_t i = 0; same && !one && i < zero.size(); ++i) same = may_equal(zero[i], scale[i]);
  c.expect(same, "the zero point ", c.text(zero), " and the scale ", c.text(scale), " differ in shape");
}

/// Position of the parameters of each element.
class ParameterIndex {
 public:
  ParameterIndex(const Dims& x, const Dims& scale, const QuantizeAttrs& a) : one_(checked(scale) == 1) {
    if (one_) return;
    const size_t axis = x.size() == 1 ? 0 : normalized_axis(a.axis, x.size());
    const AxisView v(x, axis);
    size_ = v.size, inner_ = v.inner;
    blocked_ = scale.size() == x.size() && (x.size() > 1 || scale[0] != x[0]);
    blocks_ = scale.size() == x.size() ? scale[axis] : scale[0];
    block_ = !blocked_ ? 1 : a.block_size > 0 ? a.block_size : blocks_ == 0 ? 1 : (size_ + blocks_ - 1) / blocks_;
  }
  int64_t operator()(int64_t i) const {
    if (one_) return 0;
    const int64_t k = i / inner_ % size_ / block_;
    return blocked_ ? (i / inner_ / size_ * blocks_ + k) * inner_ + i % inner_ : k;
  }

 private:
  static int64_t checked(const Dims& dims) {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
  bool one_, blocked_ = false;
  int64_t size_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

bool quantized_type(DType t) {
  switch (t) {
    case DType::kI8:
    case DType::kU8:
    case DType::kI16:
    case DType::kU16:
    case DType::kI4:
    case DType::kU4:
    case DType::kI2:
    case DType::kU2:
    case DType::kF8E4M3FN:
    case DType::kF8E5M2:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2FNUZ:
    case DType::kF4E2M1:
      return true;
    default:
      return false;
  }
}

void infer_quantize(InferContext& c) {
  const QuantizeAttrs& a = c.attrs<QuantizeAttrs>();
  c.expect(quantized_type(a.to), "cannot quantize to ", ir::name(a.to),
           ", accepted are integers of up to 16 bits and floating-point types of up to 8");
  c.expect(ir::is_float(c.dtype(0)) || c.dtype(0) == DType::kI32, "x has the type ", ir::name(c.dtype(0)),
           ", accepted are floating-point types and i32");
  check_parameters(c, a);
  c.output(0, a.to, c.shape(0));
}

void infer_dequantize(InferContext& c) {
  const QuantizeAttrs& a = c.attrs<QuantizeAttrs>();
  c.expect(quantized_type(c.dtype(0)) || c.dtype(0) == DType::kI32, "x has the type ", ir::name(c.dtype(0)),
           ", accepted are quantized types and i32");
  c.expect(ir::is_float(a.to), "cannot dequantize to ", ir::name(a.to), ", accepted are floating-point types");
  check_parameters(c, a);
  c.output(0, a.to, c.shape(0));
}

/// Lowest and highest number of an integer type of up to 16 bits.
std::pair<double, double> limits(DType t) {
  const bool is_signed = t == DType::kI8 || t == DType::kI16 || t == DType::kI4 || t == DType::kI2;
  const double span = std::ldexp(1.0, ir::bits(t));
  return is_signed ? std::pair(-span / 2, span / 2 - 1) : std::pair(0.0, span - 1);
}

void eval_quantize(EvalContext& c) {
  const QuantizeAttrs& a = c.attrs<QuantizeAttrs>();
  const Tensor &x = c.input(0), &scale = c.input(1);
  Tensor& y = c.output(0, x.dims());
  const ParameterIndex at(x.dims(), scale.dims(), a);
  // The quotient has the precision of the scale, so that ties fall as they do in a kernel.
  const bool wide = scale.dtype() == DType::kF64;
  const SmallFloat* narrow = ir::small_float(a.to);
  const auto [low, high] = limits(a.to);
  for (int64_t i = 0; i < x.count(); ++i) {
    const double s = scale.get(at(i)), quotient = wide ? x.get(i) / s : double(float(x.get(i)) / float(s));
    if (narrow) {
      const uint8_t code = narrow->encode(float(quotient), a.saturate);
      if (y.dtype() == a.to && ir::bits(a.to) == 8)
        y.mutable_as<uint8_t>()[i] = code;
      else
        y.set(i, double(narrow->decode(code)));
      continue;
    }
    const double zero = c.has(2) ? c.input(2).get(at(i)) : 0, q = std::nearbyint(quotient) + zero;
    y.set_int(i, std::isnan(q) ? int64_t(zero) : int64_t(std::fmin(std::fmax(q, low), high)));
  }
}

void eval_dequantize(EvalContext& c) {
  const Tensor &x = c.input(0), &scale = c.input(1);
  Tensor& y = c.output(0, x.dims());
  const ParameterIndex at(x.dims(), scale.dims(), c.attrs<QuantizeAttrs>());
  for (int64_t i = 0; i < x.count(); ++i) {
    const double zero = c.has(2) ? c.input(2).get(at(i)) : 0;
    y.set(i, (x.get(i) - zero) * scale.get(at(i)));
  }
}

QuantizeAttrs attrs_of(ImportContext& c, DType to) {
  QuantizeAttrs a;
  const DType given = c.attr_dtype("output_dtype", DType::kUndefined);
  a.to = given == DType::kUndefined ? to : given;
  a.axis = c.attr_int("axis", 1);
  a.block_size = c.attr_int("block_size", 0);
  a.saturate = c.attr_int("saturate", 1) != 0;
  return a;
}

std::vector<ir::ValueId> operands(ImportContext& c) {
  std::vector<ir::ValueId> v{c.required(0), c.required(1)};
  if (c.has(2)) v.push_back(c.input(2));
  return v;
}

void import_quantize(ImportContext& c) {
  const QuantizeAttrs a = attrs_of(c, c.has(2) ? c.dtype(c.input(2)) : DType::kU8);
  c.output(0, c.add("QuantizeLinear", operands(c), a));
}

void import_dequantize(ImportContext& c) {
  c.output(0, c.add("DequantizeLinear", operands(c), attrs_of(c, c.dtype(c.required(1)))));
}

}  // namespace

OpSet quantize() {
  const auto* schema = ir::schema_of<QuantizeAttrs>();
  return {{{.name = "QuantizeLinear",
            .attrs = schema,
            .min_inputs = 2,
            .max_inputs = 3,
            .infer = infer_quantize,
            .eval = eval_quantize},
           {.name = "DequantizeLinear",
            .attrs = schema,
            .min_inputs = 2,
            .max_inputs = 3,
            .infer = infer_dequantize,
            .eval = eval_dequantize}},
          {{"", "QuantizeLinear", 10, import_quantize},
           {"", "DequantizeLinear", 10, import_dequantize},
           {"com.microsoft", "QuantizeLinear", 1, import_quantize},
           {"com.microsoft", "DequantizeLinear", 1, import_dequantize}}};
}

}  // namespace tenon::ops
