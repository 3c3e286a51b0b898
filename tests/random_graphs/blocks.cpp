// Whole layers of known architectures, varied: normalized convolutions, transformers, quantized residuals.
#include <algorithm>
#include <cmath>

#include "operators.h"

namespace tenon::random_graphs {
namespace {

std::string batch_norm(Sketch& s, const std::string& x) {
  const int64_t c = fixed(s.shape(x), 1);
  const DType t = s.dtype(x);
  Tensor variance(t, {c});
  for (int64_t i = 0; i < c; ++i) variance.set(i, 0.3 + s.draw.unit());
  return s.add("BatchNormalization",
               {x, s.weights(t, {c}, 0.3, 1), s.weights(t, {c}, 0.3), s.weights(t, {c}, 0.3), s.constant(variance)});
}

std::string layer_norm(Sketch& s, const std::string& x) {
  const int64_t n = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  const DType t = s.dtype(x);
  return s.add("LayerNormalization", {x, s.weights(t, {n}, 0.2, 1), s.weights(t, {n}, 0.2)},
               {attribute("epsilon", 1e-2)});
}

void maybe_show(Sketch& s, const std::string& x) {
  if (s.draw.one_in(10)) s.add("Tanh", {x});
}

/// Convolutions, normalized before or after, with sums of several kinds.
void conv_blocks(Sketch& s) {
  std::string x = s.pick_float(4, 4);
  const int64_t c = s.channels();
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    const bool first = s.draw.one_in(3);
    if (first) x = add_activation(s, batch_norm(s, x));
    maybe_show(s, x);
    const int64_t in = fixed(s.shape(x), 1);
    const int64_t group = s.draw.one_in(4) && in == c ? c : 1;
    std::string y = add_conv(s, x, c, s.draw.pick(std::vector<int64_t>{1, 3, 3, 5}), group, s.draw.one_in(4) ? 2 : 1,
                             s.draw.one_in(2));
    maybe_show(s, y);
    if (!first) y = batch_norm(s, y);
    if (s.draw.one_in(2)) y = add_activation(s, y);
    if (s.broadcasts(x, y) && s.shape(x) == s.shape(y))
      y = s.draw.one_in(2) ? s.add("Add", {x, y}) : s.add("Add", {y, x});
    if (s.draw.one_in(4)) y = s.add("Add", {y, s.weights(s.dtype(y), {1, c, 1, 1}, 0.5)});
    if (s.draw.one_in(4)) y = s.add("Relu", {y});
    x = y;
  }
}

/// Heads from one projection of all three operands, split in one way or another.
std::vector<std::string> packed_heads(Sketch& s, const std::string& x, int64_t heads, int64_t d) {
  const Dims shape = s.shape(x);
  const std::string y = add_linear(s, x, 3 * heads * d);
  if (s.draw.one_in(2)) {
    const int64_t steps = shape[1] < 0 ? -1 : shape[1];
    if (steps < 0 && shape[0] < 0) throw Rejected{"two open dims"};
    const std::string five = s.add("Reshape", {y, s.ints({shape[0] < 0 ? -1 : shape[0], steps, 3, heads, d})});
    const std::string moved = s.add("Transpose", {five}, {attribute("perm", Dims{2, 0, 3, 1, 4})});
    std::vector<std::string> parts;
    if (s.draw.one_in(2)) {
      for (int64_t i = 0; i < 3; ++i) parts.push_back(s.add("Gather", {moved, s.constant(Tensor::scalar_i64(i))}));
    } else {
      for (const std::string& p : s.add_n("Split", {moved, s.ints({1, 1, 1})}, {attribute("axis", int64_t(0))}, 3))
        parts.push_back(s.add("Squeeze", {p, s.ints({0})}));
    }
    return parts;
  }
  std::vector<std::string> parts;
  for (const std::string& p :
       s.add_n("Split", {y, s.ints({heads * d, heads * d, heads * d})}, {attribute("axis", int64_t(2))}, 3)) {
    const std::string four = s.add("Reshape", {p, s.ints({0, shape[1] < 0 ? -1 : shape[1], heads, d})});
    parts.push_back(s.add("Transpose", {four}, {attribute("perm", Dims{0, 2, 1, 3})}));
  }
  return parts;
}

/// A transformer's layer, normalized before or after.
void transformer(Sketch& s) {
  std::string x = s.pick_float(3, 3);
  const Dims shape = s.shape(x);
  const int64_t features = fixed(shape, 2), heads = s.draw.between(1, 3),
                d = s.draw.pick(std::vector<int64_t>{2, 4, 8, 16});
  const DType t = s.dtype(x);
  const bool before = s.draw.one_in(2);
  const auto qkv = packed_heads(s, before ? layer_norm(s, x) : x, heads, d);
  const std::string k = s.add("Transpose", {qkv[1]}, {attribute("perm", Dims{0, 1, 3, 2})});
  const double root = std::pow(double(d), -0.25);
  const bool both = s.draw.one_in(3);
  std::string scores =
      both ? s.add("MatMul", {s.add("Mul", {qkv[0], s.number(t, root)}), s.add("Mul", {k, s.number(t, root)})})
           : s.add("Mul", {s.add("MatMul", {qkv[0], k}), s.number(t, root * root)});
  if (s.draw.one_in(2) && shape[1] > 0) {
    Tensor mask(t, {shape[1], shape[1]});
    for (int64_t i = 0; i < shape[1]; ++i)
      for (int64_t j = i + 1; j < shape[1]; ++j) mask.set(i * shape[1] + j, -30);
    scores = s.add("Add", {scores, s.constant(mask)});
  }
  const std::string p = s.add("Softmax", {scores}, {attribute("axis", int64_t(-1))});
  maybe_show(s, p);
  std::string y = s.add("Transpose", {s.add("MatMul", {p, qkv[2]})}, {attribute("perm", Dims{0, 2, 1, 3})});
  y = s.add("Reshape", {y, s.ints({0, shape[1] < 0 ? -1 : shape[1], heads * d})});
  x = s.add("Add", {x, add_linear(s, y, features)});
  maybe_show(s, x);
  const std::string normal = layer_norm(s, x);
  if (!before) x = normal;
  std::string z = add_activation(s, add_linear(s, normal, 2 * features));
  if (s.draw.one_in(3)) z = s.add("Mul", {z, add_linear(s, normal, 2 * features, false)});
  x = s.add("Add", {add_linear(s, z, features), x});
  if (!before) layer_norm(s, x);
}

std::string quantized(Sketch& s, const std::string& x, double step) {
  const std::string scale = s.number(DType::kF32, step), zero = s.constant(Tensor(DType::kI8, {}));
  return s.add("DequantizeLinear", {s.add("QuantizeLinear", {x, scale, zero}), scale, zero});
}

std::string quantized_conv(Sketch& s, const std::string& x, int64_t out, int64_t kernel) {
  const int64_t c = fixed(s.shape(x), 1);
  Tensor w(DType::kI8, {out, c, kernel, kernel}), step(DType::kF32, {out});
  for (int64_t i = 0; i < w.count(); ++i) w.set_int(i, s.draw.between(-127, 127));
  for (int64_t i = 0; i < out; ++i) step.set(i, (0.5 + s.draw.unit()) / 127 / std::sqrt(double(c * kernel * kernel)));
  const std::string weights =
      s.add("DequantizeLinear", {s.constant(w), s.constant(step), s.constant(Tensor(DType::kI8, {out}))},
            {attribute("axis", int64_t(0))});
  return s.add("Conv", {x, weights, s.weights(DType::kF32, {out}, 0.2)}, {attribute("pads", Dims(4, kernel / 2))});
}

/// A residual block in 8 bits. Steps are coarse, so that few values lie near the middle between two.
void quantized_residual(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kF32 && v.at[0].dims().size() == 4; });
  const int64_t c = fixed(s.shape(x), 1);
  const double step = s.draw.one_in(2) ? 0.25 : 0.1;
  const std::string a = quantized(s, x, step);
  std::string y = s.add("Relu", {quantized_conv(s, a, s.channels(), s.draw.one_in(2) ? 3 : 1)});
  y = quantized_conv(s, quantized(s, y, step), c, 1);
  if (s.draw.one_in(2)) y = quantized(s, y, step);
  y = s.add("Add", {y, s.draw.one_in(2) ? a : x});
  if (s.draw.one_in(2)) y = s.add("Relu", {y});
  if (s.draw.one_in(2)) s.add("GlobalAveragePool", {quantized(s, y, step)});
}

