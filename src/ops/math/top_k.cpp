#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/dim_range.h"
#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/math/ordering.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_top_k(InferContext& c) {
  const DType t = c.dtype(0);
  c.expect(ir::is_integer(c.dtype(1)), "k has the type ", ir::name(c.dtype(1)), ", accepted are integers");
  c.expect(ir::is_float(t) || ir::is_integer(t), "the input has the type ", ir::name(t), ", accepted are numbers");
  Shape y = c.shape(0);
  const size_t axis = c.axis(c.attrs<TopKAttrs>().axis, y.size());
  const auto k = c.contents(1);
  c.expect(!k || k->size() == 1, "k has ", k ? k->size() : 0, " elements, accepted is 1");
  if (k) {
    const auto order = compare_dims(c.dims(), (*k)[0], y[axis]);
    const DimRange range = range_of(c.dims(), (*k)[0]);
    c.expect((!order || *order <= 0) && !(range.high && *range.high < 0), "k is ", c.dims().text((*k)[0]),
             ", accepted are numbers from 0 to the ", c.dims().text(y[axis]), " elements of axis ", axis);
  }
  y[axis] = k ? (*k)[0] : c.unknown();
  c.output(0, t, y);
  c.output(1, DType::kI64, y);
}

bool is_nan(double v) { return std::isnan(v); }
bool is_nan(int64_t) { return false; }

/// Puts the first `k` of `order`, which names elements of a line, in their order by value: ties by place, and a NaN
/// counts as more than any number.
template <class T>
void order_first(const std::vector<T>& line, bool largest, int64_t k, std::vector<int64_t>& order) {
  std::iota(order.begin(), order.end(), int64_t(0));
  const auto more = [](T a, T b) { return !is_nan(b) && (is_nan(a) || a > b); };
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t p, int64_t q) {
    const T a = line[size_t(p)], b = line[size_t(q)];
    return more(a, b) ? largest : more(b, a) ? !largest : p < q;
  });
}

void eval_top_k(EvalContext& c) {
  const TopKAttrs& a = c.attrs<TopKAttrs>();
  const Tensor& x = c.input(0);
  const size_t axis = normalized_axis(a.axis, x.dims().size());
  require(c.input(1).count() == 1, ErrorCode::kInvalidArgument, "k has ", c.input(1).count(),
          " elements, accepted is 1");
  const int64_t k = c.input(1).get_int(0);
  require(k >= 0 && k <= x.dims()[axis], ErrorCode::kInvalidArgument, "k is ", k,
          ", accepted are numbers from 0 to the ", x.dims()[axis], " elements of axis ", axis);
  Dims yd = x.dims();
  yd[axis] = k;
  Tensor values(c.wants(0) ? c.output_type(0) : x.dtype(), yd), indices(DType::kI64, yd);
  const AxisView v(x.dims(), axis), w(yd, axis);
  const bool real = ir::is_float(x.dtype());
  const int64_t flip = x.dtype() == DType::kU64 ? INT64_MIN : 0;  // unsigned numbers in the order of signed ones
  std::vector<int64_t> order(static_cast<size_t>(v.size)), whole(real ? 0 : order.size());
  std::vector<double> line(real ? order.size() : 0);
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      for (int64_t n = 0; n < v.size; ++n) {
        if (real)
          line[size_t(n)] = x.get(v.at(o, n, i));
        else
          whole[size_t(n)] = x.get_int(v.at(o, n, i)) ^ flip;
      }
      real ? order_first(line, a.largest, k, order) : order_first(whole, a.largest, k, order);
      for (int64_t n = 0; n < k; ++n) {
        const int64_t from = v.at(o, order[size_t(n)], i), to = w.at(o, n, i);
        if (real)
          values.set(to, x.get(from));
        else
          values.set_int(to, x.get_int(from));
        indices.set_int(to, order[size_t(n)]);
      }
    }
  if (c.wants(0)) c.outputs[0] = values;
  if (c.wants(1)) c.outputs[1] = indices;
}

void add_top_k(ImportContext& c, ir::ValueId k) {
  TopKAttrs a;
  a.axis = c.attr_int("axis", -1);
  a.largest = c.attr_int("largest", 1) != 0;
  a.sorted = c.attr_int("sorted", 1) != 0;
  const auto y = c.add_n("TopK", {c.required(0), k}, a, 2);
  for (size_t i = 0; i < std::min<size_t>(c.output_count(), 2); ++i) c.output(i, y[i]);
}
void import_top_k_attribute(ImportContext& c) {
  if (!c.has_attr("k")) c.fail("the attribute k is missing");
  const std::vector<int64_t> k{c.attr_int("k", 0)};
  add_top_k(c, c.constant(Tensor::vector_i64(k)));
}
void import_top_k(ImportContext& c) { add_top_k(c, c.required(1)); }

}  // namespace

OpSet top_k() {
  return {{{.name = "TopK",
            .attrs = ir::schema_of<TopKAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_top_k,
            .eval = eval_top_k}},
          {{"", "TopK", 1, import_top_k_attribute}, {"", "TopK", 10, import_top_k}}};
}

}  // namespace tenon::ops
