#include "ops/nn/attention.h"

#include <cmath>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/reshape.h"
#include "ops/shape/transpose.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_attention(InferContext& c) {
  const AttentionAttrs& a = c.attrs<AttentionAttrs>();
  const Shape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
  c.expect(q.size() == 4 && k.size() == 4 && v.size() == 4, "q ", c.text(q), ", k ", c.text(k), " and v ", c.text(v),
           ", accepted is rank 4");
  auto same = [](Dim x, Dim y) { return x == y || !x.is_const() || !y.is_const(); };
  c.expect(same(q[0], k[0]) && same(k[0], v[0]) && same(q[3], k[3]) && same(k[1], v[1]) && same(k[2], v[2]), "q ",
           c.text(q), ", k ", c.text(k), " and v ", c.text(v), " do not fit together");
  if (q[1].is_const() && k[1].is_const())
    c.expect(k[1].constant() > 0 && q[1].constant() % k[1].constant() == 0, "q has ", q[1].constant(), " heads and k ",
             k[1].constant(), ", accepted are multiples");
  c.expect(ir::is_float(c.dtype(0)) && c.dtype(1) == c.dtype(0) && c.dtype(2) == c.dtype(0), "the types are ",
           ir::name(c.dtype(0)), ", ", ir::name(c.dtype(1)), " and ", ir::name(c.dtype(2)),
           ", accepted is one floating-point type");
  c.expect(a.left_window >= -1 && a.right_window >= -1, "windows are ", a.left_window, " and ", a.right_window,
           ", accepted are numbers from -1");
  c.expect(a.scores >= 0 && a.scores <= 3, "scores is ", a.scores, ", accepted are 0 to 3");
  const Shape full{q[0], q[1], q[2], k[2]};
  if (c.has(3)) {
    c.expect(c.dtype(3) == DType::kBool || c.dtype(3) == c.dtype(0), "the mask has the type ", ir::name(c.dtype(3)),
             ", accepted are bool and ", ir::name(c.dtype(0)));
    c.expect(c.rank(3) <= 4, "the mask ", c.text(c.shape(3)), " does not broadcast to ", c.text(full));
    for (size_t i = 0; i < c.rank(3); ++i) {
      const Dim m = c.shape(3)[i], want = full[4 - c.rank(3) + i];
      c.expect(m == 1 || same(m, want), "the mask ", c.text(c.shape(3)), " does not broadcast to ", c.text(full));
    }
  }
  c.output(0, c.dtype(0), {q[0], q[1], q[2], v[3]});
  c.output(1, c.dtype(0), full);
}

/// Everything that decides which keys one query sees, and what is added to its scores.
struct Visibility {
  const EvalContext& c;
  const AttentionAttrs& a;
  Dims full;
  std::optional<BroadcastIndex> mask_at;

  Visibility(const EvalContext& context, const Dims& dims)
      : c(context), a(context.attrs<AttentionAttrs>()), full(dims) {
    if (c.has(3)) mask_at.emplace(c.input(3).dims(), full);
  }
  int64_t per_batch(size_t input, int64_t b, int64_t fallback) const {
    if (!c.has(input)) return fallback;
    const Tensor& t = c.input(input);
    return t.get_int(t.count() == 1 ? 0 : b);
  }
  /// What is added to the score of key `j`; -inf keeps it out.
  double bias(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const int64_t p = per_batch(4, b, 0) + i;
    const bool seen = j < per_batch(5, b, full[3]) && (!a.causal || j <= p) &&
                      (a.left_window < 0 || j >= p - a.left_window) && (a.right_window < 0 || j - p <= a.right_window);
    if (!seen) return -INFINITY;
    if (!mask_at) return 0;
    const int64_t at = (*mask_at)(((b * full[1] + h) * full[2] + i) * full[3] + j);
    if (c.input(3).dtype() == DType::kBool) return c.input(3).get_int(at) != 0 ? 0 : -INFINITY;
    return c.input(3).get(at);
  }
};

