#include "ops/import.h"
#include "ops/nn/attention.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"

namespace tenon::ops {
namespace {

void infer_rotary(InferContext& c) {
  const RotaryEmbeddingAttrs& a = c.attrs<RotaryEmbeddingAttrs>();
  const Shape &x = c.shape(0), &cos = c.shape(1), &sin = c.shape(2);
  c.expect(x.size() == 4 || x.size() == 3, "x ", c.text(x), " has rank ", x.size(), ", accepted are 3 and 4");
  c.expect(x.size() == 4 || a.num_heads >= 1, "num_heads is ", a.num_heads,
           ", accepted with x of rank 3 are numbers from 1");
  Dim head = x.back();
  if (x.size() == 3) {
    c.expect(!head.is_const() || head.constant() % a.num_heads == 0, "num_heads ", a.num_heads, " does not divide ",
             c.dims().text(head));
    head = c.dims().floor_div(head, a.num_heads);
  }
  c.expect(a.rotary_embedding_dim >= 0 && a.rotary_embedding_dim % 2 == 0 &&
               (!head.is_const() || (a.rotary_embedding_dim <= head.constant() && head.constant() % 2 == 0)),
           "rotary_embedding_dim is ", a.rotary_embedding_dim, ", accepted are even numbers up to the even head size ",
           c.dims().text(head));
  const Dim half = a.rotary_embedding_dim > 0 ? Dim(a.rotary_embedding_dim / 2) : c.dims().floor_div(head, 2);
  const size_t rank = c.has(3) ? 2 : 3;
  c.expect(cos.size() == rank && sin.size() == rank && may_equal(cos.back(), half) && may_equal(sin.back(), half),
           "cos ", c.text(cos), " and sin ", c.text(sin), ", accepted are rank ", rank, " with rows of ",
           c.dims().text(half));
  const Dim batch = x[0], steps = x[x.size() - 2];
  const bool rows = c.has(3) || (may_equal(cos[0], batch) && may_equal(cos[1], steps));
  c.expect(may_equal(cos[0], sin[0]) && may_equal(cos[rank - 2], sin[rank - 2]) && rows, "cos ", c.text(cos),
           " and sin ", c.text(sin), " have other rows than x ", c.text(x));
  if (c.has(3)) {
    const Shape& positions = c.shape(3);
    c.expect(positions.size() == 2 && may_equal(positions[0], batch) && may_equal(positions[1], steps), "positions ",
             c.text(positions), " are not one a row of x ", c.text(x));
  }
  c.output(0, c.dtype(0), x);
}

void eval_rotary(EvalContext& c) {
  const RotaryEmbeddingAttrs& a = c.attrs<RotaryEmbeddingAttrs>();
  const Tensor &x = c.input(0), &cos = c.input(1), &sin = c.input(2);
  const Dims& d = x.dims();
  const bool flat = d.size() == 3;
  const int64_t batch = d[0], heads = flat ? a.num_heads : d[1], steps = flat ? d[1] : d[2];
  const int64_t size = flat ? d[2] / heads : d[3],
                half = (a.rotary_embedding_dim > 0 ? a.rotary_embedding_dim : size) / 2;
  const int64_t table = cos.dims()[0];
  Tensor& y = c.output(0, d);
  for (int64_t i = 0; i < x.count(); ++i) y.set(i, x.get(i));
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t s = 0; s < steps; ++s) {
      int64_t row = b * steps + s;
      if (c.has(3)) {
        row = c.input(3).get_int(row);
        require(row >= 0 && row < table, ErrorCode::kInvalidArgument, "position ", row, ", accepted are 0 to ",
                table - 1);
      }
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = (flat ? (b * steps + s) * heads + h : (b * heads + h) * steps + s) * size;
        for (int64_t k = 0; k < half; ++k) {
          const int64_t p = at + (a.interleaved ? 2 * k : k), q = a.interleaved ? p + 1 : p + half;
          const double u = x.get(p), v = x.get(q), co = cos.get(row * half + k), si = sin.get(row * half + k);
          y.set(p, co * u - si * v);
          y.set(q, si * u + co * v);
        }
      }
    }
}

RotaryEmbeddingAttrs attrs_of(ImportContext& c) {
  return {c.attr_int("interleaved", 0) != 0, c.attr_int("num_heads", 0), c.attr_int("rotary_embedding_dim", 0)};
}

void import_rotary(ImportContext& c) {
  std::vector<ir::ValueId> in{c.required(0), c.required(1), c.required(2)};
  if (c.has(3)) in.push_back(c.input(3));
  c.output(0, c.add("RotaryEmbedding", in, attrs_of(c)));
}

// ONNX Runtime's own form lists the positions second.
void import_rotary_ms(ImportContext& c) {
  if (c.shape(c.required(1)).size() != 2)
    c.fail("position_ids has rank ", c.shape(c.input(1)).size(), ", accepted is 2");
  c.output(0, c.add("RotaryEmbedding", {c.required(0), c.required(2), c.required(3), c.required(1)}, attrs_of(c)));
}

}  // namespace

OpSet rotary_embedding() {
  return {{{.name = "RotaryEmbedding",
            .attrs = ir::schema_of<RotaryEmbeddingAttrs>(),
            .min_inputs = 3,
            .max_inputs = 4,
            .infer = infer_rotary,
            .eval = eval_rotary}},
          {{"", "RotaryEmbedding", 23, import_rotary}, {"com.microsoft", "RotaryEmbedding", 1, import_rotary_ms}}};
}

}  // namespace tenon::ops
