// Core nodes that move or choose elements, as several layers.
#include "ops/data/depth_to_space.h"
#include "ops/detect/non_max_suppression.h"
#include "ops/shape/bounds.h"
#include "ops/shape/pad.h"
#include "ops/shape/shape_of.h"
#include "ops/shape/split.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

/// Where each part begins and how long it is, if both are numbers.
std::optional<std::pair<Ints, Ints>> parts_of(ExpandContext& c, size_t axis) {
  const size_t count = c.outputs.size();
  Ints sizes;
  if (const Tensor* given = c.constant_input(1)) {
    sizes = given->to_ints();
  } else {
    const ir::Dim extent = c.shape(c.input(0))[axis];
    if (c.has(1) || !extent.is_const()) return std::nullopt;
    const int64_t size = (extent.constant() + int64_t(count) - 1) / int64_t(count);
    sizes.assign(count, size);
    sizes.back() = extent.constant() - size * int64_t(count - 1);
  }
  Ints starts(1, 0);
  for (size_t i = 0; i + 1 < sizes.size(); ++i) starts.push_back(starts[i] + sizes[i]);
  return std::pair{starts, sizes};
}

void expand_split(ExpandContext& c) {
  const ValueId x = c.input(0);
  const size_t axis = c.axis(c.attrs<SplitAttrs>().axis);
  if (const auto parts = parts_of(c, axis)) {
    const auto whole = c.numbers(x);
    for (size_t i = 0; i < c.outputs.size(); ++i) {
      Ints start(1, parts->first[i]), size(1, parts->second[i]), axes(1, int64_t(axis));
      if (whole) {  // every axis, as interfaces without getAxes() show it
        start.assign(whole->size(), 0), size = *whole, axes.clear();
        start[axis] = parts->first[i], size[axis] = parts->second[i];
      }
      const Ints steps(start.size(), 1);
      c.output(i, c.layer("trt.Slice", {x}, {{"start", start}, {"size", size}, {"stride", steps}, {"axes", axes}}));
    }
    return;
  }
  // Parts of an axis whose extent is not known: sizes are computed, or given as a tensor.
  const auto n = int64_t(c.outputs.size());
  const ValueId extent = c.has(1) ? ir::kNone : c.picked(c.dims_of(x), {int64_t(axis)});
  const ValueId part =
      c.has(1) ? ir::kNone : c.elementwise("Div", c.elementwise("Add", extent, c.ints({n - 1})), c.ints({n}));
  const ValueId sizes = c.has(1) ? c.converted(c.input(1), DType::kI64) : ir::kNone;
  ValueId start = c.ints({0});
  for (int64_t i = 0; i < n; ++i) {
    ValueId size = part;
    if (c.has(1))
      size = c.picked(sizes, {i});
    else if (i + 1 == n)
      size = c.elementwise("Sub", extent, start);
    c.output(size_t(i), c.layer("trt.Slice", {x, start, size}, {{"stride", Ints{1}}, {"axes", Ints{int64_t(axis)}}}));
    if (i + 1 < n) start = c.elementwise("Add", start, size);
  }
}

/// The layer wants scores by box and class.
void expand_nms(ExpandContext& c) {
  const ir::Dim boxes = c.shape(c.input(0)).at(1);
  const int64_t limit = boxes.is_const() ? std::max<int64_t>(boxes.constant(), 5000) : INT32_MAX;
  std::vector<ValueId> inputs = c.inputs();
  inputs[1] = c.layer("trt.Shuffle", {c.input(1)}, {{"first_transpose", Ints{0, 2, 1}}});
  if (!c.has(2)) {
    inputs.resize(std::max<size_t>(inputs.size(), 3), ir::kNone);
    inputs[2] = c.ints({0});
  }
  const bool center = c.attrs<NonMaxSuppressionAttrs>().center_point_box;
  c.output(0, c.layer_n(
                  "trt.NMS", std::move(inputs),
                  {{"bounding_box_format", int64_t{center}}, {"top_k_box_limit", limit}, {"indices_type", DType::kI64}},
                  2)[0]);
}

