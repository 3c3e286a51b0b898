// Operators that move elements to places known from the shapes.
#include <algorithm>

#include "operators.h"

namespace tenon::random_graphs {
namespace {

std::string any(Sketch& s, int64_t least_rank = 0) {
  return s.pick([&](const Value& v) { return int64_t(v.at[0].dims().size()) >= least_rank; });
}

void transpose(Sketch& s) {
  const std::string x = any(s, 2);
  const int64_t rank = s.rank(x);
  if (s.draw.one_in(8)) {
    s.add("Transpose", {x});
    return;
  }
  Dims order = draw_order(s, rank);
  if (rank == 4 && s.draw.one_in(2)) order = s.draw.one_in(2) ? Dims{0, 2, 3, 1} : Dims{0, 3, 1, 2};
  s.add("Transpose", {x}, {attribute("perm", order)});
}

/// Merges neighbours, splits one dimension, or spells a dimension as 0 or -1.
void reshape(Sketch& s) {
  const std::string x = any(s);
  const Dims shape = s.shape(x);
  Dims to;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (d + 1 < shape.size() && s.draw.one_in(3) && shape[d] >= 0 && shape[d + 1] >= 0) {
      to.push_back(shape[d] * shape[d + 1]);
      ++d;
    } else if (shape[d] > 1 && s.draw.one_in(3)) {
      const int64_t part = draw_divisor(s, shape[d]);
      to.push_back(part), to.push_back(shape[d] / part);
    } else {
      to.push_back(shape[d] < 0 ? (d == to.size() && s.draw.one_in(2) ? 0 : -1) : shape[d]);
    }
    if (s.draw.one_in(10)) to.push_back(1);
  }
  if (std::count(to.begin(), to.end(), -1) == 0 && !to.empty() && s.draw.one_in(2))
    to[size_t(s.draw.below(int64_t(to.size())))] = -1;
  if (s.draw.one_in(12)) to = {-1};
  s.add("Reshape", {x, s.ints(to)});
}

void flatten(Sketch& s) {
  const std::string x = any(s);
  s.add("Flatten", {x}, {attribute("axis", s.draw.between(-s.rank(x), s.rank(x)))});
}

void squeeze_and_unsqueeze(Sketch& s) {
  const std::string x = any(s);
  const int64_t rank = s.rank(x);
  if (s.draw.one_in(2)) {
    Dims axes = {s.draw.between(-rank - 1, rank)};
    if (s.draw.one_in(4)) axes = {0, -1};
    s.add("Unsqueeze", {x, s.ints(axes)});
    return;
  }
  const Dims shape = s.shape(x);
  Dims ones;
  for (size_t d = 0; d < shape.size(); ++d)
    if (shape[d] == 1 && (ones.empty() || s.draw.one_in(2))) ones.push_back(int64_t(d));
  if (ones.empty()) throw Rejected{"no dimension is 1"};
  s.add("Squeeze", {x, s.ints(ones)});
}

void concat(Sketch& s) {
  const std::string x = any(s, 1);
  const int64_t axis = draw_axis(s, s.rank(x));
  const size_t at = from_front(axis, s.rank(x));
  std::vector<std::string> inputs = {x};
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    if (s.draw.one_in(4)) {
      Dims dims = s.shape(x);
      dims[at] = s.draw.between(1, 4);
      if (is_static(dims)) {
        inputs.push_back(s.weights(s.dtype(x), dims));
        continue;
      }
    }
    inputs.push_back(s.pick([&](const Value& v) {
      if (v.dtype != s.dtype(x)) return false;
      for (size_t b = 0; b < v.at.size(); ++b) {
        Dims p = v.at[b].dims(), q = s.value(x).at[b].dims();
        if (p.size() != q.size()) return false;
        p[at] = q[at] = 0;
        if (p != q) return false;
      }
      return true;
    }));
  }
  s.add("Concat", inputs, {attribute("axis", axis)});
}

