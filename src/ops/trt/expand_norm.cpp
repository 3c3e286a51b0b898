// Normalizations and attention, as several layers.
#include <cmath>
#include <limits>

#include "ops/nn/attention.h"
#include "ops/nn/batch_norm.h"
#include "ops/nn/norm.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

/// Scale and bias of channels, then the normalization of `axes`.
void add_normalization(ExpandContext& c, int64_t axes, int64_t groups, float epsilon) {
  Ints dims(c.rank(c.input(0)), 1);
  dims[1] = -1;
  const ValueId scale = c.reshape(c.input(1), dims), bias = c.reshape(c.input(2), dims);
  c.output(0, c.layer("trt.Normalization", {c.input(0), scale, bias},
                      {{"axes", axes}, {"nb_groups", groups}, {"epsilon", epsilon}}));
}
int64_t axes_from(ExpandContext& c, size_t first) {
  return ((int64_t{1} << c.rank(c.input(0))) - 1) & ~((int64_t{1} << first) - 1);
}
void expand_instance_norm(ExpandContext& c) {
  if (c.rank(c.input(0)) > 2) add_normalization(c, axes_from(c, 2), 1, c.attrs<InstanceNormAttrs>().epsilon);
}
void expand_group_norm(ExpandContext& c) {
  const auto& a = c.attrs<GroupNormAttrs>();
  if (c.rank(c.input(0)) > 2) add_normalization(c, axes_from(c, a.num_groups == 1 ? 1 : 2), a.num_groups, a.epsilon);
}

/// Parameters that are computed: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, by layers.
void expand_batch_norm(ExpandContext& c) {
  const ValueId x = c.input(0);
  Ints dims(c.rank(x), 1);
  dims[1] = -1;
  auto channels = [&](size_t i) { return c.reshape(c.input(i), dims); };
  const ValueId epsilon = c.scalar(c.dtype(c.input(4)), double(c.attrs<BatchNormAttrs>().epsilon));
  const ValueId deviation = c.unary("Sqrt", c.elementwise("Add", channels(4), epsilon));
  const ValueId centred = c.elementwise("Sub", x, channels(3));
  const ValueId scaled = c.elementwise("Mul", c.elementwise("Div", centred, deviation), channels(1));
  c.output(0, c.elementwise("Add", scaled, channels(2)));
}

/// Statistics that somebody reads are layers of their own, and so is all of it before there were layers that normalize.
void expand_layer_norm(ExpandContext& c) {
  const auto& a = c.attrs<LayerNormAttrs>();
  const DType own = c.dtype(c.input(0));
  const int64_t axes = axes_from(c, c.axis(a.axis));
  if (c.level >= 8 && !c.wants(1) && !c.wants(2)) {
    const ValueId bias = c.has(2) ? c.input(2) : c.number_of_rank(own, c.rank(c.input(1)), 0);
    return c.output(
        0, c.layer("trt.Normalization", {c.input(0), c.input(1), bias}, {{"axes", axes}, {"epsilon", a.epsilon}}));
  }
  const ValueId x = c.converted(c.input(0), own == DType::kF64 ? own : DType::kF32);
  const ValueId mean = c.reduce(x, kMeanOf, axes), centred = c.elementwise("Sub", x, mean);
  const ValueId variance = c.reduce(c.elementwise("Mul", centred, centred), kMeanOf, axes);
  const ValueId root = c.unary("Sqrt", c.elementwise("Add", variance, c.number_like(x, double(a.epsilon))));
  const ValueId inverse = c.unary("Reciprocal", root);
  ValueId y = c.elementwise("Mul", c.converted(c.elementwise("Mul", centred, inverse), own), c.input(1));
  if (c.has(2)) y = c.elementwise("Add", y, c.input(2));
  c.output(0, y);
  if (c.wants(1)) c.output(1, mean);
  if (c.wants(2)) c.output(2, inverse);
}

/// x / sqrt(mean of squares + epsilon) * scale; the statistics in f32 at least.
void expand_rms_norm(ExpandContext& c) {
  const auto& a = c.attrs<LayerNormAttrs>();
  const DType own = c.dtype(c.input(0));
  const ValueId x = c.converted(c.input(0), own == DType::kF64 ? own : DType::kF32);
  const ValueId squares = c.reduce(c.elementwise("Mul", x, x), kMeanOf, axes_from(c, c.axis(a.axis)));
  const ValueId root = c.unary("Sqrt", c.elementwise("Add", squares, c.number_like(x, double(a.epsilon))));
  const ValueId y = c.converted(c.elementwise("Div", x, root), own);
  c.output(0, c.elementwise("Mul", y, c.input(1)));
}

/// A number for all, or one a batch entry, as [batch or 1, 1, 1, 1].
ValueId by_batch(ExpandContext& c, size_t input) {
  return c.reshape(c.converted(c.input(input), DType::kI64), {-1, 1, 1, 1});
}

/// key - query - offset of every pair, [batch or 1, 1, queries, keys].
ValueId distances(ExpandContext& c) {
  const ValueId rows = c.picked(c.dims_of(c.input(0)), {2}), keys = c.picked(c.dims_of(c.input(1)), {2});
  const ValueId zero = c.constant(Tensor::scalar_i64(0));
  const ValueId away = c.linspace(c.concat({c.ints({1, 1}), rows, keys}, 0), zero, {0, 0, -1, 1});
  return c.has(4) ? c.elementwise("Sub", away, by_batch(c, 4)) : away;
}