void expand_depth_to_space(ExpandContext& c) {
  const auto& a = c.attrs<DepthToSpaceAttrs>();
  const Shape& x = c.shape(c.input(0));
  const int64_t b = a.blocksize;
  for (size_t i = 1; i < 4; ++i)
    if (!x.at(i).is_const()) return;
  const int64_t k = x[1].constant(), h = x[2].constant(), w = x[3].constant();
  if (k * h * w == 0) return;
  if (c.node().op == "DepthToSpace") {
    const ValueId y = a.column_row_depth ? c.reshape(c.input(0), {-1, k / b / b, b, b, h, w}, {0, 1, 4, 2, 5, 3})
                                         : c.reshape(c.input(0), {-1, b, b, k / b / b, h, w}, {0, 3, 4, 1, 5, 2});
    return c.output(0, c.reshape(y, {0, k / b / b, h * b, w * b}));
  }
  const ValueId y = c.reshape(c.input(0), {-1, k, h / b, b, w / b, b},
                              a.column_row_depth ? Ints{0, 1, 3, 5, 2, 4} : Ints{0, 3, 5, 1, 2, 4});
  c.output(0, c.reshape(y, {0, k * b * b, h / b, w / b}));
}

/// A slice of steps 0 along axes of one element; more axes are put in front by a shuffle.
void expand_expand(ExpandContext& c) {
  const auto from = c.numbers(c.input(0));
  const Tensor* known = c.constant_input(1);
  const std::optional<Ints> wanted = known ? std::optional(known->to_ints()) : std::nullopt;
  const ir::Dim given = c.shape(c.input(1)).at(0);
  if (!from || !given.is_const()) return;
  const size_t rank = std::max(from->size(), size_t(given.constant()));
  Ints dims(rank - from->size(), 1), steps, repeated, kept;
  dims.insert(dims.end(), from->begin(), from->end());
  for (int64_t d : dims) {
    steps.push_back(d != 1);
    repeated.push_back(d == 1);
    kept.push_back(d == 1 ? 0 : d);
  }
  const ValueId x = rank > from->size() ? c.reshape(c.input(0), dims) : c.input(0);
  if (wanted) {
    const Ints to = broadcast_dims(*from, *wanted);
    for (size_t i = 0; i < rank; ++i) steps[i] = dims[i] == to[i];
    return c.output(0, c.layer("trt.Slice", {x}, {{"start", Ints(rank, 0)}, {"size", to}, {"stride", steps}}));
  }
  ValueId size = c.converted(c.input(1), DType::kI64);
  if (rank > size_t(given.constant())) size = c.concat({c.ints(Ints(rank - size_t(given.constant()), 1)), size}, 0);
  size = c.elementwise("Add", c.elementwise("Mul", size, c.ints(repeated)), c.ints(kept));
  c.output(0, c.layer("trt.Slice", {x, ir::kNone, size}, {{"start", Ints(rank, 0)}, {"stride", steps}}));
}

/// A slice that wraps around, as often as a tensor says.
void expand_tile(ExpandContext& c) {
  const size_t rank = c.rank(c.input(0));
  const ValueId size = c.elementwise("Mul", c.dims_of(c.input(0)), c.converted(c.input(1), DType::kI64));
  c.output(
      0,
      c.layer("trt.Slice", {c.input(0), ir::kNone, size},
              {{"start", Ints(rank, 0)}, {"stride", Ints(rank, 1)}, {"mode", int64_t(number_of(kPadModes, "wrap"))}}));
}

void expand_size(ExpandContext& c) {
  const ValueId dims = c.layer("trt.Shape", {c.input(0)});
  c.output(0, c.layer("trt.Reduce", {dims}, {{"operation", int64_t{1}}, {"reduce_axes", int64_t{1}}}));
}

