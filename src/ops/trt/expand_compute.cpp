// Core nodes that compute, as several layers.
#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "ops/math/activation.h"
#include "ops/math/binary.h"
#include "ops/math/cast.h"
#include "ops/math/ordering.h"
#include "ops/math/predicate.h"
#include "ops/math/reduce.h"
#include "ops/nn/norm.h"
#include "ops/nn/pool.h"
#include "ops/shape/axis_attrs.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

void expand_silu(ExpandContext& c) {
  if (c.node().op == "Swish" && c.attrs<AlphaAttrs>().alpha != 1) return;
  c.output(0, c.elementwise("Mul", c.input(0), c.activation(c.input(0), kSigmoid)));
}
void expand_hard_swish(ExpandContext& c) {
  c.output(0, c.elementwise("Mul", c.input(0), c.activation(c.input(0), kHardSigmoid, 1.0f / 6, 0.5f)));
}
void expand_mish(ExpandContext& c) {
  const ValueId inner = c.activation(c.activation(c.input(0), kSoftplus, 1, 1), kTanh);
  c.output(0, c.elementwise("Mul", c.input(0), inner));
}
void expand_square(ExpandContext& c) { c.output(0, c.elementwise("Mul", c.input(0), c.input(0))); }

void expand_or_equal(ExpandContext& c) {
  const ValueId strict = c.elementwise(c.node().op == "GreaterOrEqual" ? "Greater" : "Less", c.input(0), c.input(1));
  c.output(0, c.elementwise("Or", strict, c.elementwise("Equal", c.input(0), c.input(1))));
}

/// log(sum(exp(x))), from the largest on.
void expand_log_sum_exp(ExpandContext& c, int64_t axes, bool keep) {
  const ValueId top = c.reduce(c.input(0), kMaximumOf, axes);
  const ValueId sum = c.reduce(c.unary("Exp", c.elementwise("Sub", c.input(0), top)), kSumOf, axes, keep);
  const ValueId base = keep ? top : c.reduce(c.input(0), kMaximumOf, axes, false);
  c.output(0, c.elementwise("Add", c.unary("Log", sum), base));
}

/// Norms of lines: what is summed, then the root.
void expand_reduce(ExpandContext& c) {
  const auto& a = c.attrs<ReduceAttrs>();
  if (a.axes.empty()) return;
  int64_t axes = 0;
  for (int64_t axis : a.axes) axes |= int64_t{1} << c.axis(axis);
  if (a.kind == ReduceKind::kLogSumExp) return expand_log_sum_exp(c, axes, a.keepdims);
  ValueId y = c.input(0);
  switch (a.kind) {
    case ReduceKind::kL1:
      y = c.unary("Abs", y);
      break;
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      y = c.elementwise("Mul", y, y);
      break;
    case ReduceKind::kLogSum:
      break;
    default:
      return;
  }
  y = c.layer("trt.Reduce", {y}, {{"operation", int64_t{0}}, {"reduce_axes", axes}, {"keep_dimensions", a.keepdims}});
  if (a.kind == ReduceKind::kL2) y = c.unary("Sqrt", y);
  if (a.kind == ReduceKind::kLogSum) y = c.unary("Log", y);
  c.output(0, y);
}

/// The first of the sorted elements' places.
void expand_arg(ExpandContext& c) {
  const auto& a = c.attrs<ArgAttrs>();
  if (a.select_last_index) return;
  const size_t axis = c.axis(a.axis);
  const ValueId place = c.layer_n("trt.TopK", {c.input(0)},
                                  {{"operation", int64_t{c.node().op == "ArgMin"}},
                                   {"k", int64_t{1}},
                                   {"reduce_axes", int64_t{1} << axis},
                                   {"indices_type", DType::kI64}},
                                  2)[1];
  if (a.keepdims) return c.output(0, place);
  Ints dims;
  for (size_t i = 0; i < c.rank(place); ++i) {
    const ir::Dim d = c.shape(place)[i];
    if (i != axis) dims.push_back(i < axis ? 0 : d.is_const() ? d.constant() : -1);
  }
  if (std::count(dims.begin(), dims.end(), -1) > 1) return;
  c.output(0, c.reshape(place, dims));
}

void expand_cumulative(ExpandContext& c) {
  const auto& a = c.attrs<CumulativeAttrs>();
  const ValueId axis = c.has(1) ? c.input(1) : c.scalar(DType::kI32, double(a.axis));
  c.output(0, c.layer("trt.Cumulative", {c.input(0), axis}, {{"exclusive", a.exclusive}, {"reverse", a.reverse}}));
}

