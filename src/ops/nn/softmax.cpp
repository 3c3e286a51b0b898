// Softmax, LogSoftmax and Hardmax along one axis.
#include <cmath>

#include "ops/import.h"
#include "ops/math/reduce.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/reshape.h"
#include "ops/shape/shape_of.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_same(InferContext& c) {
  c.expect(ir::is_float(c.dtype(0)), "the input has the type ", ir::name(c.dtype(0)),
           ", accepted are floating-point types");
  c.axis(c.attrs<AxisAttrs>().axis, c.rank(0));
  c.output(0, c.dtype(0), c.shape(0));
}

void softmax_line(std::vector<double>& v) {
  double top = -INFINITY, sum = 0;
  for (double x : v) top = std::isnan(x) ? x : x > top ? x : top;
  for (double& x : v) sum += x = std::exp(x - top);
  for (double& x : v) x /= sum;
}
void log_softmax_line(std::vector<double>& v) {
  double top = -INFINITY, sum = 0;
  for (double x : v) top = std::isnan(x) ? x : x > top ? x : top;
  for (double x : v) sum += std::exp(x - top);
  for (double& x : v) x = x - top - std::log(sum);
}
void hardmax_line(std::vector<double>& v) {
  size_t best = 0;
  for (size_t i = 1; i < v.size(); ++i)
    if (v[i] > v[best]) best = i;
  for (size_t i = 0; i < v.size(); ++i) v[i] = i == best;
}

template <void (*F)(std::vector<double>&)>
void eval_lines(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  const AxisView v(x.dims(), normalized_axis(c.attrs<AxisAttrs>().axis, x.dims().size()));
  std::vector<double> line(size_t(v.size));
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      for (int64_t k = 0; k < v.size; ++k) line[size_t(k)] = x.get(v.at(o, k, i));
      F(line);
      for (int64_t k = 0; k < v.size; ++k) y.set(v.at(o, k, i), line[size_t(k)]);
    }
}

void import_axis(ImportContext& c) {
  c.output(0, c.add(c.node_op(), {c.required(0)}, AxisAttrs{c.attr_int("axis", -1)}));
}

// Before opset 13 all axes from `axis` on are one. Hardmax sees them so; the others without a view, as
//   softmax(x) = e / sum(e), log_softmax(x) = d - log(sum(e)), with d = x - max(x) and e = exp(d).
void import_flattened(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  const Shape shape = c.shape(x);
  const int64_t rank = int64_t(shape.size());
  int64_t axis = c.attr_int("axis", 1);
  if (axis < -rank || axis > rank) c.fail("axis ", axis, " lies outside a tensor of rank ", rank);
  if (axis < 0) axis += rank;
  std::vector<int64_t> axes;
  for (int64_t i = axis; i < rank; ++i)
    if (!(shape[size_t(i)] == 1)) axes.push_back(i);
  if (axes.empty() && axis < rank) axes.push_back(axis);
  if (axes.size() == 1) return c.output(0, c.add(c.node_op(), {x}, AxisAttrs{axes[0]}));
  if (c.node_op() == "Hardmax") {
    const ir::ValueId rows = c.add("Hardmax", {c.add("Flatten", {x}, AxisAttrs{axis})}, AxisAttrs{1});
    return c.output(0, c.add("Reshape", {rows, c.add("Shape", {x}, ShapeAttrs{})}, ReshapeAttrs{.allowzero = true}));
  }
  auto reduce = [&](ReduceKind kind, ir::ValueId v) { return c.add("Reduce", {v}, ReduceAttrs{kind, axes, true}); };
  const ir::ValueId d = c.add("Sub", {x, reduce(ReduceKind::kMax, x)});
  const ir::ValueId e = c.add("Exp", {d}), sum = reduce(ReduceKind::kSum, e);
  c.output(0, c.node_op() == "Softmax" ? c.add("Div", {e, sum}) : c.add("Sub", {d, c.add("Log", {sum})}));
}

template <void (*F)(std::vector<double>&)>
OpDef line_op(std::string_view name) {
  return {.name = name, .attrs = ir::schema_of<AxisAttrs>(), .infer = infer_same, .eval = eval_lines<F>};
}

}  // namespace

OpSet softmax() {
  OpSet set{
      {line_op<softmax_line>("Softmax"), line_op<log_softmax_line>("LogSoftmax"), line_op<hardmax_line>("Hardmax")},
      {}};
  for (const OpDef& op : set.ops) {
    set.rules.push_back({"", op.name, 1, import_flattened});
    set.rules.push_back({"", op.name, 13, import_axis});
  }
  return set;
}

}  // namespace tenon::ops
