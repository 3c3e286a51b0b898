// Core nodes that move elements, as layers.
#include <algorithm>
#include <limits>
#include <optional>

#include "ops/data/gather_nd.h"
#include "ops/data/resize.h"
#include "ops/data/reverse_sequence.h"
#include "ops/data/scatter.h"
#include "ops/detect/grid_sample.h"
#include "ops/math/einsum.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/pad.h"
#include "ops/shape/reshape.h"
#include "ops/shape/shape_of.h"
#include "ops/shape/transpose.h"
#include "ops/trt/names.h"
#include "ops/trt/raise.h"

namespace tenon::ops::trt {
namespace {

std::optional<Ints> numbers(const Shape& shape) {
  Ints dims;
  for (const ir::Dim& d : shape) {
    if (!d.is_const()) return std::nullopt;
    dims.push_back(d.constant());
  }
  return dims;
}

void set_reshape(RaiseContext& c, Ints dims, bool zero_is_placeholder) {
  c.become("trt.Shuffle");
  c.set("reshape_dimensions", std::move(dims));
  c.set("reshapes", true);
  c.set("zero_is_placeholder", zero_is_placeholder);
  c.inputs.resize(1);
}

void raise_reshape(RaiseContext& c) {
  const bool placeholder = !c.attrs<ReshapeAttrs>().allowzero;
  if (c.constant(1)) return set_reshape(c, c.ints(1), placeholder);
  c.become("trt.Shuffle");
  c.set("zero_is_placeholder", placeholder);
}

void raise_transpose(RaiseContext& c) {
  c.become("trt.Shuffle");
  Ints order = c.attrs<TransposeAttrs>().perm;
  for (size_t i = c.shape(0).size(); order.size() < c.shape(0).size();) order.push_back(static_cast<int64_t>(--i));
  c.set("first_transpose", order);
}

/// Squeeze, Unsqueeze and Flatten: 0 where a dimension keeps its place, one -1 where it moves and is dynamic.
void raise_view(RaiseContext& c) {
  const Shape &in = c.shape(0), &out = c.result();
  const bool flatten = c.op() == "Flatten";
  Ints dims;
  for (size_t i = 0; i < out.size(); ++i) {
    const bool stays = i < in.size() && out[i] == in[i] && !(flatten && i == 1);
    const bool known = out[i].is_const() && !(flatten && i == 1);
    if (out[i].is_const() && out[i].constant() == 0 && !stays) return;
    dims.push_back(stays ? 0 : known ? out[i].constant() : -1);
  }
  if (std::count(dims.begin(), dims.end(), -1) <= 1) set_reshape(c, std::move(dims), true);
}

/// Constant starts and steps; sizes follow from the result.
void raise_slice(RaiseContext& c) {
  if (!c.constant(1) || (c.has(3) && !c.constant(3)) || (c.has(4) && !c.constant(4))) return;
  const Shape &in = c.shape(0), &out = c.result();
  Ints start = c.ints(1), axes = c.ints(3), step = c.ints(4), size;
  for (size_t i = 0; !c.has(3) && i < start.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (step.empty()) step.assign(start.size(), 1);
  if (axes.size() != start.size() || step.size() != start.size()) return;
  for (size_t i = 0; i < start.size(); ++i) {
    const size_t axis = c.axis(axes[i]);
    if (!out[axis].is_const() || (!in[axis].is_const() && start[i] < 0)) return;
    if (start[i] < 0) start[i] = std::max<int64_t>(start[i] + in[axis].constant(), step[i] < 0 ? -1 : 0);
    if (in[axis].is_const()) start[i] = std::min(start[i], in[axis].constant() - (step[i] < 0 ? 1 : 0));
    axes[i] = static_cast<int64_t>(axis);
    size.push_back(out[axis].constant());
  }
  if (const auto whole = numbers(out)) {  // every axis, as interfaces without getAxes() show it
    Ints starts(in.size(), 0), steps(in.size(), 1);
    for (size_t i = 0; i < axes.size(); ++i)
      starts[static_cast<size_t>(axes[i])] = start[i], steps[static_cast<size_t>(axes[i])] = step[i];
    start = starts, step = steps, size = *whole;
    axes.clear();
  }
  c.become("trt.Slice");
  c.set("start", start);
  c.set("size", size);
  c.set("stride", step);
  c.set("axes", axes);
  c.inputs.resize(1);
}

/// Zeros around the last two axes are a padding layer, anything else a slice that reaches outside.
void raise_pad(RaiseContext& c) {
  const PadMode mode = c.attrs<PadAttrs>().mode;
  const size_t rank = c.shape(0).size();
  const Ints pads = c.ints(1);
  if (c.has(3) || pads.size() != 2 * rank) return;
  const Tensor* fill = c.constant(2);
  const bool zeros = mode == PadMode::kConstant && (!c.has(2) || (fill && fill->count() == 1 && fill->get(0) == 0));
  bool inner = rank >= 2;
  for (size_t i = 0; i + 2 < rank; ++i) inner = inner && pads[i] == 0 && pads[rank + i] == 0;
  if (zeros && inner) {
    const auto last = pads.begin() + static_cast<std::ptrdiff_t>(rank);
    c.become("trt.Padding");
    c.set("pre_padding", Ints(last - 2, last));
    c.set("post_padding", Ints(pads.end() - 2, pads.end()));
    return c.inputs.resize(1);
  }
  const auto size = numbers(c.result());
  if (!size) return;
  Ints start;
  for (size_t i = 0; i < rank; ++i) start.push_back(-pads[i]);
  c.become("trt.Slice");
  c.set("start", start);
  c.set("size", *size);
  c.set("stride", Ints(rank, 1));
  c.number("mode", number_of(kPadModes, enum_names(mode)[static_cast<size_t>(mode)]));
  c.inputs = c.has(2) ? std::vector<ValueId>{c.input(0), ir::kNone, ir::kNone, ir::kNone, c.input(2)}
                      : std::vector<ValueId>{c.input(0)};
}

void raise_resize(RaiseContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  const size_t mode = number_of(kResizeModes, enum_names(a.mode)[static_cast<size_t>(a.mode)]);
  const size_t coordinate = number_of(kResizeCoordinates, enum_names(a.coordinate)[static_cast<size_t>(a.coordinate)]);
  const size_t rounding = number_of(kResizeRounding, enum_names(a.nearest)[static_cast<size_t>(a.nearest)]);
  if (a.policy != ResizePolicy::kStretch || a.antialias || !a.axes.empty() || coordinate == 3) return;
  if ((c.has(2) && !c.constant(2)) || (c.has(2) && c.has(3))) return;
  c.become("trt.Resize");
  c.number("resize_mode", mode);
  c.number("coordinate_transformation", coordinate);
  c.number("nearest_rounding", rounding);
  c.set("cubic_coeff", a.cubic_coeff_a);
  c.set("exclude_outside", a.exclude_outside);
  std::vector<float> scales;
  for (int64_t i = 0; c.has(2) && i < c.constant(2)->count(); ++i)
    scales.push_back(static_cast<float>(c.constant(2)->get(i)));
  c.set("scales", scales);
  c.set("output_dimensions", c.ints(3));
  c.inputs = {c.input(0)};
  if (c.has(3) && !c.constant(3)) c.inputs.push_back(c.input(3));
}

void set_gather(RaiseContext& c, int64_t mode, int64_t axis, int64_t batch) {
  c.become("trt.Gather");
  c.set("mode", mode);
  c.set("gather_axis", axis);
  c.set("nb_element_wise_dims", batch);
}
template <int64_t Mode>
void raise_gather(RaiseContext& c) {
  set_gather(c, Mode, static_cast<int64_t>(c.axis(c.attrs<AxisAttrs>().axis)), 0);
}
void raise_gather_nd(RaiseContext& c) { set_gather(c, 2, 0, c.attrs<GatherNdAttrs>().batch_dims); }

void set_scatter(RaiseContext& c, int64_t mode, size_t axis, ScatterReduction reduction) {
  if (reduction != ScatterReduction::kNone) return;
  c.become("trt.Scatter");
  c.set("mode", mode);
  c.number("axis", axis);
}
void raise_scatter_elements(RaiseContext& c) {
  const auto& a = c.attrs<ScatterElementsAttrs>();
  set_scatter(c, 0, c.axis(a.axis), a.reduction);
}
void raise_scatter_nd(RaiseContext& c) { set_scatter(c, 1, 0, c.attrs<ScatterNdAttrs>().reduction); }

void raise_concat(RaiseContext& c) {
  c.become("trt.Concatenation");
  c.number("axis", c.axis(c.attrs<AxisAttrs>().axis));
}

void raise_shape(RaiseContext& c) {
  const auto& a = c.attrs<ShapeAttrs>();
  if (a.start == 0 && a.end >= int64_t(c.shape(0).size())) c.become("trt.Shape");
}

void raise_reverse_sequence(RaiseContext& c) {
  const auto& a = c.attrs<ReverseSequenceAttrs>();
  c.become("trt.ReverseSequence");
  c.set("batch_axis", a.batch_axis);
  c.set("sequence_axis", a.time_axis);
}

/// A slice that wraps around.
void raise_tile(RaiseContext& c) {
  const auto size = numbers(c.result());
  if (!size || !c.constant(1) || !numbers(c.shape(0))) return;
  c.become("trt.Slice");
  c.set("start", Ints(size->size(), 0));
  c.set("size", *size);
  c.set("stride", Ints(size->size(), 1));
  c.number("mode", number_of(kPadModes, "wrap"));
  c.inputs.resize(1);
}

void raise_einsum(RaiseContext& c) {
  c.become("trt.Einsum");
  c.set("equation", c.attrs<EinsumAttrs>().equation);
}

void raise_grid_sample(RaiseContext& c) {
  const auto& a = c.attrs<GridSampleAttrs>();
  c.become("trt.GridSample");
  c.number("interpolation_mode", number_of(kGridModes, enum_names(a.mode)[static_cast<size_t>(a.mode)]));
  c.number("sample_mode", number_of(kGridPadding, enum_names(a.padding)[static_cast<size_t>(a.padding)]));
  c.set("align_corners", a.align_corners);
}

}  // namespace

std::vector<RaiseRule> raise_movement_rules() {
  return {{"Reshape", raise_reshape},
          {"Transpose", raise_transpose},
          {"Squeeze", raise_view},
          {"Unsqueeze", raise_view},
          {"Flatten", raise_view},
          {"Slice", raise_slice},
          {"Pad", raise_pad},
          {"Resize", raise_resize},
          {"Gather", raise_gather<0>},
          {"GatherElements", raise_gather<1>},
          {"GatherND", raise_gather_nd},
          {"ScatterElements", raise_scatter_elements},
          {"ScatterND", raise_scatter_nd},
          {"Concat", raise_concat},
          {"Shape", raise_shape},
          {"ReverseSequence", raise_reverse_sequence},
          {"Tile", raise_tile},
          {"Einsum", raise_einsum},
          {"GridSample", raise_grid_sample}};
}

}  // namespace tenon::ops::trt
