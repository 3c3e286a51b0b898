// Operators that keep the elements in place and change dims only: Identity, Flatten, Squeeze, Unsqueeze.
#include <algorithm>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/sequence/context.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void view_output(InferContext& c, Shape y) {
  auto elements = c.elements(0);
  c.output(0, c.dtype(0), std::move(y));
  if (elements) c.output_elements(0, std::move(*elements));
}

void infer_identity(InferContext& c) { view_output(c, c.shape(0)); }
void eval_identity(EvalContext& c) { c.outputs[0] = c.input(0); }
void import_identity(ImportContext& c) {
  SequenceContext* s = sequences_of(c);
  if (const auto* elements = s ? s->sequence(0) : nullptr)
    s->output_sequence(0, *elements);
  else
    c.output(0, c.add("Identity", {c.required(0)}));
}

size_t flatten_axis(int64_t axis, size_t rank) { return axis == int64_t(rank) ? rank : normalized_axis(axis, rank); }

void infer_flatten(InferContext& c) {
  const Shape x = c.shape(0);
  const auto split = int64_t(flatten_axis(c.attrs<AxisAttrs>().axis, x.size()));
  view_output(c, {product(c.dims(), Shape(x.begin(), x.begin() + split)),
                  product(c.dims(), Shape(x.begin() + split, x.end()))});
}

void eval_flatten(EvalContext& c) {
  const Dims& x = c.input(0).dims();
  const size_t split = flatten_axis(c.attrs<AxisAttrs>().axis, x.size());
  c.outputs[0] = c.input(0).reshaped({count_between(x, 0, split), count_between(x, split, x.size())});
}

void import_flatten(ImportContext& c) {
  c.output(0, c.add("Flatten", {c.required(0)}, AxisAttrs{c.attr_int("axis", 1)}));
}

/// Marks each of `axes` in a tensor of `rank`. Throws on an axis out of range or named twice.
std::vector<bool> mark_axes(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<bool> marked(rank, false);
  for (int64_t a : axes) {
    const size_t at = normalized_axis(a, rank);
    require(!marked[at], ErrorCode::kShapeMismatch, "axis ", a, " is named twice");
    marked[at] = true;
  }
  return marked;
}

/// Axes from the second input where there is one, else from the attribute; nullopt if not known yet.
std::optional<std::vector<int64_t>> axes_of(const InferContext& c) {
  return c.has(1) ? c.ints(1) : c.attrs<AxesAttrs>().axes;
}
std::vector<int64_t> axes_of(const EvalContext& c) {
  return c.has(1) ? c.input(1).to_ints() : c.attrs<AxesAttrs>().axes;
}
size_t axes_count(InferContext& c) {
  const Shape& s = c.shape(1);
  c.expect(s.size() <= 1, "axes ", c.text(s), " must have rank 1");
  return s.empty() ? 1 : rank_from(c, s[0]);
}

void infer_squeeze(InferContext& c) {
  const Shape x = c.shape(0);
  Shape y;
  if (auto axes = axes_of(c)) {
    const std::vector<bool> drop = mark_axes(*axes, x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      if (!drop[i])
        y.push_back(x[i]);
      else
        c.expect(!x[i].is_const() || x[i] == 1, "axis ", i, " of ", c.text(x), " is not 1 and cannot be squeezed");
    }
  } else {
    const size_t n = axes_count(c);
    c.expect(n <= x.size(), n, " axes are squeezed from ", c.text(x));
    for (size_t i = n; i < x.size(); ++i) y.push_back(c.unknown());
  }
  view_output(c, std::move(y));
}

void eval_squeeze(EvalContext& c) {
  const Dims& x = c.input(0).dims();
  const std::vector<bool> drop = mark_axes(axes_of(c), x.size());
  Dims y;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!drop[i])
      y.push_back(x[i]);
    else
      require(x[i] == 1, ErrorCode::kShapeMismatch, "axis ", i, " of ", x, " is not 1 and cannot be squeezed");
  }
  c.outputs[0] = c.input(0).reshaped(std::move(y));
}

void infer_unsqueeze(InferContext& c) {
  const Shape x = c.shape(0);
  Shape y;
  if (auto axes = axes_of(c)) {
    const std::vector<bool> add = mark_axes(*axes, x.size() + axes->size());
    auto next = x.begin();
    for (bool one : add) y.push_back(one ? Dim(1) : *next++);
  } else {
    for (size_t i = x.size() + axes_count(c); i > 0; --i) y.push_back(c.unknown());
  }
  view_output(c, std::move(y));
}

void eval_unsqueeze(EvalContext& c) {
  const Dims& x = c.input(0).dims();
  const std::vector<int64_t> axes = axes_of(c);
  Dims y;
  auto next = x.begin();
  for (bool one : mark_axes(axes, x.size() + axes.size())) y.push_back(one ? 1 : *next++);
  c.outputs[0] = c.input(0).reshaped(std::move(y));
}

// Until opset 12 axes are an attribute, then an input; the core operators keep constant axes as an attribute.
void import_axes(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  if (c.has(1) && !c.constant_ints(1)) {
    if (const auto& known = c.graph().value(c.input(1)).contents; !known || !ir::is_static(*known)) {
      c.output(0, c.add(c.node_op(), {x, c.input(1)}, AxesAttrs{}));
      return;
    }
  }
  AxesAttrs a{c.attr_ints("axes")};
  if (c.has(1)) {
    const auto constant = c.constant_ints(1);
    a.axes = constant ? *constant : ir::static_dims(*c.graph().value(c.input(1)).contents);
  } else if (!c.has_attr("axes")) {
    if (c.node_op() != "Squeeze") c.fail("axes are missing");
    const Shape& s = c.shape(x);
    for (size_t i = 0; i < s.size(); ++i)
      if (s[i] == 1) a.axes.push_back(int64_t(i));
  }
  c.output(0, c.add(c.node_op(), {x}, a));
}

}  // namespace

OpSet views() {
  return {{{.name = "Identity", .infer = infer_identity, .eval = eval_identity, .form = OpForm::kView},
           {.name = "Flatten",
            .attrs = ir::schema_of<AxisAttrs>(),
            .infer = infer_flatten,
            .eval = eval_flatten,
            .form = OpForm::kView},
           {.name = "Squeeze",
            .attrs = ir::schema_of<AxesAttrs>(),
            .max_inputs = 2,
            .infer = infer_squeeze,
            .eval = eval_squeeze,
            .form = OpForm::kView},
           {.name = "Unsqueeze",
            .attrs = ir::schema_of<AxesAttrs>(),
            .max_inputs = 2,
            .infer = infer_unsqueeze,
            .eval = eval_unsqueeze,
            .form = OpForm::kView}},
          {{"", "Identity", 1, import_identity},
           {"", "Flatten", 1, import_flatten},
           {"", "Squeeze", 1, import_axes},
           {"", "Unsqueeze", 1, import_axes}}};
}

}  // namespace tenon::ops
