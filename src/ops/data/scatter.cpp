#include "ops/data/scatter.h"

#include <algorithm>
#include <cmath>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// Writes updates into a copy of `data`. Later updates of one place see the earlier ones.
class Scatter {
 public:
  Scatter(const Tensor& updates, Tensor& y, ScatterReduction how)
      : updates_(updates), y_(y), how_(how), move_(updates, y) {}
  void operator()(int64_t from, int64_t to, int64_t count) const {
    if (how_ == ScatterReduction::kNone) return move_(from, to, count);
    for (int64_t i = 0; i < count; ++i) {
      if (ir::is_float(y_.dtype()))
        y_.set(to + i, combine(y_.get(to + i), updates_.get(from + i)));
      else
        y_.set_int(to + i, combine(y_.get_int(to + i), updates_.get_int(from + i)));
    }
  }

 private:
  double combine(double a, double b) const {
    switch (how_) {
      case ScatterReduction::kAdd:
        return a + b;
      case ScatterReduction::kMul:
        return a * b;
      case ScatterReduction::kMax:
        return std::isnan(a) || a > b ? a : b;
      case ScatterReduction::kMin:
        return std::isnan(a) || a < b ? a : b;
      case ScatterReduction::kNone:
        break;
    }
    return b;
  }
  int64_t combine(int64_t a, int64_t b) const {
    const bool wide = y_.dtype() == DType::kU64;
    switch (how_) {
      case ScatterReduction::kAdd:
        return int64_t(uint64_t(a) + uint64_t(b));
      case ScatterReduction::kMul:
        return int64_t(uint64_t(a) * uint64_t(b));
      case ScatterReduction::kMax:
        return (wide ? uint64_t(a) > uint64_t(b) : a > b) ? a : b;
      case ScatterReduction::kMin:
        return (wide ? uint64_t(a) < uint64_t(b) : a < b) ? a : b;
      case ScatterReduction::kNone:
        break;
    }
    return b;
  }
  const Tensor& updates_;
  Tensor& y_;
  ScatterReduction how_;
  ElementMover move_;
};

Tensor& output_like_data(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  ElementMover(x, y)(0, 0, x.count());
  return y;
}

void infer_types(InferContext& c) {
  c.expect(ir::is_integer(c.dtype(1)), "indices have type ", c.dtype(1), ", accepted are integers");
  c.expect(c.dtype(2) == c.dtype(0), "updates have type ", c.dtype(2), ", data have ", c.dtype(0));
}

void infer_elements(InferContext& c) {
  infer_types(c);
  const Shape &x = c.shape(0), &indices = c.shape(1), &updates = c.shape(2);
  const size_t axis = c.axis(c.attrs<ScatterElementsAttrs>().axis, x.size());
  c.expect(x.size() == indices.size() && x.size() == updates.size(), "data ", c.text(x), ", indices ", c.text(indices),
           " and updates ", c.text(updates), " differ in rank");
  for (size_t d = 0; d < x.size(); ++d) {
    const bool inside = !x[d].is_const() || !indices[d].is_const() || indices[d].constant() <= x[d].constant();
    c.expect(may_equal(indices[d], updates[d]) && (d == axis || inside), "indices ", c.text(indices), " and updates ",
             c.text(updates), " must have the same dimensions, on axis ", d, " up to those of data ", c.text(x));
  }
  c.output(0, c.dtype(0), x);
}

void eval_elements(EvalContext& c) {
  const auto& a = c.attrs<ScatterElementsAttrs>();
  const Tensor &indices = c.input(1), &updates = c.input(2);
  const Dims &xd = c.input(0).dims(), &id = indices.dims();
  const size_t axis = normalized_axis(a.axis, xd.size());
  require(id == updates.dims() && id.size() == xd.size(), ErrorCode::kShapeMismatch, "indices ", id, " and updates ",
          updates.dims(), " must have the same dimensions, of the rank of data ", xd);
  for (size_t d = 0; d < xd.size(); ++d)
    require(d == axis || id[d] <= xd[d], ErrorCode::kShapeMismatch, "indices ", id, " reach beyond data ", xd,
            " on axis ", d);
  const Scatter scatter(updates, output_like_data(c), a.reduction);
  const Dims strides = ir::strides_of(xd);
  Dims index(id.size(), 0);
  for (int64_t i = 0; i < indices.count(); ++i, advance(index, id)) {
    const int64_t chosen = front_index(indices.get_int(i), xd[axis]);
    scatter(i, offset_of(index, strides) + (chosen - index[axis]) * strides[axis], 1);
  }
}