/// A part of the shape.
void expand_shape(ExpandContext& c) {
  const auto& a = c.attrs<ShapeAttrs>();
  const auto rank = int64_t(c.rank(c.input(0)));
  const auto place = [&](int64_t p) { return std::clamp<int64_t>(p < 0 ? p + rank : p, 0, rank); };
  const int64_t first = place(a.start), count = std::max<int64_t>(place(a.end) - first, 0);
  const ValueId dims = c.layer("trt.Shape", {c.input(0)});
  c.output(0, c.layer("trt.Slice", {dims}, {{"start", Ints{first}}, {"size", Ints{count}}, {"stride", Ints{1}}}));
}

/// Which elements count from the end; nothing if that is not known of one.
std::optional<std::vector<bool>> counted_from_end(ExpandContext& c, ValueId v) {
  const ir::Value& value = c.graph().value(v);
  std::vector<bool> back;
  if (value.constant) {
    for (int64_t i = 0; i < value.constant->count(); ++i) back.push_back(value.constant->get_int(i) < 0);
    return back;
  }
  if (!value.contents) return std::nullopt;
  for (const ir::Dim& d : *value.contents) {
    if (!d.is_const() && !provably_nonnegative(*c.graph().symbols, d)) return std::nullopt;
    back.push_back(d.is_const() && d.constant() < 0);
  }
  return back;
}

/// What ONNX's starts and ends say, counted from the front and within the bounds `low` and `high`.
ValueId bounded(ExpandContext& c, ValueId given, ValueId extent, ValueId low, ValueId high) {
  ValueId v = c.converted(given, DType::kI64);
  if (const auto back = counted_from_end(c, given)) {
    const auto count = std::count(back->begin(), back->end(), true);
    if (count > 0) {
      const bool all = size_t(count) == back->size();
      v = c.elementwise("Add", v, all ? extent : c.elementwise("Mul", extent, c.ints({back->begin(), back->end()})));
    }
  } else {
    const ValueId from_end = c.elementwise("Add", v, extent);
    v = c.select(c.elementwise("Less", v, c.number_like(v, 0)), from_end, v);
  }
  return c.elementwise("Min", c.elementwise("Max", v, low), high);
}

/// Element `i` of a vector of whole numbers, if it is known.
std::optional<int64_t> known_element(ExpandContext& c, ValueId v, size_t i) {
  const ir::Value& value = c.graph().value(v);
  if (value.constant) return value.constant->get_int(int64_t(i));
  if (!value.contents || i >= value.contents->size() || !(*value.contents)[i].is_const()) return std::nullopt;
  return (*value.contents)[i].constant();
}

/// What is asked of some axes of a slice.
struct Cut {
  Ints axes, steps, start, size;  ///< start and size only where they are known
  Ints places;                    ///< of the axes in the node's inputs
};

/// Where one axis of known extent is cut, by ONNX's rules.
void add_known(Cut& cut, int64_t axis, int64_t extent, int64_t start, int64_t end, int64_t step) {
  const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? extent - 1 : extent;
  const int64_t first = std::clamp<int64_t>(start < 0 ? start + extent : start, 0, std::max<int64_t>(high, 0));
  const int64_t last = std::clamp(end < 0 ? end + extent : end, low, high);
  const int64_t span = step < 0 ? first - last : last - first, stride = step < 0 ? -step : step;
  cut.axes.push_back(axis);
  cut.steps.push_back(step);
  cut.start.push_back(first);
  cut.size.push_back(span > 0 && extent > 0 ? (span + stride - 1) / stride : 0);
}

