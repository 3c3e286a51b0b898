// Core nodes that compute, as several layers.
#include <algorithm>
#include <limits>
#include <tuple>

#include "ops/math/activation.h"
#include "ops/math/binary.h"
#include "ops/math/cast.h"
#include "ops/math/ordering.h"
#include "ops/math/predicate.h"
#include "ops/math/reduce.h"
#include "ops/nn/norm.h"
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

/// x with the order of one axis turned around, and that axis's last place, in x's rank.
std::pair<ValueId, ValueId> turned_around(ExpandContext& c, ValueId x, size_t axis) {
  const size_t rank = c.rank(x);
  Ints start(rank, 0), steps(rank, 1);
  steps[axis] = -1;
  if (const auto dims = c.numbers(x)) {
    const int64_t last = start[axis] = std::max<int64_t>((*dims)[axis] - 1, 0);
    return {c.layer("trt.Slice", {x}, {{"start", start}, {"size", *dims}, {"stride", steps}}),
            c.number_of_rank(DType::kI64, rank, double(last))};
  }
  const ValueId dims = c.layer("trt.Shape", {x});
  start[axis] = 1;
  const ValueId first = c.elementwise("Mul", c.elementwise("Sub", dims, c.ints(Ints(rank, 1))), c.ints(start));
  const ValueId last = c.reshape(c.picked(first, {int64_t(axis)}), Ints(rank, 1));
  return {c.layer("trt.Slice", {x, first, dims}, {{"stride", steps}}), last};
}

/// The first of the sorted elements' places; the last one is the first from the end.
void expand_arg(ExpandContext& c) {
  const auto& a = c.attrs<ArgAttrs>();
  const size_t axis = c.axis(a.axis);
  ValueId x = c.input(0), last = ir::kNone;
  if (a.select_last_index) std::tie(x, last) = turned_around(c, x, axis);
  ValueId place = c.layer_n("trt.TopK", {x},
                            {{"operation", int64_t{c.node().op == "ArgMin"}},
                             {"k", int64_t{1}},
                             {"reduce_axes", int64_t{1} << axis},
                             {"indices_type", DType::kI64}},
                            2)[1];
  if (a.select_last_index) place = c.elementwise("Sub", last, place);
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

/// Infinities of one sign, or of both where no unary operation finds them.
void expand_is_inf(ExpandContext& c) {
  const auto& a = c.attrs<IsInfAttrs>();
  if (!a.detect_negative && !a.detect_positive) return;
  const ValueId x = c.input(0);
  const double infinity = std::numeric_limits<double>::infinity();
  if (c.level < 8) {
    const bool both = a.detect_negative && a.detect_positive;
    const double wanted = a.detect_positive ? infinity : -infinity;
    return c.output(0, c.elementwise("Equal", both ? c.unary("Abs", x) : x, c.number_like(x, wanted)));
  }
  const ValueId any = c.unary("IsInf", x);
  if (a.detect_negative == a.detect_positive) return c.output(0, any);
  const ValueId sign = c.elementwise(a.detect_positive ? "Greater" : "Less", x, c.number_like(x, 0));
  c.output(0, c.elementwise("And", any, sign));
}

// Unary operations and activations of later releases, by those that were always there.

/// Only what is no number differs from itself.
void expand_is_nan(ExpandContext& c) {
  if (c.level < 10) c.output(0, c.unary("Not", c.elementwise("Equal", c.input(0), c.input(0))));
}

/// 1 and -1; zeros, and what is no number, stay.
void expand_sign(ExpandContext& c) {
  if (c.level >= 8) return;
  const ValueId x = c.input(0), zero = c.number_like(x, 0);
  const ValueId low = c.select(c.elementwise("Less", x, zero), c.number_like(x, -1), x);
  c.output(0, c.select(c.elementwise("Greater", x, zero), c.number_like(x, 1), low));
}

/// Halves go to the even neighbour: the floor of x, and 1 more where the rest is above a half, or is one and the floor
/// is odd.
void expand_round(ExpandContext& c) {
  if (c.level >= 8) return;
  const ValueId x = c.input(0), half = c.number_like(x, 0.5), low = c.unary("Floor", x);
  const ValueId rest = c.elementwise("Sub", x, low), halved = c.elementwise("Mul", low, half);
  const ValueId odd = c.elementwise("Greater", halved, c.unary("Floor", halved));
  const ValueId up = c.elementwise("And", odd, c.elementwise("Equal", rest, half));
  const ValueId above = c.elementwise("Or", up, c.elementwise("Greater", rest, half));
  c.output(0, c.select(above, c.elementwise("Add", low, c.number_like(x, 1)), low));
}

/// x / 2 * (1 + erf(x / sqrt(2))), or its approximation with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)).
void expand_gelu(ExpandContext& c) {
  if (c.level >= 10) return;
  const ValueId x = c.input(0);
  const auto scaled = [&](ValueId v, double factor) { return c.elementwise("Mul", v, c.number_like(x, factor)); };
  ValueId inner;
  if (c.attrs<GeluAttrs>().approximate) {
    const ValueId cube = c.elementwise("Mul", c.elementwise("Mul", x, x), x);
    const ValueId sum = c.elementwise("Add", x, scaled(cube, 0.044715));
    inner = c.activation(scaled(sum, 0.7978845608028654), kTanh);
  } else {
    inner = c.unary("Erf", scaled(x, 0.7071067811865476));
  }
  c.output(0, c.elementwise("Mul", scaled(x, 0.5), c.elementwise("Add", inner, c.number_like(x, 1))));
}

}  // namespace

std::vector<ExpandRule> expand_compute_rules() {
  return {{"Cast", expand_cast},
          {"IsInf", expand_is_inf},
          {"IsNaN", expand_is_nan},
          {"Sign", expand_sign},
          {"Round", expand_round},
          {"Gelu", expand_gelu},
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
          {"LpNormalization", expand_lp_norm}};
}

}  // namespace tenon::ops::trt