void infer_nd(InferContext& c) {
  infer_types(c);
  const Shape &x = c.shape(0), &indices = c.shape(1);
  c.expect(!indices.empty(), "indices must have rank 1 or more");
  c.expect(!indices.back().is_const() || indices.back().constant() <= int64_t(x.size()), "indices ", c.text(indices),
           " name more axes than data ", c.text(x), " has");
  if (indices.back().is_const()) {
    Shape expected(indices.begin(), indices.end() - 1);
    expected.insert(expected.end(), x.begin() + indices.back().constant(), x.end());
    const Shape& updates = c.shape(2);
    c.expect(std::equal(updates.begin(), updates.end(), expected.begin(), expected.end(), may_equal), "updates ",
             c.text(updates), " do not fit data ", c.text(x), " and indices ", c.text(indices), ", expected is ",
             c.text(expected));
  }
  c.output(0, c.dtype(0), x);
}

void eval_nd(EvalContext& c) {
  const Tensor &indices = c.input(1), &updates = c.input(2);
  const Dims &xd = c.input(0).dims(), &id = indices.dims();
  require(!id.empty() && id.back() <= int64_t(xd.size()), ErrorCode::kShapeMismatch, "indices ", id,
          " name more axes than data ", xd, " has");
  const auto depth = size_t(id.back());
  Dims expected(id.begin(), id.end() - 1);
  expected.insert(expected.end(), xd.begin() + int64_t(depth), xd.end());
  require(updates.dims() == expected, ErrorCode::kShapeMismatch, "updates ", updates.dims(), " do not fit data ", xd,
          " and indices ", id, ", expected is ", expected);
  const Scatter scatter(updates, output_like_data(c), c.attrs<ScatterNdAttrs>().reduction);
  const int64_t rows = count_between(id, 0, id.size() - 1), inner = count_between(xd, depth, xd.size());
  for (int64_t r = 0; r < rows; ++r) {
    int64_t at = 0;
    for (size_t k = 0; k < depth; ++k)
      at = at * xd[k] + front_index(indices.get_int(r * int64_t(depth) + int64_t(k)), xd[k]);
    scatter(r * inner, at * inner, inner);
  }
}

ScatterReduction import_reduction(ImportContext& c) {
  const std::string text = c.attr_string("reduction", "none");
  const auto names = enum_names(ScatterReduction());
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return ScatterReduction(int64_t(i));
  c.fail("reduction is '", text, "', accepted are none, add, mul, max, min");
}

void import_elements(ImportContext& c) {
  ScatterElementsAttrs a{.axis = c.attr_int("axis", 0), .reduction = import_reduction(c)};
  c.output(0, c.add("ScatterElements", {c.required(0), c.required(1), c.required(2)}, a));
}

void import_nd(ImportContext& c) {
  c.output(0, c.add("ScatterND", {c.required(0), c.required(1), c.required(2)}, ScatterNdAttrs{import_reduction(c)}));
}

}  // namespace

OpSet scatter() {
  return {{{.name = "ScatterElements",
            .attrs = ir::schema_of<ScatterElementsAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_elements,
            .eval = eval_elements},
           {.name = "ScatterND",
            .attrs = ir::schema_of<ScatterNdAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_nd,
            .eval = eval_nd}},
          {{"", "Scatter", 9, import_elements},
           {"", "ScatterElements", 11, import_elements},
           {"", "ScatterND", 11, import_nd}}};
}

}  // namespace tenon::ops
