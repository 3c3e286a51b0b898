// Operators that few networks have.
#include "operators.h"

namespace tenon::random_graphs {
namespace {

const std::string kContrib = "com.microsoft";

std::string any_integers(Sketch& s) {
  return s.pick([](const Value& v) { return v.dtype == DType::kI32 || v.dtype == DType::kI64; });
}

void determinant(Sketch& s) {
  const std::string x = s.pick_float(1, 4);
  const int64_t n = s.draw.between(1, 4);
  const std::string y = s.add("Reshape", {add_linear(s, x, n * n), s.ints({-1, n, n})});
  s.add("Det", {y});
}

void eye_like(Sketch& s) {
  const std::string x = s.pick_float(2, 2);
  s.add("Mul", {x, s.add("EyeLike", {x}, {attribute("k", s.draw.between(-1, 2))})});
}

void rotary_embedding(Sketch& s) {
  if (s.opset < 23) throw Rejected{"later"};
  const std::string x = s.pick_float(3, 3);
  const Dims shape = s.shape(x);
  const int64_t steps = fixed(shape, 1), heads = s.draw.between(1, 3), d = 2 * s.draw.between(1, 4);
  const std::string y = add_linear(s, x, heads * d);
  const int64_t n = fixed(shape, 0);
  const DType t = s.dtype(x);
  s.add("RotaryEmbedding", {y, s.weights(t, {n, steps, d / 2}), s.weights(t, {n, steps, d / 2})},
        {attribute("num_heads", heads), attribute("interleaved", s.draw.below(2))});
}

void deformable_conv(Sketch& s) {
  if (s.opset < 19) throw Rejected{"later"};
  const std::string x = s.pick_float(4, 4);
  const int64_t c = fixed(s.shape(x), 1), out = s.draw.between(1, 6);
  const std::string offsets = s.add("Mul", {add_conv(s, x, 18, 3), s.number(s.dtype(x), 0.3)});
  std::vector<std::string> inputs = {x, s.weights(s.dtype(x), {out, c, 3, 3}, 0.2), offsets};
  if (s.draw.one_in(2)) {
    inputs.push_back(s.weights(s.dtype(x), {out}));
    if (s.draw.one_in(2)) inputs.push_back(s.add("Sigmoid", {add_conv(s, x, 9, 3)}));
  }
  s.add("DeformConv", inputs, {attribute("pads", Dims{1, 1, 1, 1}), attribute("kernel_shape", Dims{3, 3})});
}

void columns_to_image(Sketch& s) {
  if (s.opset < 18) throw Rejected{"later"};
  const std::string x = s.pick_float(3, 3);
  const Dims shape = s.shape(x);
  const int64_t h = draw_divisor(s, fixed(shape, 2)), w = shape[2] / h, side = s.draw.between(1, 3);
  const std::string y = s.add(
      "Transpose",
      {add_linear(s, s.add("Transpose", {x}, {attribute("perm", Dims{0, 2, 1})}), side * side * s.draw.between(1, 3))},
      {attribute("perm", Dims{0, 2, 1})});
  s.add("Col2Im", {y, s.ints({h + side - 1, w + side - 1}), s.ints({side, side})});
}

void unpool(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const Dims shape = s.shape(x);
  const auto window = [] {
    return std::vector{attribute("kernel_shape", Dims{2, 2}), attribute("strides", Dims{2, 2})};
  };
  if (fixed(shape, 2) % 2 != 0 || fixed(shape, 3) % 2 != 0) throw Rejected{"the size is odd"};
  const auto y = s.add_n("MaxPool", {x}, window(), 2);
  s.add("MaxUnpool", {s.draw.one_in(2) ? y[0] : s.add("Tanh", {y[0]}), y[1]}, window());
}

void loss(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1);
  Dims labels = shape;
  labels.erase(labels.begin() + 1);
  if (!is_static(labels)) throw Rejected{"labels of open dims"};
  Tensor t(DType::kI64, labels);
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, s.draw.below(c));
  static const std::vector<std::string> kReductions = {"none", "mean", "sum"};
  const auto reduction = attribute("reduction", s.draw.pick(kReductions));
  if (s.draw.one_in(2))
    s.add("SoftmaxCrossEntropyLoss", {x, s.constant(t)}, {reduction});
  else
    s.add("NegativeLogLikelihoodLoss", {s.add("LogSoftmax", {x}, {attribute("axis", int64_t(1))}), s.constant(t)},
          {reduction});
}

void affine_grid(Sketch& s) {
  if (s.opset < 20) throw Rejected{"later"};
  const std::string x = s.pick_float(4, 4);
  const int64_t n = fixed(s.shape(x), 0), c = fixed(s.shape(x), 1);
  const auto corners = attribute("align_corners", s.draw.below(2));
  const std::string theta = s.weights(s.dtype(x), {n, 2, 3}, 0.3);
  const std::string grid =
      s.add("AffineGrid", {theta, s.ints({n, c, s.draw.between(2, 5), s.draw.between(2, 5)})}, {corners});
  s.add("GridSample", {x, grid}, {attribute("padding_mode", std::string("border")), corners});
}

