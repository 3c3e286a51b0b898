#include "ops/nn/window.h"

#include <algorithm>

#include "base/checked.h"
#include "ops/dim_range.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/pad.h"
#include "ops/shape/shape_of.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

bool negative(ir::SymbolTable& dims, Dim d) {
  const DimRange r = range_of(dims, d);
  return r.high && *r.high < 0;
}

/// Total padding that makes the number of windows ceil(input / stride).
int64_t same_padding(ImportContext& c, Dim input, Dim kernel, int64_t stride, int64_t dilation, size_t axis) {
  if (!kernel.is_const()) c.fail("SAME padding needs a constant kernel size on spatial axis ", axis);
  const int64_t window = checked_add(checked_mul(checked_sub(kernel.constant(), 1), dilation), 1);
  if (!input.is_const()) return window - 1;  // with stride 1
  const int64_t in = input.constant(), out = in / stride + (in % stride != 0);
  return std::max<int64_t>(checked_sub(checked_add(checked_mul(out - 1, stride), window), in), 0);
}

}  // namespace

void expect_bias(InferContext& c, size_t i, Dim channels) {
  if (!c.has(i) || !c.input(i).ranked || !channels.is_const() || !ir::is_static(c.shape(i))) return;
  c.expect(checked_product(ir::static_dims(c.shape(i))) == channels.constant(), "bias ", c.text(c.shape(i)),
           " must have an element for each of the ", channels.constant(), " output channels");
}

Dim window_output(ir::SymbolTable& dims, const WindowAxis& w, bool ceil_mode, size_t axis) {
  require(w.stride >= 1 && w.dilation >= 1, ErrorCode::kShapeMismatch, "stride ", w.stride, " and dilation ",
          w.dilation, " on spatial axis ", axis, ", accepted are numbers from 1");
  require(!w.kernel.is_const() || w.kernel.constant() >= 1, ErrorCode::kShapeMismatch, "kernel size ",
          dims.text(w.kernel), " on spatial axis ", axis, ", accepted are numbers from 1");
  const Dim window = dims.add(dims.mul(dims.sub(w.kernel, 1), w.dilation), 1);
  const Dim padded = dims.add(w.input, checked_add(w.pad_begin, w.pad_end)), room = dims.sub(padded, window);
  const Dim slack = ceil_mode ? dims.add(room, w.stride - 1) : room;
  require(!negative(dims, slack), ErrorCode::kShapeMismatch, "the window ", dims.text(window),
          " is larger than the padded input ", dims.text(padded), " on spatial axis ", axis);
  const Dim count = dims.add(dims.floor_div(slack, w.stride), 1);
  // Only more end padding than this lets the last window start inside it.
  const bool may_start_in_padding = !window.is_const() || checked_add(w.pad_end, w.stride) > window.constant();
  if (!ceil_mode || !may_start_in_padding) return count;
  const Dim starts = dims.add(dims.floor_div(dims.add(w.input, checked_sub(w.pad_begin, 1)), w.stride), 1);
  return dims.min(count, starts);
}

WindowAttrs import_window(ImportContext& c, const std::vector<Dim>& kernel) {
  const size_t spatial = kernel.size();
  const Shape x = c.shape(c.required(0));
  if (x.size() != spatial + 2)
    c.fail("the input has rank ", x.size(), ", a kernel over ", spatial, " axes needs ", spatial + 2);
  WindowAttrs a;
  a.strides = c.attr_ints("strides", std::vector<int64_t>(spatial, 1));
  a.dilations = c.attr_ints("dilations", std::vector<int64_t>(spatial, 1));
  a.pads = c.attr_ints("pads", std::vector<int64_t>(2 * spatial, 0));
  if (a.strides.size() != spatial || a.dilations.size() != spatial || a.pads.size() != 2 * spatial)
    c.fail("strides ", a.strides, ", dilations ", a.dilations, " and pads ", a.pads, " must have ", spatial, ", ",
           spatial, " and ", 2 * spatial, " entries");
  for (size_t i = 0; i < spatial; ++i)
    if (a.strides[i] < 1 || a.dilations[i] < 1)
      c.fail("strides ", a.strides, " and dilations ", a.dilations, ", accepted are numbers from 1");
  const std::string auto_pad = c.attr_string("auto_pad", "NOTSET");
  if (auto_pad == "VALID") a.pads.assign(2 * spatial, 0);
  if (auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad.empty()) return a;
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER")
    c.fail("auto_pad is '", auto_pad, "', accepted are NOTSET, SAME_UPPER, SAME_LOWER, VALID");
  a.pads.assign(2 * spatial, 0);
  if (needs_pad_same(c, a.strides)) return a;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t total = same_padding(c, x[2 + i], kernel[i], a.strides[i], a.dilations[i], i);
    const int64_t small = total / 2, large = total - small;
    a.pads[i] = auto_pad == "SAME_UPPER" ? small : large;
    a.pads[spatial + i] = auto_pad == "SAME_UPPER" ? large : small;
  }
  return a;
}

bool needs_pad_same(ImportContext& c, const std::vector<int64_t>& strides) {
  const std::string auto_pad = c.attr_string("auto_pad", "NOTSET");
  if (auto_pad != "SAME_UPPER" && auto_pad != "SAME_LOWER") return false;
  const Shape& x = c.shape(c.required(0));
  for (size_t i = 0; i < strides.size(); ++i)
    if (strides[i] != 1 && !x[2 + i].is_const()) return true;
  return false;
}

// total = max((ceil(in / stride) - 1) * stride + window - in, 0), halved between the ends of each axis.
ir::ValueId pad_same(ImportContext& c, ir::ValueId x, const std::vector<Dim>& kernel,
                     const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations, double fill) {
  if (!needs_pad_same(c, strides)) return x;
  std::vector<int64_t> axes, windows, less_one;
  for (size_t i = 0; i < kernel.size(); ++i) {
    if (!kernel[i].is_const()) c.fail("SAME padding needs a constant kernel size on spatial axis ", i);
    axes.push_back(int64_t(i) + 2);
    windows.push_back(checked_add(checked_mul(checked_sub(kernel[i].constant(), 1), dilations[i]), 1));
    less_one.push_back(strides[i] - 1);
  }
  auto ints = [&](const std::vector<int64_t>& v) { return c.constant(Tensor::vector_i64(v)); };
  const ir::ValueId in = c.add("Gather", {c.add("Shape", {x}, ShapeAttrs{}), ints(axes)}, AxisAttrs{0});
  const ir::ValueId stride = ints(strides), none = ints(std::vector<int64_t>(kernel.size(), 0));
  const ir::ValueId out = c.add("Div", {c.add("Add", {in, ints(less_one)}), stride});
  const ir::ValueId reach = c.add("Add", {c.add("Mul", {c.add("Sub", {out, ints({1})}), stride}), ints(windows)});
  const ir::ValueId total = c.add("Max", {c.add("Sub", {reach, in}), none});
  const ir::ValueId small = c.add("Div", {total, ints({2})}), large = c.add("Sub", {total, small});
  const bool upper = c.attr_string("auto_pad", "") == "SAME_UPPER";
  const ir::ValueId zeros = ints({0, 0});
  const ir::ValueId pads = c.add("Concat", {zeros, upper ? small : large, zeros, upper ? large : small}, AxisAttrs{0});
  return c.add("Pad", {x, pads, c.constant(scalar(c.dtype(x), fill))}, PadAttrs{});
}

}  // namespace tenon::ops
