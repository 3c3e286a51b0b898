// Layers that move elements: shuffle, slice, concatenation, padding, squeeze, gather, scatter, shape.
#include <algorithm>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

struct ShuffleAttrs {
  Ints first_transpose, reshape_dimensions, second_transpose;  ///< transposes: empty is none
  bool reshapes = false;                                       ///< reshape_dimensions is set
  bool zero_is_placeholder = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(ShuffleAttrs, first_transpose), TENON_TRT_FIELD(ShuffleAttrs, reshape_dimensions),
        TENON_TRT_FIELD(ShuffleAttrs, second_transpose), TENON_TRT_FIELD(ShuffleAttrs, reshapes),
        TENON_TRT_FIELD(ShuffleAttrs, zero_is_placeholder)};
    return f;
  }
};

struct SliceAttrs {
  Ints start, size, stride, axes;
  int64_t mode = 0;  ///< SampleMode: strict bounds, wrap, clamp, fill, reflect
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(SliceAttrs, start), TENON_TRT_FIELD(SliceAttrs, size),
                                  TENON_TRT_FIELD(SliceAttrs, stride), TENON_TRT_FIELD(SliceAttrs, axes),
                                  TENON_TRT_FIELD(SliceAttrs, mode)};
    return f;
  }
};

struct AxisAttrs {
  int64_t axis = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(AxisAttrs, axis)};
    return f;
  }
};

struct PaddingAttrs {
  Ints pre_padding, post_padding;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(PaddingAttrs, pre_padding),
                                  TENON_TRT_FIELD(PaddingAttrs, post_padding)};
    return f;
  }
};

struct GatherAttrs {
  int64_t gather_axis = 0, nb_element_wise_dims = 0, mode = 0;  ///< mode: default, element, N-d
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(GatherAttrs, gather_axis),
                                  TENON_TRT_FIELD(GatherAttrs, nb_element_wise_dims),
                                  TENON_TRT_FIELD(GatherAttrs, mode)};
    return f;
  }
};

struct ScatterAttrs {
  int64_t mode = 0, axis = 0;  ///< mode: element, N-d
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ScatterAttrs, mode), TENON_TRT_FIELD(ScatterAttrs, axis)};
    return f;
  }
};

struct ShapeAttrs {
  bool narrow = false;  ///< int32, as before level 10
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ShapeAttrs, narrow)};
    return f;
  }
};

ValueId transpose(LowerContext& c, ValueId x, const Ints& order) {
  const size_t rank = c.rank(x);
  if (order.empty()) return x;
  require(order.size() >= rank, ErrorCode::kShapeMismatch, "the permutation has ", order.size(),
          " axes, the tensor has ", rank);
  Ints perm(order.begin(), order.begin() + long(rank));
  for (size_t i = 0; i < rank; ++i)
    if (perm[i] != int64_t(i)) return c.onnx("Transpose", {x}, {{"perm", perm}});
  return x;
}

void lower_shuffle(LowerContext& c) {
  const auto& a = c.attrs<ShuffleAttrs>();
  ValueId y = transpose(c, c.input(0), a.first_transpose);
  const Values zero{{"allowzero", int64_t{!a.zero_is_placeholder}}};
  if (c.has(1))
    y = c.onnx("Reshape", {y, c.cast(c.input(1), DType::kI64)}, zero);
  else if (a.reshapes)
    y = c.onnx("Reshape", {y, c.ints(a.reshape_dimensions)}, zero);
  y = transpose(c, y, a.second_transpose);
  c.output(0, y == c.input(0) ? c.onnx("Identity", {y}) : y);
}

/// A parameter of a slice: its tensor if that is set, else the numbers.
ValueId slice_operand(LowerContext& c, size_t input, const Ints& values) {
  return c.has(input) ? c.cast(c.input(input), DType::kI64) : c.ints(values);
}