void split(Sketch& s) {
  const std::string x = any(s, 1);
  const int64_t axis = draw_axis(s, s.rank(x));
  const int64_t n = fixed(s.shape(x), from_front(axis, s.rank(x)));
  const int64_t parts = s.draw.between(1, std::min<int64_t>(4, n));
  if (n % parts == 0 && s.draw.one_in(2)) {
    std::vector<onnx::Attribute> attributes = {attribute("axis", axis)};
    if (s.opset >= 18) attributes.push_back(attribute("num_outputs", parts));
    s.add_n("Split", {x}, attributes, size_t(parts));
    return;
  }
  Dims sizes(static_cast<size_t>(parts), 1);
  for (int64_t left = n - parts; left > 0; --left) ++sizes[size_t(s.draw.below(parts))];
  if (s.draw.one_in(12)) sizes.push_back(0);
  s.add_n("Split", {x, s.ints(sizes)}, {attribute("axis", axis)}, sizes.size());
}

void slice(Sketch& s) {
  const std::string x = any(s, 1);
  const Dims shape = s.shape(x);
  Dims starts, ends, axes, steps;
  for (int64_t a : draw_axes(s, int64_t(shape.size()))) {
    const int64_t n = std::max<int64_t>(shape[from_front(a, int64_t(shape.size()))], 1);
    int64_t step = s.draw.one_in(2) ? 1 : s.draw.between(-3, 3);
    if (step == 0) step = -1;
    int64_t first = s.draw.below(n), last = s.draw.between(first, n);
    if (s.draw.one_in(3)) last = INT64_MAX;
    if (step < 0) std::swap(first, last);
    if (step < 0 && s.draw.one_in(2)) last = s.draw.one_in(2) ? INT64_MIN : -n - 1;
    if (step < 0 && first == INT64_MAX && s.draw.one_in(2)) first = -1;
    if (last > 0 && last < n && s.draw.one_in(3)) last -= n;
    starts.push_back(first), ends.push_back(last), axes.push_back(a), steps.push_back(step);
  }
  std::vector<std::string> inputs = {x, s.ints(starts), s.ints(ends), s.ints(axes)};
  if (std::any_of(steps.begin(), steps.end(), [](int64_t v) { return v != 1; }) || s.draw.one_in(3))
    inputs.push_back(s.ints(steps));
  s.add("Slice", inputs);
}

void pad(Sketch& s) {
  const std::string x = s.pick_float(1, 5);
  const Dims shape = s.shape(x);
  static const std::vector<std::string> kModes = {"constant", "constant", "reflect", "edge", "wrap"};
  std::string mode = s.draw.pick(kModes);
  if (mode == "wrap" && s.opset < 19) mode = "edge";
  Dims pads(2 * shape.size(), 0);
  for (size_t i = 0; i < pads.size(); ++i) {
    const int64_t n = shape[i % shape.size()];
    if (!s.draw.one_in(2)) continue;
    pads[i] = mode == "constant" ? s.draw.between(s.draw.one_in(4) && n > 2 ? -1 : 0, 3)
                                 : s.draw.below(std::max<int64_t>(1, std::min<int64_t>(n, 4)));
  }
  std::vector<std::string> inputs = {x, s.ints(pads)};
  if (mode == "constant" && s.draw.one_in(2)) inputs.push_back(s.number(s.dtype(x), 0.5));
  s.add("Pad", inputs, {attribute("mode", mode)});
}

/// Padding in front of a convolution or a pooling.
void pad_and_window(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  Dims pads(8, 0);
  for (size_t i : {2, 3, 6, 7}) pads[i] = s.draw.below(3);
  std::vector<std::string> inputs = {x, s.ints(pads)};
  if (s.draw.one_in(2)) inputs.push_back(s.number(s.dtype(x), s.draw.one_in(3) ? 0.5 : 0));
  const std::string y = s.add("Pad", inputs);
  if (s.draw.one_in(2))
    add_conv(s, y, s.channels(), s.draw.pick(std::vector<int64_t>{1, 3}));
  else
    s.add(s.draw.one_in(2) ? "MaxPool" : "AveragePool", {y},
          {attribute("kernel_shape", Dims{2, 2}), attribute("strides", Dims{2, 2})});
}

void tile(Sketch& s) {
  const std::string x = any(s, 1);
  Dims repeats(static_cast<size_t>(s.rank(x)));
  for (int64_t& r : repeats) r = s.draw.one_in(2) ? 1 : s.draw.between(1, 3);
  s.add("Tile", {x, s.ints(repeats)});
}