void expand_log_softmax(ExpandContext& c) {
  const int64_t axes = int64_t{1} << c.axis(c.attrs<AxisAttrs>().axis);
  c.output(0, c.unary("Log", c.layer("trt.SoftMax", {c.input(0)}, {{"axes", axes}})));
}

/// alpha * elu(x / alpha)
void expand_celu(ExpandContext& c) {
  const float alpha = c.attrs<AlphaAttrs>().alpha;
  if (alpha == 1) return c.output(0, c.activation(c.input(0), kEluKind, 1));
  const ValueId factor = c.number_like(c.input(0), double(alpha));
  const ValueId y = c.activation(c.elementwise("Div", c.input(0), factor), kEluKind, 1);
  c.output(0, c.elementwise("Mul", y, factor));
}

void expand_shrink(ExpandContext& c) {
  const auto& a = c.attrs<ShrinkAttrs>();
  const ValueId x = c.input(0), bias = c.number_like(x, double(a.bias));
  const ValueId high = c.elementwise("Greater", x, c.number_like(x, double(a.lambd)));
  const ValueId low = c.elementwise("Less", x, c.number_like(x, -double(a.lambd)));
  const ValueId inner = c.select(high, c.elementwise("Sub", x, bias), c.number_like(x, 0));
  c.output(0, c.select(low, c.elementwise("Add", x, bias), inner));
}

/// 1 where the place along the axis is that of the first of the largest.
void expand_hardmax(ExpandContext& c) {
  const size_t axis = c.axis(c.attrs<AxisAttrs>().axis), rank = c.rank(c.input(0));
  const ir::Dim length = c.shape(c.input(0))[axis];
  if (!length.is_const() || length.constant() > 65536) return;
  const ValueId place =
      c.layer_n("trt.TopK", {c.input(0)},
                {{"operation", int64_t{0}}, {"k", int64_t{1}}, {"reduce_axes", int64_t{1} << axis}}, 2)[1];
  ir::Dims dims(rank, 1);
  dims[axis] = length.constant();
  Tensor places(DType::kI32, dims);
  for (int64_t i = 0; i < places.count(); ++i) places.set_int(i, i);
  c.output(0, c.converted(c.elementwise("Equal", place, c.constant(std::move(places))), c.dtype(c.input(0))));
}

/// a - q * b, where q is a / b rounded downwards, or towards zero with `fmod`.
void expand_mod(ExpandContext& c) {
  const ValueId a = c.input(0), b = c.input(1);
  ValueId q;
  if (!c.attrs<ModAttrs>().fmod) {
    q = c.elementwise(kFloorDivision, a, b);
  } else {
    q = c.elementwise("Div", a, b);
    if (ir::is_float(c.dtype(a))) {
      const ValueId negative = c.elementwise("Less", q, c.number_like(q, 0)), up = c.unary("Ceil", q);
      q = c.select(negative, up, c.unary("Floor", q));
    }
  }
  c.output(0, c.elementwise("Sub", a, c.elementwise("Mul", q, b)));
}

/// (sum of |x|^p over windows)^(1 / p), from means that count the padding.
void expand_lp_pool(ExpandContext& c, const PoolAttrs& a) {
  if (a.ceil_mode || a.channels_last || a.p < 1 || a.p > 16 || c.rank(c.input(0)) < 3) return;
  const ValueId x = c.input(0);
  ValueId y = a.p == 2 ? c.elementwise("Mul", x, x) : c.unary("Abs", x);
  if (a.p > 2) y = c.elementwise("Pow", y, c.number_like(x, double(a.p)));
  if (a.kernel.empty()) {
    y = c.reduce(y, kSumOf, ((int64_t{1} << c.rank(x)) - 1) & ~int64_t{3});
  } else {
    const auto half = a.pads.begin() + std::ptrdiff_t(a.kernel.size());
    y = c.layer("trt.Pooling", {y},
                {{"pooling_type", int64_t{1}},
                 {"average_count_excludes_padding", false},
                 {"window_size", a.kernel},
                 {"stride", a.strides},
                 {"pre_padding", Ints(a.pads.begin(), half)},
                 {"post_padding", Ints(half, a.pads.end())}});
    y = c.elementwise("Mul", y, c.number_like(x, double(checked_product(a.kernel))));
  }
  if (a.p == 2) y = c.unary("Sqrt", y);
  if (a.p > 2) y = c.elementwise("Pow", y, c.number_like(x, 1 / double(a.p)));
  c.output(0, y);
}