/// Pads so that a slice that reaches outside stays inside; moves `start` accordingly.
ValueId pad_for_slice(LowerContext& c, const SliceAttrs& a, Ints& start) {
  const ValueId x = c.input(0);
  require(a.mode > 0 && a.mode < 5, ErrorCode::kInvalidModel, "sample mode ", a.mode, " does not exist");
  const size_t rank = c.rank(x);
  Ints pads(2 * rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    if (a.size[i] == 0) continue;
    const int64_t last = checked_add(a.start[i], checked_mul(a.size[i] - 1, a.stride[i]));
    const int64_t low = std::min(a.start[i], last), high = std::max(a.start[i], last);
    pads[i] = std::max<int64_t>(0, -low);
    if (a.start[i] != 0 || a.stride[i] != 1 || !(c.shape(x)[i] == a.size[i]))
      pads[rank + i] = std::max<int64_t>(0, high - (c.number(x, i) - 1));
    start[i] += pads[i];
  }
  std::vector<ValueId> inputs{x, c.ints(pads)};
  if (c.has(4)) inputs.push_back(c.cast(c.input(4), c.dtype(x)));
  return c.onnx("Pad", std::move(inputs), {{"mode", std::string(kPadModes[a.mode])}});
}

/// The same where numbers are computed or some axes alone are sliced. Gives the padded tensor and where the slice
/// starts.
std::pair<ValueId, ValueId> pad_for_computed_slice(LowerContext& c, const SliceAttrs& a) {
  require(a.mode > 0 && a.mode < 5, ErrorCode::kInvalidModel, "sample mode ", a.mode, " does not exist");
  const ValueId x = c.input(0), start = slice_operand(c, 1, a.start), size = slice_operand(c, 2, a.size),
                stride = slice_operand(c, 3, a.stride);
  const ValueId axes = c.has(5) ? c.cast(c.input(5), DType::kI64) : a.axes.empty() ? ir::kNone : c.ints(a.axes);
  ValueId whole = c.onnx("Shape", {x});
  if (axes != ir::kNone) whole = c.onnx("Gather", {whole, axes}, {{"axis", int64_t{0}}});
  const ValueId zero = c.scalar(DType::kI64, 0), one = c.scalar(DType::kI64, 1);
  const ValueId last = c.onnx("Add", {start, c.onnx("Mul", {c.onnx("Sub", {size, one}), stride})});
  const ValueId before = c.onnx("Max", {c.onnx("Sub", {zero, c.onnx("Min", {start, last})}), zero});
  const ValueId beyond = c.onnx("Add", {c.onnx("Sub", {c.onnx("Max", {start, last}), whole}), one});
  ValueId pads = c.onnx("Concat", {before, c.onnx("Max", {beyond, zero})}, {{"axis", int64_t{0}}});
  if (const ValueId any = c.onnx("Min", {size, one}); a.mode != 3)  // what is empty has nothing to repeat
    pads = c.onnx("Mul", {pads, c.onnx("Concat", {any, any}, {{"axis", int64_t{0}}})});
  std::vector<ValueId> inputs{x, pads, c.has(4) ? c.cast(c.input(4), c.dtype(x)) : ir::kNone, axes};
  while (inputs.back() == ir::kNone) inputs.pop_back();
  return {c.onnx("Pad", std::move(inputs), {{"mode", std::string(kPadModes[a.mode])}}), c.onnx("Add", {start, before})};
}

/// Where a computed slice ends. Steps backwards may end before the first element.
ValueId computed_end(LowerContext& c, const SliceAttrs& a, ValueId start, ValueId size, ValueId stride) {
  const ValueId end = c.onnx("Add", {start, c.onnx("Mul", {size, stride})});
  const bool forward =
      !c.has(3) && std::all_of(a.stride.begin(), a.stride.end(), [](int64_t step) { return step > 0; });
  if (forward) return end;
  const ValueId zero = c.scalar(DType::kI64, 0);
  return c.onnx("Where", {c.onnx("Less", {end, zero}), c.constant(Tensor::scalar_i64(INT64_MIN)), end});
}

size_t sliced_axis(const LowerContext& c, const SliceAttrs& a, size_t i) {
  const int64_t axis = a.axes.empty() ? int64_t(i) : a.axes.at(i);
  return size_t(axis < 0 ? axis + int64_t(c.rank(c.input(0))) : axis);
}