/// Softmax in place; a row of -inf becomes zeros.
void softmax_or_zero(std::vector<double>& row) {
  double top = -INFINITY, sum = 0;
  for (double v : row) top = std::isnan(v) ? v : v > top ? v : top;
  for (double& v : row) sum += v = top == -INFINITY ? 0 : std::exp(v - top);
  for (double& v : row) v = sum == 0 ? 0 : v / sum;
}

void eval_attention(EvalContext& c) {
  const AttentionAttrs& a = c.attrs<AttentionAttrs>();
  const Dims &qd = c.input(0).dims(), &kd = c.input(1).dims(), &vd = c.input(2).dims();
  const int64_t heads = qd[1], rows = qd[2], keys = kd[2], depth = qd[3], width = vd[3];
  const std::vector<double> q = c.input(0).to_doubles(), k = c.input(1).to_doubles(), v = c.input(2).to_doubles();
  const Dims full{qd[0], heads, rows, keys};
  Tensor& y = c.output(0, {qd[0], heads, rows, width});
  Tensor scores;
  if (c.wants(1)) scores = Tensor(c.output_type(1), full);
  const Visibility see(c, full);
  const double scale = a.scale == 0 ? 1 / std::sqrt(double(depth)) : double(a.scale);
  std::vector<double> row(static_cast<size_t>(keys));
  for (int64_t b = 0; b < qd[0]; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t group = b * kd[1] + h / (heads / kd[1]), at = (b * heads + h) * rows + i;
        auto keep = [&](int64_t stage) {
          for (int64_t j = 0; scores.defined() && a.scores == stage && j < keys; ++j)
            scores.set(at * keys + j, row[size_t(j)]);
        };
        for (int64_t j = 0; j < keys; ++j) {
          double sum = 0;
          for (int64_t e = 0; e < depth; ++e)
            sum += q[size_t(at * depth + e)] * k[size_t((group * keys + j) * depth + e)];
          row[size_t(j)] = sum * scale;
        }
        keep(0);
        for (double& s : row) s = a.softcap > 0 ? double(a.softcap) * std::tanh(s / double(a.softcap)) : s;
        keep(1);
        for (int64_t j = 0; j < keys; ++j) row[size_t(j)] += see.bias(b, h, i, j);
        keep(2);
        softmax_or_zero(row);
        keep(3);
        for (int64_t e = 0; e < width; ++e) {
          double sum = 0;
          for (int64_t j = 0; j < keys; ++j)
            if (row[size_t(j)] != 0) sum += row[size_t(j)] * v[size_t((group * keys + j) * width + e)];
          y.set(at * width + e, sum);
        }
      }
  if (scores.defined()) c.outputs[1] = scores;
}

ir::ValueId ints(ImportContext& c, std::vector<int64_t> v) { return c.constant(Tensor::vector_i64(v)); }

/// [B, S, heads * D] as [B, heads, S, D].
ir::ValueId split_heads(ImportContext& c, ir::ValueId v, int64_t heads) {
  if (heads < 1) c.fail("the number of heads is ", heads, ", accepted are numbers from 1");
  v = c.add("Reshape", {v, ints(c, {0, 0, heads, -1})}, ReshapeAttrs{});
  return c.add("Transpose", {v}, TransposeAttrs{{0, 2, 1, 3}});
}

ir::ValueId with_past(ImportContext& c, ir::ValueId v, size_t past) {
  return c.has(past) ? c.add("Concat", {c.input(past), v}, AxisAttrs{2}) : v;
}