/// Axes whose steps may be tensors, with numbers for start and size.
ValueId sliced(ExpandContext& c, ValueId x, const Ints& axes, std::vector<ValueId> numbers, Ints steps) {
  Settings settings;
  if (c.level >= 10 || axes.size() < c.rank(x)) {
    settings.emplace_back("axes", axes);
  } else {  // all axes in their order, as interfaces without getAxes() have them
    Ints order, in_order;
    for (size_t i = 0; i < axes.size(); ++i)
      order.push_back(std::find(axes.begin(), axes.end(), int64_t(i)) - axes.begin());
    for (int64_t at : order)
      if (!steps.empty()) in_order.push_back(steps[size_t(at)]);
    steps = in_order;
    if (!std::is_sorted(axes.begin(), axes.end()))
      for (ValueId& v : numbers) v = c.picked(v, order);
  }
  settings.emplace_back("stride", std::move(steps));
  numbers.insert(numbers.begin(), x);
  return c.layer("trt.Slice", std::move(numbers), settings);
}

/// Cuts whose numbers are computed: size = ceil((end - start) / step).
ValueId computed_slice(ExpandContext& c, ValueId x, const Cut& cut) {
  const size_t count = cut.axes.size();
  const auto some = [&](ValueId v) { return count == size_t(c.number(v, 0)) ? v : c.picked(v, cut.places); };
  const ValueId starts = some(c.input(1)), ends = some(c.input(2));
  Ints before, zeros(count, 0);
  for (int64_t step : cut.steps) before.push_back(step < 0 ? -1 : 0);
  const ValueId extent = c.picked(c.dims_of(x), cut.axes);
  const ValueId last = before != zeros ? c.elementwise("Add", extent, c.ints(before)) : extent;
  const ValueId start = bounded(c, starts, extent, c.ints(zeros), last);
  const ValueId end = bounded(c, ends, extent, c.ints(before), last);
  ValueId size;
  if (cut.steps == Ints(count, 1)) {
    size = c.elementwise("Sub", end, start);
  } else {
    const ValueId behind = c.elementwise("Sub", start, end);
    size = c.elementwise("Sub", c.ints(zeros), c.elementwise(kFloorDivision, behind, c.ints(cut.steps)));
  }
  size = c.elementwise("Max", size, c.ints(zeros));
  return sliced(c, x, cut.axes, {start, size}, cut.steps);
}

/// Cuts whose axes or steps are computed: a step backwards begins at the last element at most and may end before the
/// first.
void expand_slice_of_any(ExpandContext& c) {
  const ValueId x = c.input(0);
  const auto count = size_t(c.number(c.input(1), 0)), rank = c.rank(x);
  const bool any_axes = c.has(3) && !c.constant_input(3);
  if (any_axes && c.level < 10) return;  // axes are numbers there
  const ValueId zeros = c.ints(Ints(count, 0)), dims = c.dims_of(x);
  Ints axes;
  ValueId axis = ir::kNone, extent;
  if (any_axes) {
    axis = c.converted(c.input(3), DType::kI64);
    const ValueId from_end = c.elementwise("Add", axis, c.ints(Ints(count, int64_t(rank))));
    axis = c.select(c.elementwise("Less", axis, zeros), from_end, axis);
    extent = c.layer("trt.Gather", {dims, axis}, {{"gather_axis", int64_t{0}}});
  } else {
    for (size_t i = 0; i < count; ++i)
      axes.push_back(int64_t(c.axis(c.has(3) ? c.constant_input(3)->get_int(int64_t(i)) : int64_t(i))));
    extent = c.picked(dims, axes);
  }
  const ValueId step = c.has(4) ? c.converted(c.input(4), DType::kI64) : c.ints(Ints(count, 1));
  const ValueId before = c.select(c.elementwise("Less", step, zeros), c.ints(Ints(count, -1)), zeros);
  const ValueId last = c.elementwise("Add", extent, before);
  const ValueId start = bounded(c, c.input(1), extent, zeros, last), end = bounded(c, c.input(2), extent, before, last);
  const ValueId back = c.elementwise(kFloorDivision, c.elementwise("Sub", start, end), step);
  const ValueId size = c.elementwise("Max", c.elementwise("Sub", zeros, back), zeros);
  c.output(0, any_axes ? c.layer("trt.Slice", {x, start, size, step, ir::kNone, axis})
                       : sliced(c, x, axes, {start, size, step}, {}));
}

