#include "ops/fused/fused_attention.h"

#include <cmath>

#include "ops/support.h"

namespace tenon::ops {
namespace {

/// One operand's axes as shape inference sees them.
struct HeadShape {
  Dim batch, length, size;
};
HeadShape head_shape(InferContext& c, size_t i, HeadLayout layout, int64_t heads, std::string_view name) {
  const Shape s = c.shape(i);
  c.expect(heads >= 1, "the number of heads is ", heads);
  if (layout == HeadLayout::kHeads) {
    c.expect(s.size() == 4, name, " ", c.text(s), " must have rank 4");
    c.expect(!s[1].is_const() || s[1] == heads, name, " ", c.text(s), " must have ", heads, " heads");
    return {s[0], s[2], s[3]};
  }
  c.expect(s.size() == 3, name, " ", c.text(s), " must have rank 3");
  c.expect(!s[2].is_const() || s[2].constant() % heads == 0, name, " ", c.text(s), " does not divide into ", heads,
           " heads");
  return {s[0], s[1], c.dims().floor_div(s[2], heads)};
}

void expect_equal(InferContext& c, Dim a, Dim b, std::string_view what) {
  c.expect(!a.is_const() || !b.is_const() || a == b, what, ": ", c.dims().text(a), " and ", c.dims().text(b));
}

void infer_attention(InferContext& c) {
  const auto& a = c.attrs<FusedAttentionAttrs>();
  const HeadShape q = head_shape(c, 0, a.q, a.heads, "q"), k = head_shape(c, 1, a.k, a.kv_heads, "k"),
                  v = head_shape(c, 2, a.v, a.kv_heads, "v");
  c.expect(a.heads % a.kv_heads == 0, a.heads, " heads do not divide among ", a.kv_heads);
  expect_equal(c, q.batch, k.batch, "batch sizes of q and k differ");
  expect_equal(c, q.batch, v.batch, "batch sizes of q and v differ");
  expect_equal(c, q.size, k.size, "head sizes of q and k differ");
  expect_equal(c, k.length, v.length, "lengths of k and v differ");
  for (size_t i = 0; i < 3; ++i)
    c.expect(ir::is_float(c.dtype(i)) && c.dtype(i) == c.dtype(0), "operand ", i, " has the type ", c.dtype(i),
             ", q has ", c.dtype(0));
  if (c.has(3)) {
    c.expect(c.dtype(3) == DType::kBool || ir::is_float(c.dtype(3)), "the mask has the type ", c.dtype(3));
    const Shape scores{q.batch, a.heads, q.length, k.length};
    c.expect(c.broadcast(c.shape(3), scores).size() == 4, "the mask ", c.text(c.shape(3)), " does not broadcast to ",
             c.text(scores));
  }
  if (a.y == HeadLayout::kHeads)
    c.output(0, c.dtype(0), {q.batch, a.heads, q.length, v.size});
  else
    c.output(0, c.dtype(0), {q.batch, q.length, c.dims().mul(v.size, a.heads)});
}

/// Row-major place of element (b, h, s, d).
struct HeadIndex {
  int64_t batch, heads, length, size;
  bool rows;
  HeadIndex(const Dims& dims, HeadLayout layout, int64_t head_count)
      : batch(dims[0]),
        heads(head_count),
        length(layout == HeadLayout::kRows ? dims[1] : dims[2]),
        size(layout == HeadLayout::kRows ? dims[2] / head_count : dims[3]),
        rows(layout == HeadLayout::kRows) {}
  int64_t operator()(int64_t b, int64_t h, int64_t s, int64_t d) const {
    return rows ? ((b * length + s) * heads + h) * size + d : ((b * heads + h) * length + s) * size + d;
  }
};

struct Scores {
  const FusedAttentionAttrs& a;
  const Tensor &q, &k;
  HeadIndex qi, ki;
  const Tensor* mask;
  BroadcastIndex mi;
  /// Softmax of one row of scores.
  std::vector<double> row(int64_t b, int64_t h, int64_t i) const {
    const int64_t g = h / (a.heads / a.kv_heads);
    std::vector<double> p(static_cast<size_t>(ki.length));
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < ki.length; ++j) {
      double s = 0;
      for (int64_t d = 0; d < qi.size; ++d) s += q.get(qi(b, h, i, d)) * k.get(ki(b, g, j, d));
      s *= double(a.scale);
      if (mask) {
        const double m = mask->get(mi(((b * a.heads + h) * qi.length + i) * ki.length + j));
        s = mask->dtype() != DType::kBool ? s + m : m != 0 ? s : -INFINITY;
      }
      if (a.causal && j > i + ki.length - qi.length) s = -INFINITY;
      p[size_t(j)] = s;
      top = std::fmax(top, s);
    }
    for (double& s : p) sum += s = std::exp(s - top);
    for (double& s : p) s /= sum;
    return p;
  }
};

void eval_attention(EvalContext& c) {
  const auto& a = c.attrs<FusedAttentionAttrs>();
  const Tensor &q = c.input(0), &k = c.input(1), &v = c.input(2);
  const HeadIndex qi(q.dims(), a.q, a.heads), ki(k.dims(), a.k, a.kv_heads), vi(v.dims(), a.v, a.kv_heads);
  const Dims scores{qi.batch, a.heads, qi.length, ki.length};
  const Scores s{
      a, q, k, qi, ki, c.has(3) ? &c.input(3) : nullptr, BroadcastIndex(c.has(3) ? c.input(3).dims() : Dims{}, scores)};
  Tensor& y = c.output(0, a.y == HeadLayout::kHeads ? Dims{qi.batch, a.heads, qi.length, vi.size}
                                                    : Dims{qi.batch, qi.length, a.heads * vi.size});
  const HeadIndex yi(y.dims(), a.y, a.heads);
  for (int64_t b = 0; b < qi.batch; ++b)
    for (int64_t h = 0; h < a.heads; ++h)
      for (int64_t i = 0; i < qi.length; ++i) {
        const std::vector<double> p = s.row(b, h, i);
        for (int64_t d = 0; d < vi.size; ++d) {
          double sum = 0;
          for (int64_t j = 0; j < ki.length; ++j) sum += p[size_t(j)] * v.get(vi(b, h / (a.heads / a.kv_heads), j, d));
          y.set(yi(b, h, i, d), sum);
        }
      }
}

}  // namespace

OpSet fused_attention() {
  return {{{.name = "FusedAttention",
            .attrs = ir::schema_of<FusedAttentionAttrs>(),
            .min_inputs = 3,
            .max_inputs = 4,
            .infer = infer_attention,
            .eval = eval_attention}},
          {}};
}

}  // namespace tenon::ops