/// A slice whose step is 0 along some axes repeats one element there: the same slice with one element, and the shape
/// that repeats it. Empty if no step is 0.
Ints take_repeats(LowerContext& c, SliceAttrs& a) {
  if (c.has(3) || std::find(a.stride.begin(), a.stride.end(), 0) == a.stride.end()) return {};
  require(!c.has(5), ErrorCode::kUnsupported, "a stride of 0 needs constant axes");
  Ints repeats(c.rank(c.input(0)), 1);
  for (size_t i = 0; i < a.stride.size() && i < a.size.size(); ++i) {
    if (a.stride[i] != 0) continue;
    repeats.at(sliced_axis(c, a, i)) = std::exchange(a.size[i], 1);
    a.stride[i] = 1;
  }
  return repeats;
}

/// Whether a stride may be 0 where ONNX's slice and expansion cannot say so.
bool may_repeat(LowerContext& c, const SliceAttrs& a) {
  if (c.has(5)) return false;
  if (!c.has(3)) {
    const bool zero = std::find(a.stride.begin(), a.stride.end(), 0) != a.stride.end();
    return zero && (c.has(1) || c.has(2) || a.mode != 0);
  }
  const ir::Value& stride = c.graph().value(c.input(3));
  if (stride.constant) {
    const Ints steps = stride.constant->to_ints();
    return std::find(steps.begin(), steps.end(), 0) != steps.end();
  }
  return !stride.contents || std::any_of(stride.contents->begin(), stride.contents->end(),
                                         [](const ir::Dim& d) { return !d.is_const() || d.constant() == 0; });
}

/// Elements start + i * stride of each axis: any stride, 0 too.
ValueId slice_by_elements(LowerContext& c, const SliceAttrs& a) {
  ValueId y = c.input(0), start = slice_operand(c, 1, a.start);
  if (a.mode != 0) std::tie(y, start) = pad_for_computed_slice(c, a);
  const ValueId size = slice_operand(c, 2, a.size), stride = slice_operand(c, 3, a.stride);
  const ValueId zero = c.constant(Tensor::scalar_i64(0)), one = c.constant(Tensor::scalar_i64(1));
  const auto count = a.axes.empty() ? int64_t(c.rank(y)) : int64_t(a.axes.size());
  for (int64_t i = 0; i < count; ++i) {
    const auto entry = [&](ValueId v) {
      return c.onnx("Gather", {v, c.constant(Tensor::scalar_i64(i))}, {{"axis", int64_t{0}}});
    };
    const ValueId places = c.onnx("Mul", {c.onnx("Range", {zero, entry(size), one}), entry(stride)});
    y = c.onnx("Gather", {y, c.onnx("Add", {places, entry(start)})},
               {{"axis", a.axes.empty() ? i : a.axes[size_t(i)]}});
  }
  return y;
}

/// Numbers that reach outside of a known dimension are an error in the default mode.
void check_bounds(const LowerContext& c, const SliceAttrs& a) {
  for (size_t i = 0; i < a.size.size(); ++i) {
    const ir::Dim dim = c.shape(c.input(0)).at(sliced_axis(c, a, i));
    if (a.size[i] <= 0 || !dim.is_const()) continue;
    const int64_t last = checked_add(a.start[i], checked_mul(a.size[i] - 1, a.stride[i]));
    require(std::min(a.start[i], last) >= 0 && std::max(a.start[i], last) < dim.constant(), ErrorCode::kShapeMismatch,
            "the slice takes elements ", a.start[i], " to ", last, " of the ", dim.constant(), " of axis ",
            sliced_axis(c, a, i), "; a sample mode says what lies outside");
  }
}