/// Pooling of the whole image, a classifier, probabilities.
void head(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  std::string y =
      s.draw.one_in(2) ? s.add("GlobalAveragePool", {x}) : add_reduce(s, "ReduceMean", x, {2, 3}, s.draw.one_in(2));
  if (s.rank(y) == 4) y = s.draw.one_in(2) ? s.add("Flatten", {y}) : s.add("Squeeze", {y, s.ints({2, 3})});
  const int64_t k = fixed(s.shape(y), 1), n = s.channels();
  y = s.add("Gemm", {y, s.weights(s.dtype(y), {n, k}, 1 / std::sqrt(double(k))), s.weights(s.dtype(y), {n}, 0.2)},
            {attribute("transB", int64_t(1))});
  maybe_show(s, y);
  s.add("Softmax", {y}, {attribute("axis", int64_t(1))});
}

/// Patches of an image as rows, as vision transformers begin.
void patches(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1), side = s.draw.between(1, 4), out = s.channels();
  const double scale = 1 / std::sqrt(double(c * side * side));
  std::string y =
      s.add("Conv", {x, s.weights(s.dtype(x), {out, c, side, side}, scale), s.weights(s.dtype(x), {out}, 0.2)},
            {attribute("strides", Dims{side, side})});
  y = s.add("Reshape", {y, s.ints({0, out, -1})});
  y = s.add("Transpose", {y}, {attribute("perm", Dims{0, 2, 1})});
  const int64_t n = s.shape(y)[1];
  if (n > 0) y = s.add("Add", {y, s.weights(s.dtype(y), {1, n, out}, 0.3)});
  if (s.draw.one_in(2)) layer_norm(s, y);
}

