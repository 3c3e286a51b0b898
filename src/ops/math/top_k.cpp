#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/dim_range.h"
#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/math/integer.h"
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

/// Whether element `i` of x comes before element `j` by value.
bool precedes(const Tensor& x, int64_t i, int64_t j, bool largest) {
  if (!ir::is_float(x.dtype())) {
    const bool u = x.dtype() == DType::kU64;
    return largest ? integer::less(x.get_int(j), x.get_int(i), u) : integer::less(x.get_int(i), x.get_int(j), u);
  }
  const double a = x.get(i), b = x.get(j);
  if (std::isnan(a) || std::isnan(b))
    return largest ? std::isnan(a) && !std::isnan(b) : !std::isnan(a) && std::isnan(b);
  return largest ? a > b : a < b;
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
  std::vector<int64_t> order(static_cast<size_t>(v.size));
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      std::iota(order.begin(), order.end(), int64_t(0));
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t p, int64_t q) { return precedes(x, v.at(o, p, i), v.at(o, q, i), a.largest); });
      for (int64_t n = 0; n < k; ++n) {
        const int64_t from = v.at(o, order[size_t(n)], i), to = w.at(o, n, i);
        if (ir::is_float(x.dtype()))
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