void expand(Sketch& s) {
  const std::string x = any(s);
  Dims to = s.shape(x);
  for (int64_t& d : to) d = d < 0 || s.draw.one_in(3) ? 1 : d == 1 ? s.draw.between(1, 4) : d;
  if (s.draw.one_in(3)) to.insert(to.begin(), s.draw.between(1, 3));
  const std::string y = s.add("Expand", {x, s.ints(to)});
  if (s.draw.one_in(3)) s.add("Add", {y, s.pick_partner(y)});
}

void blocks(Sketch& s) {
  const std::string x = any(s, 4);
  if (s.draw.one_in(2)) {
    const bool columns = s.draw.one_in(2);
    s.add("DepthToSpace", {x},
          {attribute("blocksize", s.draw.between(1, 3)), attribute("mode", std::string(columns ? "CRD" : "DCR"))});
  } else {
    s.add("SpaceToDepth", {x}, {attribute("blocksize", s.draw.between(1, 3))});
  }
}

void resize(Sketch& s) {
  const std::string x = s.pick_float(3, 5);
  const Dims shape = s.shape(x);
  const size_t rank = shape.size();
  static const std::vector<std::string> kModes = {"nearest", "linear", "linear", "cubic"};
  static const std::vector<std::string> kCoordinates = {"half_pixel", "asymmetric", "align_corners",
                                                        "pytorch_half_pixel"};
  static const std::vector<std::string> kNearest = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  std::vector<onnx::Attribute> attributes = {attribute("mode", s.draw.pick(kModes)),
                                             attribute("coordinate_transformation_mode", s.draw.pick(kCoordinates)),
                                             attribute("nearest_mode", s.draw.pick(kNearest))};
  if (s.opset >= 18 && s.draw.one_in(4)) attributes.push_back(attribute("antialias", int64_t(1)));
  if (s.draw.one_in(6)) attributes.push_back(attribute("exclude_outside", int64_t(1)));
  if (s.draw.one_in(3) && is_static(shape)) {
    Dims sizes = shape;
    for (size_t d = 2; d < rank; ++d) sizes[d] = s.draw.between(1, 12);
    s.add("Resize", {x, "", "", s.ints(sizes)}, attributes);
    return;
  }
  Tensor scales(DType::kF32, {int64_t(rank)});
  const double common = s.draw.pick(std::vector<double>{2, 2, 0.5, 1.5, 3});
  for (size_t d = 0; d < rank; ++d)
    scales.set(int64_t(d), d < 2 ? 1 : s.draw.one_in(4) ? s.draw.pick(std::vector<double>{1, 2, 2.5, 0.6}) : common);
  s.add("Resize", {x, "", s.constant(scales)}, attributes);
}

void crop(Sketch& s) {
  if (s.opset < 18) throw Rejected{"later"};
  const std::string x = any(s, 1);
  const int64_t axis = draw_axis(s, s.rank(x));
  s.add("CenterCropPad", {x, s.ints({s.draw.between(1, 8)})}, {attribute("axes", Dims{axis})});
}

void trilu(Sketch& s) {
  if (s.opset < 14) throw Rejected{"later"};
  const std::string x = any(s, 2);
  std::vector<std::string> inputs = {x};
  if (s.draw.one_in(2)) inputs.push_back(s.constant(Tensor::scalar_i64(s.draw.between(-2, 3))));
  s.add("Trilu", inputs, {attribute("upper", s.draw.below(2))});
}

}  // namespace

std::span<const Operator> movement_operators() {
  static constexpr Operator kTable[] = {{"transpose", 8, transpose},
                                        {"reshape", 8, reshape},
                                        {"flatten", 2, flatten},
                                        {"squeeze_and_unsqueeze", 4, squeeze_and_unsqueeze},
                                        {"concat", 7, concat},
                                        {"split", 6, split},
                                        {"slice", 7, slice},
                                        {"pad", 4, pad},
                                        {"pad_and_window", 2, pad_and_window},
                                        {"tile", 2, tile},
                                        {"expand", 3, expand},
                                        {"blocks", 3, blocks},
                                        {"resize", 4, resize},
                                        {"crop", 1, crop},
                                        {"trilu", 2, trilu}};
  return kTable;
}

}  // namespace tenon::random_graphs