/// The largest, or the sum, of strided slices, one for each element of the window.
void expand_dilated_pool(ExpandContext& c, const PoolAttrs& a) {
  const auto in = c.numbers(c.input(0));
  const bool average = a.kind == PoolKind::kAverage;
  const bool padded = std::any_of(a.pads.begin(), a.pads.end(), [](int64_t p) { return p != 0; });
  const int64_t elements = checked_product(a.kernel);
  if (!in || a.channels_last || a.ceil_mode || elements > 64 || c.outputs.size() != 1) return;
  if (!ir::is_float(c.dtype(c.input(0))) || (average && padded && !a.count_include_pad)) return;
  const size_t spatial = a.kernel.size();
  Ints size(in->begin(), in->begin() + 2);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t room = (*in)[2 + i] + a.pads[i] + a.pads[spatial + i] - a.dilations[i] * (a.kernel[i] - 1) - 1;
    size.push_back(room / a.strides[i] + 1);
  }
  Ints stride(2, 1), place(spatial, 0);
  stride.insert(stride.end(), a.strides.begin(), a.strides.end());
  const ValueId fill = c.number_of_rank(c.dtype(c.input(0)), 0, average ? 0 : -std::numeric_limits<double>::infinity());
  ValueId y = ir::kNone;
  for (int64_t e = 0; e < elements; ++e) {
    Ints start(2, 0);
    for (size_t i = 0; i < spatial; ++i) start.push_back(place[i] * a.dilations[i] - a.pads[i]);
    const ValueId part = c.layer("trt.Slice", {c.input(0), ir::kNone, ir::kNone, ir::kNone, fill},
                                 {{"start", start}, {"size", size}, {"stride", stride}, {"mode", int64_t{3}}});
    y = y == ir::kNone ? part : c.elementwise(average ? "Add" : "Max", y, part);
    for (size_t i = spatial; i-- > 0;) {
      if (++place[i] < a.kernel[i]) break;
      place[i] = 0;
    }
  }
  c.output(0, average ? c.elementwise("Div", y, c.number_like(y, double(elements))) : y);
}

void expand_pool(ExpandContext& c) {
  const auto& a = c.attrs<PoolAttrs>();
  if (a.kind == PoolKind::kLp && std::all_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d == 1; }))
    return expand_lp_pool(c, a);
  const bool dilated = std::any_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d != 1; });
  if (dilated && a.kind != PoolKind::kLp) expand_dilated_pool(c, a);
}

/// x divided by its norm along one axis; a line of zeros stays.
void expand_lp_norm(ExpandContext& c) {
  const auto& a = c.attrs<LpNormAttrs>();
  const ValueId x = c.input(0);
  const int64_t axes = int64_t{1} << c.axis(a.axis);
  ValueId norm = c.reduce(a.p == 1 ? c.unary("Abs", x) : c.elementwise("Mul", x, x), kSumOf, axes);
  if (a.p == 2) norm = c.unary("Sqrt", norm);
  const ValueId zero = c.elementwise("Equal", norm, c.number_like(norm, 0));
  c.output(0, c.elementwise("Div", x, c.select(zero, c.number_like(norm, 1), norm)));
}

/// Before there were cast layers, an identity of another output type.
void expand_cast(ExpandContext& c) {
  const auto& a = c.attrs<CastAttrs>();
  if (c.level < 8 && a.saturate) c.output(0, c.layer("trt.Identity", {c.input(0)}, {{"to_type", a.to}}));
}

/// Infinities of one sign.
void expand_is_inf(ExpandContext& c) {
  const auto& a = c.attrs<IsInfAttrs>();
  const ValueId x = c.input(0), any = c.unary("IsInf", x);
  if (a.detect_negative == a.detect_positive) return;
  const ValueId sign = c.elementwise(a.detect_positive ? "Greater" : "Less", x, c.number_like(x, 0));
  c.output(0, c.elementwise("And", any, sign));
}

}  // namespace

std::vector<ExpandRule> expand_compute_rules() {
  return {{"Cast", expand_cast},
          {"IsInf", expand_is_inf},
          {"Silu", expand_silu},
          {"Swish", expand_silu},
          {"HardSwish", expand_hard_swish},
          {"Mish", expand_mish},
          {"Square", expand_square},
          {"GreaterOrEqual", expand_or_equal},
          {"LessOrEqual", expand_or_equal},
          {"Reduce", expand_reduce},
          {"ArgMax", expand_arg},
          {"ArgMin", expand_arg},
          {"CumSum", expand_cumulative},
          {"LogSoftmax", expand_log_softmax},
          {"Celu", expand_celu},
          {"Shrink", expand_shrink},
          {"Hardmax", expand_hardmax},
          {"Mod", expand_mod},
          {"Pool", expand_pool},
          {"LpNormalization", expand_lp_norm}};
}

}  // namespace tenon::ops::trt