/// Axes whose numbers are known are cut by one layer, the others by a second one.
void expand_slice(ExpandContext& c) {
  const ValueId x = c.input(0);
  const ir::Dim count = c.shape(c.input(1)).at(0);
  if (!count.is_const()) return;
  if ((c.has(3) && !c.constant_input(3)) || (c.has(4) && !c.constant_input(4))) return expand_slice_of_any(c);
  Cut known, computed;
  for (size_t i = 0; i < size_t(count.constant()); ++i) {
    const size_t axis = c.axis(c.has(3) ? c.constant_input(3)->get_int(int64_t(i)) : int64_t(i));
    const int64_t step = c.has(4) ? c.constant_input(4)->get_int(int64_t(i)) : 1;
    const auto start = known_element(c, c.input(1), i), end = known_element(c, c.input(2), i);
    const ir::Dim extent = c.shape(x)[axis];
    if (start && end && extent.is_const()) {
      add_known(known, int64_t(axis), extent.constant(), *start, *end, step);
    } else {
      computed.axes.push_back(int64_t(axis));
      computed.steps.push_back(step);
      computed.places.push_back(int64_t(i));
    }
  }
  ValueId y = x;
  if (!known.axes.empty())
    y = c.layer("trt.Slice", {y},
                {{"start", known.start}, {"size", known.size}, {"stride", known.steps}, {"axes", known.axes}});
  if (!computed.axes.empty()) y = computed_slice(c, y, computed);
  c.output(0, y);
}

/// A slice that begins before the first element and ends behind the last: numbers of both sides may be computed.
void expand_pad(ExpandContext& c) {
  const ValueId x = c.input(0);
  const PadMode mode = c.attrs<PadAttrs>().mode;
  const auto rank = int64_t(c.rank(x));
  if (c.has(3) && !c.constant_input(3)) return;
  Ints axes;
  for (int64_t i = 0; !c.has(3) && i < rank; ++i) axes.push_back(i);
  for (int64_t i = 0; c.has(3) && i < c.constant_input(3)->count(); ++i)
    axes.push_back(int64_t(c.axis(c.constant_input(3)->get_int(i))));
  const auto count = int64_t(axes.size());
  const ValueId pads = c.converted(c.input(1), DType::kI64);
  Ints first, second, places;
  for (int64_t i = 0; i < rank; ++i) {  // of the pads, and of a 0 behind them
    const int64_t at = std::find(axes.begin(), axes.end(), i) - axes.begin();
    first.push_back(at < count ? at : 2 * count);
    second.push_back(at < count ? count + at : 2 * count);
  }
  const ValueId entries = count < rank ? c.concat({pads, c.ints({0})}, 0) : pads;
  const ValueId before = c.picked(entries, first), after = c.picked(entries, second);
  const ValueId start = c.elementwise("Sub", c.ints(Ints(size_t(rank), 0)), before);
  const ValueId size = c.elementwise("Add", c.elementwise("Add", c.dims_of(x), before), after);
  std::vector<ValueId> inputs{x, start, size};
  if (c.has(2)) inputs.insert(inputs.end(), {ir::kNone, c.input(2)});
  c.output(0, c.layer("trt.Slice", std::move(inputs),
                      {{"stride", Ints(size_t(rank), 1)},
                       {"mode", int64_t(number_of(kPadModes, enum_names(mode)[static_cast<size_t>(mode)]))}}));
}

}  // namespace

std::vector<ExpandRule> expand_layout_rules() {
  return {{"Split", expand_split, true},
          {"NonMaxSuppression", expand_nms},
          {"DepthToSpace", expand_depth_to_space},
          {"SpaceToDepth", expand_depth_to_space},
          {"Expand", expand_expand, true},
          {"Tile", expand_tile, true},
          {"Size", expand_size},
          {"Shape", expand_shape},
          {"Slice", expand_slice, true},
          {"Pad", expand_pad, true}};
}

}  // namespace tenon::ops::trt