/// `y` with the dims that the slice promises: at a run whose input is shorter, the reshape fails.
ValueId with_promised_dims(LowerContext& c, const SliceAttrs& a, ValueId y) {
  Ints dims(c.rank(y), 0);
  bool known = true;
  for (size_t i = 0; i < a.size.size(); ++i) {
    const size_t axis = sliced_axis(c, a, i);
    dims.at(axis) = a.size[i];
    known = known && (c.shape(y)[axis].is_const() || a.size[i] <= 0);
  }
  return known ? y : c.onnx("Reshape", {y, c.ints(dims)});
}

void lower_slice(LowerContext& c) {
  SliceAttrs a = c.attrs<SliceAttrs>();
  if (may_repeat(c, a)) return c.output(0, slice_by_elements(c, a));
  const Ints repeats = take_repeats(c, a);
  ValueId x = c.input(0);
  const size_t count = a.axes.empty() && !c.has(5) ? c.rank(x) : std::max(a.axes.size(), a.start.size());
  for (const auto& [values, input] : {std::pair{&a.start, 1}, {&a.size, 2}, {&a.stride, 3}})
    require(c.has(size_t(input)) || values->size() == count, ErrorCode::kShapeMismatch, "start, size or stride has ",
            values->size(), " axes, ", count, " are sliced");
  Ints from = a.start;
  const bool computed = c.has(1) || c.has(2) || c.has(3);
  const bool partial = c.has(5) || !a.axes.empty();
  const bool strict = a.mode == 0 && !computed && !c.has(5);
  if (strict) check_bounds(c, a);
  if (a.mode != 0 && !computed && !partial) x = pad_for_slice(c, a, from);
  ValueId start = slice_operand(c, 1, from);
  if (a.mode != 0 && (computed || partial)) std::tie(x, start) = pad_for_computed_slice(c, a);
  const ValueId size = slice_operand(c, 2, a.size), stride = slice_operand(c, 3, a.stride);
  ValueId end;
  if (!computed && !(a.mode != 0 && partial)) {
    Ints ends;
    for (size_t i = 0; i < count; ++i) {
      const int64_t stop = checked_add(from[i], checked_mul(a.size[i], a.stride[i]));
      ends.push_back(a.stride[i] < 0 && stop < 0 ? INT64_MIN : stop);  // before the first element
    }
    end = c.ints(ends);
  } else {
    end = computed_end(c, a, start, size, stride);
  }
  Ints axes = a.axes;
  for (size_t i = 0; axes.size() < count; ++i) axes.push_back(int64_t(i));
  const ValueId axis = c.has(5) ? c.cast(c.input(5), DType::kI64) : c.ints(axes);
  ValueId y = c.onnx("Slice", {x, start, end, axis, stride});
  if (strict) y = with_promised_dims(c, a, y);
  c.output(0, repeats.empty() ? y : c.onnx("Expand", {y, c.ints(repeats)}));
}

void lower_concatenation(LowerContext& c) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.output(0, c.onnx("Concat", std::move(inputs), {{"axis", c.attrs<AxisAttrs>().axis}}));
}

void lower_padding(LowerContext& c) {
  const auto& a = c.attrs<PaddingAttrs>();
  const size_t rank = c.rank(c.input(0));
  require(a.pre_padding.size() == 2 && a.post_padding.size() == 2 && rank >= 2, ErrorCode::kShapeMismatch,
          "padding covers the last two of ", rank, " dimensions");
  Ints pads(2 * rank, 0);
  for (size_t i = 0; i < 2; ++i) {
    pads[rank - 2 + i] = a.pre_padding[i];
    pads[2 * rank - 2 + i] = a.post_padding[i];
  }
  c.output(0, c.onnx("Pad", {c.input(0), c.ints(pads)}));
}

/// Without axes, every dimension goes that is 1 in the network; dynamic ones stay.
void lower_squeeze(LowerContext& c) {
  if (c.has(1)) return c.output(0, c.onnx("Squeeze", {c.input(0), c.cast(c.input(1), DType::kI64)}));
  const Shape& shape = c.shape(c.input(0));
  Ints ones;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == 1) ones.push_back(int64_t(i));
  c.output(0, ones.empty() ? c.onnx("Identity", {c.input(0)}) : c.onnx("Squeeze", {c.input(0), c.ints(ones)}));
}
void lower_unsqueeze(LowerContext& c) {
  c.output(0, c.onnx("Unsqueeze", {c.input(0), c.cast(c.input(1), DType::kI64)}));
}

