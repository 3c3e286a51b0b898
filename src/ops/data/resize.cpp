#include "ops/data/resize.h"

#include <algorithm>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

bool absent(const InferContext& c, size_t i) {
  if (!c.has(i)) return true;
  const Shape& s = c.shape(i);
  return s.size() == 1 && s[0] == 0;
}

void infer_resize(InferContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  Shape y = c.shape(0);
  const size_t n = a.axes.empty() ? y.size() : a.axes.size();
  c.expect(absent(c, 2) != absent(c, 3), "exactly one of scales and sizes must be given");
  const auto sizes = absent(c, 3) ? std::nullopt : c.contents(3);
  const Tensor* scales = absent(c, 2) ? nullptr : c.constant(2);
  c.expect((!sizes || sizes->size() == n) && (!scales || scales->count() == int64_t(n)),
           "scales or sizes do not match the ", n, " resized axes");
  std::optional<std::vector<ResizeAxis>> exact;
  if (sizes && a.policy != ResizePolicy::kStretch && ir::is_static(y) && ir::is_static(*sizes)) {
    ResizeAttrs plain = a;
    plain.coordinate = ResizeCoordinate::kHalfPixel;
    exact = resize_axes(plain, ir::static_dims(y), {}, {}, ir::static_dims(*sizes));
  }
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = a.axes.empty() ? i : c.axis(a.axes[i], y.size());
    if (exact) {
      y[axis] = (*exact)[axis].out;
    } else if (sizes && a.policy == ResizePolicy::kStretch) {
      y[axis] = (*sizes)[i];
    } else if (scales) {
      const ResizeScale s = ResizeScale::of(scales->get(int64_t(i)));
      y[axis] = c.dims().floor_div(c.dims().mul(y[axis], s.num), s.den);
    } else {
      y[axis] = c.unknown();
    }
  }
  c.output(0, c.dtype(0), std::move(y));
}

/// Interpolates one axis of `x` seen as [outer, in, inner].
std::vector<double> interpolate_axis(const ResizeAttrs& a, const ResizeAxis& axis, const std::vector<double>& x,
                                     int64_t inner) {
  const int64_t outer = axis.in * inner > 0 ? int64_t(x.size()) / (axis.in * inner) : 0;
  std::vector<double> y(static_cast<size_t>(checked_mul(outer, checked_mul(axis.out, inner))));
  for (int64_t p = 0; p < axis.out; ++p) {
    const ResizeTaps taps = resize_taps(a, axis, p);
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        double sum = taps.outside ? double(a.extrapolation_value) : 0;
        for (size_t t = 0; t < taps.index.size(); ++t)
          sum += taps.weight[t] * x[size_t((o * axis.in + taps.index[t]) * inner + i)];
        y[size_t((o * axis.out + p) * inner + i)] = sum;
      }
  }
  return y;
}

bool changes(const ResizeAttrs& a, const ResizeAxis& axis) {
  return axis.in != axis.out || axis.scale_num != axis.scale_den ||
         a.coordinate == ResizeCoordinate::kTfCropAndResize || a.coordinate == ResizeCoordinate::kTfHalfPixelForNn;
}

void eval_nearest(EvalContext& c, const std::vector<ResizeAxis>& axes, const Dims& yd) {
  const auto& a = c.attrs<ResizeAttrs>();
  const Tensor& x = c.input(0);
  const Dims strides = ir::strides_of(x.dims());
  std::vector<Dims> from(axes.size());  // element offset of each position, -1 outside
  for (size_t d = 0; d < axes.size(); ++d)
    for (int64_t p = 0; p < axes[d].out; ++p) {
      if (!changes(a, axes[d])) {
        from[d].push_back(p * strides[d]);
        continue;
      }
      const ResizeTaps taps = resize_taps(a, axes[d], p);
      from[d].push_back(taps.outside ? -1 : taps.index[0] * strides[d]);
    }
  Tensor& y = c.output(0, yd);
  Tensor beyond(y.dtype(), {1});
  if (y.dtype() != DType::kString) beyond.set(0, double(a.extrapolation_value));
  const ElementMover move(x, y), fill(beyond, y);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) {
    int64_t at = 0;
    for (size_t d = 0; d < yd.size() && at >= 0; ++d) {
      const int64_t step = from[d][size_t(index[d])];
      at = step < 0 ? -1 : at + step;
    }
    if (at < 0)
      fill(0, i);
    else
      move(at, i);
  }
}

void eval_resize(EvalContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  const Tensor& x = c.input(0);
  auto doubles = [&](size_t i) { return c.has(i) ? c.input(i).to_doubles() : std::vector<double>(); };
  const auto axes = resize_axes(a, x.dims(), doubles(1), doubles(2), c.has(3) ? c.input(3).to_ints() : Dims());
  Dims yd;
  for (const ResizeAxis& axis : axes) {
    require(axis.in > 0 || axis.out == 0, ErrorCode::kShapeMismatch, "an empty axis cannot be resized");
    yd.push_back(axis.out);
  }
  if (checked_product(yd) == 0) {
    c.output(0, yd);
    return;
  }
  if (a.mode == ResizeMode::kNearest) return eval_nearest(c, axes, yd);
  Tensor& y = c.output(0, yd);
  std::vector<double> values = x.to_doubles();
  int64_t inner = 1;
  for (size_t d = axes.size(); d-- > 0; inner *= yd[d])
    if (changes(a, axes[d])) values = interpolate_axis(a, axes[d], values, inner);
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, values[size_t(i)]);
}