/// Keys past the end of a shorter mask stay out.
ir::ValueId padded_mask(ImportContext& c, Dim keys) {
  const ir::ValueId mask = c.input(3);
  const Shape s = c.shape(mask);
  if (s.empty() || !s.back().is_const() || !keys.is_const() || s.back().constant() >= keys.constant()) return mask;
  Shape fill = s;
  fill.back() = keys.constant() - s.back().constant();
  if (!ir::is_static(fill)) c.fail("a mask shorter than the ", keys.constant(), " keys needs constant dimensions");
  Tensor t(c.dtype(mask), ir::static_dims(fill));
  for (int64_t i = 0; i < t.count() && t.dtype() != DType::kBool; ++i) t.set(i, -INFINITY);
  return c.add("Concat", {mask, c.constant(std::move(t))}, AxisAttrs{int64_t(s.size()) - 1});
}

/// The single dimension `axis` of `v` as a constant or computed scalar list [1].
ir::ValueId dim_of(ImportContext& c, ir::ValueId v, size_t axis) {
  const Shape s = c.shape(v);
  if (s.at(axis).is_const()) return ints(c, {s[axis].constant()});
  return c.add("Gather", {c.add("Shape", {v}, ir::Attrs(find_op("Shape").attrs)), ints(c, {int64_t(axis)})},
               AxisAttrs{0});
}

void import_attention(ImportContext& c) {
  const size_t rank = c.shape(c.required(0)).size();
  const bool flat = rank == 3;
  for (size_t i = 0; i < 3; ++i)
    if (const size_t r = c.shape(c.required(i)).size(); r != rank || (r != 3 && r != 4))
      c.fail("input ", i, " has rank ", r, "; query, key and value of one rank, 3 or 4, are accepted");
  AttentionAttrs a;
  a.scale = c.attr_float("scale", 0);
  a.softcap = c.attr_float("softcap", 0);
  a.causal = c.attr_int("is_causal", 0) != 0;
  a.left_window = c.attr_int("left_window_size", -1);
  a.right_window = c.attr_int("right_window_size", -1);
  a.scores = c.attr_int("qk_matmul_output_mode", 0);
  if (c.has(4) != c.has(5)) c.fail("past_key and past_value come together or not at all");
  const int64_t q_heads = c.attr_int("q_num_heads", 0), kv_heads = c.attr_int("kv_num_heads", 0);
  auto heads = [&](ir::ValueId v, int64_t n) { return flat ? split_heads(c, v, n) : v; };
  const ir::ValueId q = heads(c.required(0), q_heads);
  const ir::ValueId k = with_past(c, heads(c.required(1), kv_heads), 4),
                    v = with_past(c, heads(c.required(2), kv_heads), 5);
  std::vector<ir::ValueId> in{q, k, v, c.has(3) ? padded_mask(c, c.shape(k)[2]) : ir::kNone, ir::kNone, ir::kNone};
  const bool positional = a.causal || a.left_window >= 0 || a.right_window >= 0;
  if (c.has(6)) {
    in[5] = c.input(6);
    if (positional) in[4] = c.add("Sub", {c.input(6), dim_of(c, q, 2)});
  } else if (c.has(4) && positional) {
    in[4] = dim_of(c, c.input(4), 2);
  }
  while (in.back() == ir::kNone) in.pop_back();
  const bool wants_scores = c.output_count() > 3;
  const auto y = c.add_n("Attention", in, a, wants_scores ? 2 : 1);
  ir::ValueId out = y[0];
  if (flat) {
    out = c.add("Transpose", {out}, TransposeAttrs{{0, 2, 1, 3}});
    out = c.add("Reshape", {out, ints(c, {0, 0, -1})}, ReshapeAttrs{});
  }
  c.output(0, out);
  if (c.output_count() > 1) c.output(1, k);
  if (c.output_count() > 2) c.output(2, v);
  if (wants_scores) c.output(3, y[1]);
}

}  // namespace

OpSet attention() {
  return {{{.name = "Attention",
            .attrs = ir::schema_of<AttentionAttrs>(),
            .min_inputs = 3,
            .max_inputs = 6,
            .infer = infer_attention,
            .eval = eval_attention}},
          {{"", "Attention", 23, import_attention}}};
}

}  // namespace tenon::ops