/// Whether a key lies within its sequence's length, [batch or 1, 1, 1, keys].
ValueId within_length(ExpandContext& c) {
  const ValueId keys = c.picked(c.dims_of(c.input(1)), {2}), zero = c.constant(Tensor::scalar_i64(0));
  const ValueId place = c.linspace(c.concat({c.ints({1, 1, 1}), keys}, 0), zero, {0, 0, 0, 1});
  return c.elementwise("Less", place, by_batch(c, 5));
}

/// The mask with four axes.
ValueId mask_of(ExpandContext& c) {
  const ValueId mask = c.input(3);
  Ints dims(4 - std::min<size_t>(c.rank(mask), 4), 1);
  if (dims.empty()) return mask;
  for (const ir::Dim& d : c.shape(mask)) dims.push_back(d.is_const() ? d.constant() : -1);
  require(std::count(dims.begin(), dims.end(), -1) <= 1, ErrorCode::kUnsupported, "two dims of the mask are not known");
  return c.reshape(mask, dims);
}

/// Heads of keys or values, repeated for those of queries that share them.
ValueId repeated_heads(ExpandContext& c, ValueId v) {
  const int64_t heads = c.number(c.input(0), 1), own = c.number(v, 1);
  if (heads == own) return v;
  Ints order;
  for (int64_t h = 0; h < heads; ++h) order.push_back(h / (heads / own));
  return c.layer("trt.Gather", {v, c.ints(order)}, {{"gather_axis", int64_t{1}}});
}

/// Which keys each query sees, broadcast to the scores; kNone if all are seen.
ValueId visibility(ExpandContext& c, ValueId mask) {
  const auto& a = c.attrs<AttentionAttrs>();
  ValueId seen = mask != ir::kNone && c.dtype(mask) == DType::kBool ? mask : ir::kNone;
  const auto also = [&](ValueId condition) {
    seen = seen == ir::kNone ? condition : c.elementwise("And", seen, condition);
  };
  if (a.causal || a.left_window >= 0 || a.right_window >= 0) {
    const ValueId away = distances(c);
    const auto bound = [&](int64_t n) { return c.constant(Tensor::vector_i64(Ints{n}).reshaped({1, 1, 1, 1})); };
    const bool right = a.right_window >= 0 && !a.causal;  // the past ends before any window
    if (a.causal) also(c.elementwise("Less", away, bound(1)));
    if (right && a.right_window < INT64_MAX) also(c.elementwise("Less", away, bound(a.right_window + 1)));
    if (a.left_window >= 0) also(c.elementwise("Greater", away, bound(-a.left_window - 1)));
  }
  if (c.has(5)) also(within_length(c));
  return seen;
}

/// softmax(scale * q k + mask) v, and the scores at the stage that is wanted.
void expand_products(ExpandContext& c, double scale) {
  const auto& a = c.attrs<AttentionAttrs>();
  const auto keep = [&](int64_t stage, ValueId scores) {
    if (c.wants(1) && a.scores == stage) c.output(1, scores);
  };
  ValueId scores = c.matmul(c.input(0), repeated_heads(c, c.input(1)), true);
  scores = c.elementwise("Mul", scores, c.number_like(scores, scale));
  keep(0, scores);
  if (a.softcap > 0) {
    const ValueId cap = c.number_like(scores, double(a.softcap));
    scores = c.elementwise("Mul", c.activation(c.elementwise("Div", scores, cap), kTanh), cap);
  }
  keep(1, scores);
  const ValueId mask = c.has(3) ? mask_of(c) : ir::kNone, seen = visibility(c, mask);
  if (mask != ir::kNone && c.dtype(mask) != DType::kBool) scores = c.elementwise("Add", scores, mask);
  const double infinity = std::numeric_limits<double>::infinity();
  if (c.wants(1) && a.scores == 2)
    keep(2, seen == ir::kNone ? scores : c.select(seen, scores, c.number_like(scores, -infinity)));
  const double lowest = c.dtype(scores) == DType::kF16 ? -65504 : -1e30;
  if (seen != ir::kNone) scores = c.select(seen, scores, c.number_like(scores, lowest));
  ValueId p = c.layer("trt.SoftMax", {scores}, {{"axes", int64_t{8}}});
  if (seen != ir::kNone) p = c.select(seen, p, c.number_like(p, 0));  // a query that sees no key
  keep(3, p);
  c.output(0, c.matmul(p, repeated_heads(c, c.input(2)), false));
}

void expand_attention(ExpandContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  const double scale = a.scale == 0 ? 1 / std::sqrt(double(c.number(c.input(0), 3))) : double(a.scale);
  const bool plain = a.softcap <= 0 && a.left_window < 0 && a.right_window < 0 && !c.wants(1) && !c.has(4);
  if (c.level < 11 || !plain) return expand_products(c, scale);
  const ValueId q = scale == 1 ? c.input(0) : c.elementwise("Mul", c.input(0), c.number_like(c.input(0), scale));
  std::vector<ValueId> inputs{q, c.input(1), c.input(2)};
  if (c.has(3) || c.has(5)) inputs.push_back(c.has(3) ? mask_of(c) : ir::kNone);
  if (c.has(5)) inputs.push_back(c.input(5));
  c.output(0, c.layer("trt.Attention", std::move(inputs), {{"causal", int64_t{a.causal}}}));
}

}  // namespace

std::vector<ExpandRule> expand_norm_rules() {
  return {{"InstanceNormalization", expand_instance_norm}, {"GroupNormalization", expand_group_norm},
          {"BatchNormalization", expand_batch_norm},       {"LayerNormalization", expand_layer_norm},
          {"RMSNormalization", expand_rms_norm},           {"Attention", expand_attention, true}};
}

}  // namespace tenon::ops::trt