/// y[b…, before…, i…, after…] = data[b…, before…, indices[b…, i…], after…]
ValueId gather_in_batches(LowerContext& c, const GatherAttrs& a) {
  const auto rank = int64_t(c.rank(c.input(0))), batch = a.nb_element_wise_dims,
             chosen = int64_t(c.rank(c.input(1))) - batch,
             axis = a.gather_axis < 0 ? a.gather_axis + rank : a.gather_axis;
  require(batch <= axis && axis < rank && chosen >= 0, ErrorCode::kShapeMismatch, "gather along axis ", a.gather_axis,
          " of rank ", rank, " behind ", batch, " element-wise dimensions");
  Ints order, back;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis) order.push_back(i);
  order.insert(order.begin() + batch, axis);
  const ValueId data = c.onnx("Transpose", {c.input(0)}, {{"perm", order}});
  const ValueId indices = c.onnx("Unsqueeze", {c.cast(c.input(1), DType::kI64), c.ints({-1})});
  const ValueId y = c.onnx("GatherND", {data, indices}, {{"batch_dims", batch}});
  for (int64_t i = 0; i < batch; ++i) back.push_back(i);
  for (int64_t i = batch; i < axis; ++i) back.push_back(i + chosen);
  for (int64_t i = 0; i < chosen; ++i) back.push_back(batch + i);
  for (int64_t i = axis + chosen; i < rank - 1 + chosen; ++i) back.push_back(i);
  return c.onnx("Transpose", {y}, {{"perm", back}});
}

void lower_gather(LowerContext& c) {
  const auto& a = c.attrs<GatherAttrs>();
  const std::vector<ValueId> inputs{c.input(0), c.input(1)};
  if (a.mode == 1) return c.output(0, c.onnx("GatherElements", inputs, {{"axis", a.gather_axis}}));
  if (a.mode == 2) return c.output(0, c.onnx("GatherND", inputs, {{"batch_dims", a.nb_element_wise_dims}}));
  if (a.nb_element_wise_dims > 0) return c.output(0, gather_in_batches(c, a));
  c.output(0, c.onnx("Gather", inputs, {{"axis", a.gather_axis}}));
}

void lower_scatter(LowerContext& c) {
  const auto& a = c.attrs<ScatterAttrs>();
  const std::vector<ValueId> inputs{c.input(0), c.input(1), c.input(2)};
  c.output(0, a.mode == 0 ? c.onnx("ScatterElements", inputs, {{"axis", a.axis}}) : c.onnx("ScatterND", inputs));
}

void lower_shape(LowerContext& c) {
  const ValueId y = c.onnx("Shape", {c.input(0)});
  c.output(0, c.attrs<ShapeAttrs>().narrow ? c.cast(y, DType::kI32) : y);
}

}  // namespace

std::vector<Layer> movement_layers() {
  const auto* none = ir::schema_of<ir::NoAttrs>();
  return {{"trt.Shuffle", ir::schema_of<ShuffleAttrs>(), 1, 2, lower_shuffle},
          {"trt.Slice", ir::schema_of<SliceAttrs>(), 1, 6, lower_slice},
          {"trt.Concatenation", ir::schema_of<AxisAttrs>(), 1, SIZE_MAX, lower_concatenation},
          {"trt.Padding", ir::schema_of<PaddingAttrs>(), 1, 1, lower_padding},
          {"trt.Squeeze", none, 1, 2, lower_squeeze},
          {"trt.Unsqueeze", none, 2, 2, lower_unsqueeze},
          {"trt.Gather", ir::schema_of<GatherAttrs>(), 2, 2, lower_gather},
          {"trt.Scatter", ir::schema_of<ScatterAttrs>(), 3, 3, lower_scatter},
          {"trt.Shape", ir::schema_of<ShapeAttrs>(), 1, 1, lower_shape}};
}

}  // namespace tenon::ops::trt