void fourier(Sketch& s) {
  if (s.opset < 17) throw Rejected{"later"};
  const std::string x = s.pick_float(2, 4);
  const Dims shape = s.shape(x);
  const std::string real = s.add("Unsqueeze", {x, s.ints({-1})});
  const int64_t axis = int64_t(shape.size()) - 1;
  const auto one_sided = attribute("onesided", s.draw.below(2));
  if (s.opset >= 20)
    s.add("DFT", {real, "", s.constant(Tensor::scalar_i64(axis))}, {one_sided});
  else
    s.add("DFT", {real}, {attribute("axis", axis), one_sided});
}

void window(Sketch& s) {
  if (s.opset < 17) throw Rejected{"later"};
  const std::string x = s.pick_float(1);
  const int64_t n = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  static const std::vector<const char*> kOps = {"HannWindow", "HammingWindow", "BlackmanWindow"};
  const std::string w =
      s.add(s.draw.pick(kOps), {s.constant(Tensor::scalar_i64(n))}, {attribute("periodic", s.draw.below(2))});
  if (s.dtype(x) == DType::kF32) s.add("Mul", {x, w});
}

/// The distinct integers of a value, which are few.
void unique(Sketch& s) {
  const std::string x = any_integers(s);
  s.add_n("Unique", {x}, {attribute("sorted", int64_t(1))}, size_t(s.draw.between(1, 4)));
}

void suppression(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  if (s.dtype(x) != DType::kF32) throw Rejected{"of f32 only"};
  const std::string flat = s.add("Reshape", {s.add("Sigmoid", {x}), s.ints({1, 1, -1})});
  const int64_t n = fixed(s.shape(flat), 2);
  if (n > 200) throw Rejected{"too many boxes"};
  Tensor boxes(DType::kF32, {1, n, 4});
  for (int64_t i = 0; i < n; ++i) {
    const double y = s.draw.unit() * 4, z = s.draw.unit() * 4;
    boxes.set(4 * i, y), boxes.set(4 * i + 1, z), boxes.set(4 * i + 2, y + 0.5 + s.draw.unit());
    boxes.set(4 * i + 3, z + 0.5 + s.draw.unit());
  }
  const std::string found = s.add("NonMaxSuppression", {s.constant(boxes), flat, s.constant(Tensor::scalar_i64(5)),
                                                        s.number(DType::kF32, 0.4), s.number(DType::kF32, 0.3)});
  const std::string box = s.add("Gather", {found, s.constant(Tensor::scalar_i64(2))}, {attribute("axis", int64_t(1))});
  s.add("Gather", {s.constant(boxes), box}, {attribute("axis", int64_t(1))});
}

void contributed(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const DType t = s.dtype(x);
  const int64_t k = fixed(s.shape(x), size_t(s.rank(x)) - 1), n = s.channels();
  switch (s.draw.below(6)) {
    case 0:
      s.add("FusedMatMul", {x, s.weights(t, {n, k}, 0.3)}, {attribute("transB", int64_t(1)), attribute("alpha", 0.6)},
            kContrib);
      return;
    case 1:
      s.add("BiasGelu", {x, s.weights(t, {k})}, {}, kContrib);
      return;
    case 2:
      s.add("FastGelu", {x}, {}, kContrib);
      return;
    case 3:
      s.add("QuickGelu", {x}, {attribute("alpha", 1.702)}, kContrib);
      return;
    case 4:
      s.add("SkipLayerNormalization", {x, s.add("Tanh", {x}), s.weights(t, {k}, 0.2, 1), s.weights(t, {k}, 0.2)},
            {attribute("epsilon", 1e-2)}, kContrib);
      return;
    default:
      s.add("SkipSimplifiedLayerNormalization", {x, s.add("Tanh", {x}), s.weights(t, {k}, 0.2, 1)},
            {attribute("epsilon", 1e-2)}, kContrib);
  }
}

}  // namespace

std::span<const Operator> rare_operators() {
  static constexpr Operator kTable[] = {{"determinant", 1, determinant},
                                        {"eye_like", 1, eye_like},
                                        {"rotary_embedding", 1, rotary_embedding},
                                        {"deformable_conv", 1, deformable_conv},
                                        {"columns_to_image", 1, columns_to_image},
                                        {"unpool", 1, unpool},
                                        {"loss", 1, loss},
                                        {"affine_grid", 1, affine_grid},
                                        {"fourier", 1, fourier},
                                        {"window", 1, window},
                                        {"unique", 1, unique},
                                        {"suppression", 1, suppression},
                                        {"contributed", 2, contributed}};
  return kTable;
}

}  // namespace tenon::random_graphs
