// MatMul, and the ONNX operators that are one with a few attributes: Gemm, FusedMatMul.
#include "ops/nn/matmul.h"

#include "base/checked.h"
#include "ops/fused/epilogue.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_matmul(InferContext& c) {
  const MatMulAttrs& m = c.attrs<MatMulAttrs>();
  const Shape &a = c.shape(0), &b = c.shape(1);
  c.expect(a.size() >= 2 && b.size() >= 2, "operands ", c.text(a), " and ", c.text(b), ", accepted are ranks from 2");
  c.expect(c.dtype(0) == c.dtype(1), "operands have the types ", ir::name(c.dtype(0)), " and ", ir::name(c.dtype(1)),
           ", accepted are equal types");
  const bool real = ir::is_float(c.dtype(0));
  c.expect(real || ir::is_integer(c.dtype(0)), "operands have the type ", ir::name(c.dtype(0)),
           ", accepted are numbers");
  c.expect(real || (m.alpha == 1 && m.epilogue.empty()), "integer operands take neither alpha nor an epilogue");
  const size_t ra = a.size(), rb = b.size();
  const Dim rows = a[ra - 2 + m.transpose_a], ka = a[ra - 1 - m.transpose_a];
  const Dim kb = b[rb - 2 + m.transpose_b], columns = b[rb - 1 - m.transpose_b];
  c.expect(ka == kb || !ka.is_const() || !kb.is_const(), "operands ", c.text(a), m.transpose_a ? " (transposed)" : "",
           " and ", c.text(b), m.transpose_b ? " (transposed)" : "", " have the inner sizes ", c.dims().text(ka),
           " and ", c.dims().text(kb), ", accepted are equal sizes");
  Shape y = c.broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  y.push_back(rows);
  y.push_back(columns);
  if (c.has(2)) {
    const Shape& bias = c.shape(2);
    c.expect(bias.size() == 1 && (bias[0] == columns || !bias[0].is_const() || !columns.is_const()), "bias is ",
             c.text(bias), ", accepted is one number a column of the result ", c.text(y));
  }
  c.output(0, c.dtype(0), y);
}

/// Geometry of one product; strides of rows and columns take care of transposition.
struct Product {
  Dims batch_a, batch_b, batch, y;
  int64_t m, n, k, a_row, a_column, b_row, b_column;
  Product(const MatMulAttrs& t, const Dims& a, const Dims& b)
      : batch_a(a.begin(), a.end() - 2),
        batch_b(b.begin(), b.end() - 2),
        batch(broadcast_dims(batch_a, batch_b)),
        y(batch) {
    const int64_t a0 = a[a.size() - 2], a1 = a.back(), b0 = b[b.size() - 2], b1 = b.back();
    m = t.transpose_a ? a1 : a0, k = t.transpose_a ? a0 : a1, n = t.transpose_b ? b0 : b1;
    require(k == (t.transpose_b ? b1 : b0), ErrorCode::kShapeMismatch, "operands ", a, " and ", b,
            " differ in their inner size");
    a_row = t.transpose_a ? 1 : a1, a_column = t.transpose_a ? a1 : 1;
    b_row = t.transpose_b ? 1 : b1, b_column = t.transpose_b ? b1 : 1;
    y.push_back(m);
    y.push_back(n);
  }
};

template <class T>
std::vector<T> multiply(const Product& p, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> y(size_t(checked_product(p.y)), T(0));
  const BroadcastIndex ia(p.batch_a, p.batch), ib(p.batch_b, p.batch);
  const int64_t batches = checked_product(p.batch);
  std::vector<T> rows;  // a transposed b, in the order of its rows
  for (int64_t z = 0; z < batches && !y.empty(); ++z) {
    const T* pa = a.data() + ia(z) * p.m * p.k;
    const T* pb = b.data() + ib(z) * p.k * p.n;
    if (p.b_column != 1) {
      rows.resize(size_t(p.k * p.n));
      for (int64_t j = 0; j < p.n; ++j)
        for (int64_t k = 0; k < p.k; ++k) rows[size_t(k * p.n + j)] = pb[k * p.b_row + j * p.b_column];
      pb = rows.data();
    }
    T* py = y.data() + z * p.m * p.n;
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t k = 0; k < p.k; ++k) {
        const T v = pa[i * p.a_row + k * p.a_column];
        for (int64_t j = 0; j < p.n; ++j) py[i * p.n + j] += v * pb[k * p.n + j];
      }
  }
  return y;
}

