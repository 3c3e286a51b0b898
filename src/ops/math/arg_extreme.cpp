// ArgMax and ArgMin.
#include <cmath>

#include "ops/import.h"
#include "ops/math/integer.h"
#include "ops/math/ordering.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_arg(InferContext& c) {
  const ArgAttrs& a = c.attrs<ArgAttrs>();
  const DType t = c.dtype(0);
  c.expect(ir::is_float(t) || ir::is_integer(t), "the input has the type ", ir::name(t), ", accepted are numbers");
  Shape y = c.shape(0);
  const size_t axis = c.axis(a.axis, y.size());
  c.expect(!(y[axis] == 0), "axis ", axis, " of ", c.text(y), " has no elements");
  if (a.keepdims)
    y[axis] = 1;
  else
    y.erase(y.begin() + int64_t(axis));
  c.output(0, DType::kI64, y);
}

/// Whether element `i` is more extreme than element `best`.
bool beats(const Tensor& x, int64_t i, int64_t best, bool max) {
  if (!ir::is_float(x.dtype())) {
    const bool u = x.dtype() == DType::kU64;
    return max ? integer::less(x.get_int(best), x.get_int(i), u) : integer::less(x.get_int(i), x.get_int(best), u);
  }
  const double v = x.get(i), b = x.get(best);
  if (std::isnan(b)) return false;
  return std::isnan(v) || (max ? v > b : v < b);
}

template <bool Max>
void eval_arg(EvalContext& c) {
  const ArgAttrs& a = c.attrs<ArgAttrs>();
  const Tensor& x = c.input(0);
  const size_t axis = normalized_axis(a.axis, x.dims().size());
  Dims yd = x.dims();
  require(yd[axis] > 0, ErrorCode::kShapeMismatch, "axis ", axis, " of ", yd, " has no elements");
  if (a.keepdims)
    yd[axis] = 1;
  else
    yd.erase(yd.begin() + int64_t(axis));
  Tensor& y = c.output(0, yd);
  const AxisView v(x.dims(), axis);
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      int64_t best = 0;
      for (int64_t k = 1; k < v.size; ++k) {
        const bool better = beats(x, v.at(o, k, i), v.at(o, best, i), Max);
        if (better || (a.select_last_index && !beats(x, v.at(o, best, i), v.at(o, k, i), Max))) best = k;
      }
      y.set_int(o * v.inner + i, best);
    }
}

void import_arg(ImportContext& c) {
  ArgAttrs a;
  a.axis = c.attr_int("axis", 0);
  a.keepdims = c.attr_int("keepdims", 1) != 0;
  a.select_last_index = c.attr_int("select_last_index", 0) != 0;
  c.output(0, c.add(c.node_op(), {c.required(0)}, a));
}

}  // namespace

OpSet arg_extreme() {
  const auto* schema = ir::schema_of<ArgAttrs>();
  return {{{.name = "ArgMax", .attrs = schema, .infer = infer_arg, .eval = eval_arg<true>},
           {.name = "ArgMin", .attrs = schema, .infer = infer_arg, .eval = eval_arg<false>}},
          {{"", "ArgMax", 1, import_arg}, {"", "ArgMin", 1, import_arg}}};
}

}  // namespace tenon::ops
