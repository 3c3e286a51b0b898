// CumSum and CumProd.
#include "ops/import.h"
#include "ops/math/integer.h"
#include "ops/math/ordering.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_cumulative(InferContext& c) {
  const DType t = c.dtype(0);
  c.expect(ir::is_float(t) || ir::is_integer(t), "the input has the type ", ir::name(t), ", accepted are numbers");
  if (!c.has(1)) c.axis(c.attrs<CumulativeAttrs>().axis, c.rank(0));
  c.output(0, t, c.shape(0));
}

template <class T, class Get, class Set, class Combine>
void accumulate(const CumulativeAttrs& a, const AxisView& v, T start, Get get, Set set, Combine combine) {
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      T acc = start;
      for (int64_t n = 0; n < v.size; ++n) {
        const int64_t at = v.at(o, a.reverse ? v.size - 1 - n : n, i);
        const T next = combine(acc, get(at));
        set(at, a.exclusive ? acc : next);
        acc = next;
      }
    }
}

template <bool Product>
void eval_cumulative(EvalContext& c) {
  const CumulativeAttrs& a = c.attrs<CumulativeAttrs>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  require(!c.has(1) || c.input(1).count() == 1, ErrorCode::kShapeMismatch, "the axis must be one number");
  const AxisView v(x.dims(), normalized_axis(c.has(1) ? c.input(1).get_int(0) : a.axis, x.dims().size()));
  if (ir::is_float(x.dtype()))
    accumulate<double>(
        a, v, Product, [&](int64_t i) { return x.get(i); }, [&](int64_t i, double e) { y.set(i, e); },
        [](double p, double q) { return Product ? p * q : p + q; });
  else
    accumulate<int64_t>(
        a, v, Product, [&](int64_t i) { return x.get_int(i); }, [&](int64_t i, int64_t e) { y.set_int(i, e); },
        [](int64_t p, int64_t q) { return Product ? integer::mul(p, q) : integer::add(p, q); });
}

void import_cumulative(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0)};
  CumulativeAttrs a;
  if (const auto axis = c.constant_ints(1)) {
    if (axis->size() != 1) c.fail("the axis has ", axis->size(), " elements, accepted is 1");
    a.axis = (*axis)[0];
  } else {
    inputs.push_back(c.required(1));
  }
  a.exclusive = c.attr_int("exclusive", 0) != 0;
  a.reverse = c.attr_int("reverse", 0) != 0;
  c.output(0, c.add(c.node_op(), std::move(inputs), a));
}

}  // namespace

OpSet cumulative() {
  const auto* schema = ir::schema_of<CumulativeAttrs>();
  return {
      {{.name = "CumSum", .attrs = schema, .max_inputs = 2, .infer = infer_cumulative, .eval = eval_cumulative<false>},
       {.name = "CumProd", .attrs = schema, .max_inputs = 2, .infer = infer_cumulative, .eval = eval_cumulative<true>}},
      {{"", "CumSum", 11, import_cumulative}, {"", "CumProd", 24, import_cumulative}}};
}

}  // namespace tenon::ops