void eval_matmul(EvalContext& c) {
  const MatMulAttrs& m = c.attrs<MatMulAttrs>();
  const Product p(m, c.input(0).dims(), c.input(1).dims());
  if (!ir::is_float(c.input(0).dtype())) {
    const auto ia = c.input(0).to_ints(), ib = c.input(1).to_ints();
    const auto sums = multiply<uint64_t>(p, {ia.begin(), ia.end()}, {ib.begin(), ib.end()});
    Tensor& y = c.output(0, p.y);
    for (int64_t i = 0; i < y.count(); ++i)
      y.set_int(i, int64_t(sums[size_t(i)] + (c.has(2) ? uint64_t(c.input(2).get_int(i % p.n)) : 0)));
    return;
  }
  std::vector<double> sums = multiply<double>(p, c.input(0).to_doubles(), c.input(1).to_doubles());
  const std::vector<double> bias = c.has(2) ? c.input(2).to_doubles() : std::vector<double>();
  for (size_t i = 0; i < sums.size(); ++i)
    sums[i] = sums[i] * double(m.alpha) + (bias.empty() ? 0 : bias[i % bias.size()]);
  store_with_epilogue(c, m.epilogue, 3, sums, p.y);
}

/// Multiplies by a number, if it is not 1.
ir::ValueId scaled(ImportContext& c, ir::ValueId v, float factor) {
  return factor == 1 ? v : c.add("Mul", {v, c.constant(scalar(c.dtype(v), factor))});
}

// alpha * a b + beta * bias. A bias of one number a column goes into the product, any other is added.
void import_gemm(ImportContext& c) {
  const ir::ValueId a = c.required(0), b = c.required(1);
  MatMulAttrs m;
  m.transpose_a = c.attr_int("transA", 0) != 0;
  m.transpose_b = c.attr_int("transB", 0) != 0;
  const Shape sa = c.shape(a), sb = c.shape(b);
  if (sa.size() != 2 || sb.size() != 2)
    c.fail("operands have the ranks ", sa.size(), " and ", sb.size(), ", accepted is 2");
  const float alpha = c.attr_float("alpha", 1), beta = c.attr_float("beta", 1);
  const bool real = ir::is_float(c.dtype(a));
  if (!real && (alpha != 1 || (c.has(2) && beta != 1 && beta != 0)))
    c.fail("alpha ", alpha, " and beta ", beta, " with integer operands, accepted is 1");
  m.alpha = alpha;
  if (!c.has(2) || beta == 0) return c.output(0, c.add("MatMul", {a, b}, m));
  const ir::ValueId bias = scaled(c, c.input(2), beta);
  const Shape s = c.shape(bias);
  if (s.size() == 1 && s[0] == sb[m.transpose_b ? 0 : 1]) return c.output(0, c.add("MatMul", {a, b, bias}, m));
  c.output(0, c.add("Add", {c.add("MatMul", {a, b}, m), bias}));
}

/// A vector counts as one row on the left and as one column on the right; that axis then leaves the result.
void add_product(ImportContext& c, ir::ValueId a, ir::ValueId b, const MatMulAttrs& m) {
  const size_t rank_a = c.shape(a).size(), rank_b = c.shape(b).size();
  if (rank_a == 0 || rank_b == 0)
    c.fail("operands have the ranks ", rank_a, " and ", rank_b, ", accepted are ranks from 1");
  if (rank_a == 1) a = c.add("Unsqueeze", {a}, AxesAttrs{{m.transpose_a ? 1 : 0}});
  if (rank_b == 1) b = c.add("Unsqueeze", {b}, AxesAttrs{{m.transpose_b ? 0 : 1}});
  ir::ValueId y = c.add("MatMul", {a, b}, m);
  std::vector<int64_t> gone;
  if (rank_a == 1) gone.push_back(-2);
  if (rank_b == 1) gone.push_back(-1);
  c.output(0, gone.empty() ? y : c.add("Squeeze", {y}, AxesAttrs{gone}));
}

void import_matmul(ImportContext& c) { add_product(c, c.required(0), c.required(1), MatMulAttrs{}); }

void import_fused_matmul(ImportContext& c) {
  MatMulAttrs m;
  m.transpose_a = c.attr_int("transA", 0) != 0;
  m.transpose_b = c.attr_int("transB", 0) != 0;
  m.alpha = c.attr_float("alpha", 1);
  if (c.attr_int("transBatchA", 0) != 0 || c.attr_int("transBatchB", 0) != 0)
    c.fail("transBatchA or transBatchB is 1, accepted is 0");
  add_product(c, c.required(0), c.required(1), m);
}

}  // namespace

OpSet matmul() {
  return {{{.name = "MatMul",
            .attrs = ir::schema_of<MatMulAttrs>(),
            .min_inputs = 2,
            .max_inputs = 64,
            .infer = infer_matmul,
            .eval = eval_matmul}},
          {{"", "MatMul", 1, import_matmul},
           {"", "Gemm", 7, import_gemm},
           {"com.microsoft", "FusedMatMul", 1, import_fused_matmul},
           {"com.microsoft", "TransposeMatMul", 1, import_fused_matmul}}};
}

}  // namespace tenon::ops