/// A cell of a recurrent network, step by step.
void unrolled(Sketch& s) {
  const std::string x = s.pick_float(3, 3);
  const int64_t steps = fixed(s.shape(x), 1), hidden = s.draw.between(2, 9);
  const DType t = s.dtype(x);
  const std::string w = s.weights(t, {hidden, hidden}, 1 / std::sqrt(double(hidden)));
  std::string state;
  std::vector<std::string> all;
  for (int64_t i = 0; i < std::min<int64_t>(steps, 3); ++i) {
    const std::string row = s.add("Gather", {x, s.constant(Tensor::scalar_i64(i))}, {attribute("axis", int64_t(1))});
    std::string y = add_linear(s, row, hidden);
    if (!state.empty()) y = s.add("Add", {y, s.add("MatMul", {state, w})});
    state = s.add("Tanh", {y});
    all.push_back(s.add("Unsqueeze", {state, s.ints({1})}));
  }
  s.add("Concat", all, {attribute("axis", int64_t(1))});
}

}  // namespace

std::span<const Operator> blocks_of_layers() {
  static constexpr Operator kTable[] = {{"conv_blocks", 6, conv_blocks},
                                        {"transformer", 5, transformer},
                                        {"quantized_residual", 3, quantized_residual},
                                        {"head", 3, head},
                                        {"patches", 2, patches},
                                        {"unrolled", 2, unrolled}};
  return kTable;
}

}  // namespace tenon::random_graphs