template <class E>
E parse_enum(ImportContext& c, std::string_view attribute, E fallback) {
  const auto names = enum_names(fallback);
  const std::string text = c.attr_string(attribute, names[size_t(fallback)]);
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == text) return E(int64_t(i));
  c.fail(attribute, " is '", text, "', accepted are ", join(names, ", "));
}

/// Input `i` unless it is left out or has no elements, which older exporters write instead.
ir::ValueId given(ImportContext& c, size_t i) {
  if (!c.has(i)) return ir::kNone;
  const ir::Value& v = c.graph().value(c.input(i));
  return v.ranked && v.shape.size() == 1 && v.shape[0] == 0 ? ir::kNone : c.input(i);
}

// From opset 11. Coordinates, modes and inputs as in the core operator.
void import_resize(ImportContext& c) {
  ResizeAttrs a;
  a.mode = parse_enum(c, "mode", ResizeMode::kNearest);
  a.coordinate = parse_enum(c, "coordinate_transformation_mode", ResizeCoordinate::kHalfPixel);
  a.nearest = parse_enum(c, "nearest_mode", ResizeNearest::kRoundPreferFloor);
  a.policy = parse_enum(c, "keep_aspect_ratio_policy", ResizePolicy::kStretch);
  a.axes = c.attr_ints("axes");
  a.antialias = c.attr_int("antialias", 0) != 0;
  a.exclude_outside = c.attr_int("exclude_outside", 0) != 0;
  a.cubic_coeff_a = c.attr_float("cubic_coeff_a", a.cubic_coeff_a);
  a.extrapolation_value = c.attr_float("extrapolation_value", 0);
  const ir::ValueId sizes = given(c, 3), scales = sizes == ir::kNone ? given(c, 2) : ir::kNone;
  const bool crop = a.coordinate == ResizeCoordinate::kTfCropAndResize;
  std::vector<ir::ValueId> inputs{c.required(0), crop ? given(c, 1) : ir::kNone, scales};
  if (sizes != ir::kNone) inputs.push_back(sizes);
  c.output(0, c.add("Resize", std::move(inputs), a));
}

// Until opset 10: positions are scaled without an offset and rounded down.
ResizeAttrs import_asymmetric(ImportContext& c) {
  ResizeAttrs a;
  const std::string mode = c.attr_string("mode", "nearest");
  if (mode == "linear" || mode == "bilinear")
    a.mode = ResizeMode::kLinear;
  else if (mode != "nearest")
    c.fail("mode is '", mode, "', accepted are nearest, linear");
  a.coordinate = ResizeCoordinate::kAsymmetric;
  a.nearest = ResizeNearest::kFloor;
  return a;
}

void import_upsample_attribute(ImportContext& c) {
  const std::vector<float> scales = c.attr_floats("scales");
  const auto v = c.constant(Tensor::of<float>(DType::kF32, {int64_t(scales.size())}, scales));
  c.output(0, c.add("Resize", {c.required(0), ir::kNone, v}, import_asymmetric(c)));
}

void import_upsample(ImportContext& c) {
  c.output(0, c.add("Resize", {c.required(0), ir::kNone, c.required(1)}, import_asymmetric(c)));
}

// As Upsample; nearest positions are rounded up on axes that shrink, as ONNX's tests of opset 10 have it.
void import_resize_10(ImportContext& c) {
  ResizeAttrs a = import_asymmetric(c);
  const Tensor* scales = c.constant(c.required(1));
  if (a.mode != ResizeMode::kNearest || !scales) return import_upsample(c);
  std::vector<float> smaller, larger;
  for (double s : scales->to_doubles()) {
    smaller.push_back(float(std::min(s, 1.0)));
    larger.push_back(float(std::max(s, 1.0)));
  }
  const auto resized = [&](ir::ValueId x, const std::vector<float>& by) {
    return c.add("Resize", {x, ir::kNone, c.constant(Tensor::of<float>(DType::kF32, {int64_t(by.size())}, by))}, a);
  };
  const auto is_one = [](float s) { return s == 1; };
  ir::ValueId x = c.required(0);
  const bool shrinks = !std::all_of(smaller.begin(), smaller.end(), is_one);
  if (shrinks) {
    a.nearest = ResizeNearest::kCeil;
    x = resized(x, smaller);
  }
  a.nearest = ResizeNearest::kFloor;
  c.output(0, shrinks && std::all_of(larger.begin(), larger.end(), is_one) ? x : resized(x, larger));
}

}  // namespace

OpSet resize() {
  return {{{.name = "Resize",
            .attrs = ir::schema_of<ResizeAttrs>(),
            .min_inputs = 3,
            .max_inputs = 4,
            .infer = infer_resize,
            .eval = eval_resize}},
          {{"", "Resize", 10, import_resize_10},
           {"", "Resize", 11, import_resize},
           {"", "Upsample", 7, import_upsample_attribute},
           {"", "Upsample", 9, import_upsample}}};
}

}  // namespace tenon::ops
