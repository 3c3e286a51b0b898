// Convolutions, pooling, products, normalizations, recurrences.
#include "operators.h"

#include <cmath>

namespace tenon::random_graphs {
namespace {

/// Strides, dilations and padding of a window over `space` axes.
std::vector<onnx::Attribute> draw_window(Sketch& s, const Dims& kernel, bool dilates, bool transposed = false) {
  const size_t space = kernel.size();
  std::vector<onnx::Attribute> attributes;
  if (s.draw.one_in(2)) {
    Dims strides(space);
    for (int64_t& v : strides) v = s.draw.between(1, 3);
    attributes.push_back(attribute("strides", strides));
  }
  if (dilates && s.draw.one_in(4)) {
    Dims dilations(space);
    for (int64_t& v : dilations) v = s.draw.between(1, 3);
    attributes.push_back(attribute("dilations", dilations));
  }
  if (s.draw.one_in(5) && !transposed) {
    static const std::vector<std::string> kModes = {"SAME_UPPER", "SAME_LOWER", "VALID"};
    attributes.push_back(attribute("auto_pad", s.draw.pick(kModes)));
  } else if (!s.draw.one_in(3)) {
    Dims pads(2 * space);
    const bool even = s.draw.one_in(2);
    for (size_t i = 0; i < space; ++i) {
      pads[i] = even ? (kernel[i] - 1) / 2 : s.draw.below(kernel[i]);
      pads[i + space] = even ? pads[i] : s.draw.below(kernel[i]);
    }
    attributes.push_back(attribute("pads", pads));
  }
  return attributes;
}

Dims draw_kernel(Sketch& s, size_t space) {
  Dims kernel(space);
  const int64_t side = s.draw.pick(std::vector<int64_t>{1, 1, 2, 3, 3, 3, 5, 7});
  for (int64_t& k : kernel) k = s.draw.one_in(4) ? s.draw.between(1, 4) : side;
  return kernel;
}

void conv(Sketch& s) {
  const std::string x = s.pick_float(3, 5);
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1);
  const int64_t group = s.draw.one_in(3) ? (s.draw.one_in(2) ? c : draw_divisor(s, c)) : 1;
  const int64_t out = group > 1 ? group * s.draw.between(1, 3) : s.channels();
  Dims w = {out, c / group};
  const Dims kernel = draw_kernel(s, shape.size() - 2);
  double taps = double(c / group);
  for (int64_t k : kernel) w.push_back(k), taps *= double(k);
  auto attributes = draw_window(s, kernel, true);
  if (group != 1 || s.draw.one_in(4)) attributes.push_back(attribute("group", group));
  if (s.draw.one_in(2)) attributes.push_back(attribute("kernel_shape", kernel));
  std::vector<std::string> inputs = {x, s.weights(s.dtype(x), w, 1 / std::sqrt(taps))};
  if (s.draw.one_in(2)) inputs.push_back(s.weights(s.dtype(x), {out}, 0.5));
  std::string y = s.add("Conv", inputs, attributes);
  if (s.draw.one_in(2)) y = add_activation(s, y);
  if (s.draw.one_in(6)) add_conv(s, y, s.channels(), 1);
}

void conv_transpose(Sketch& s) {
  const std::string x = s.pick_float(3, 5);
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1), group = s.draw.one_in(4) ? draw_divisor(s, c) : 1, out = s.draw.between(1, 6);
  Dims w = {c, out};
  const Dims kernel = draw_kernel(s, shape.size() - 2);
  for (int64_t k : kernel) w.push_back(k);
  Dims strides(kernel.size()), extra(kernel.size());
  for (size_t i = 0; i < strides.size(); ++i) {
    strides[i] = s.draw.between(1, 3);
    extra[i] = s.draw.below(strides[i]);
  }
  auto attributes = draw_window(s, kernel, true, true);
  std::erase_if(attributes, [](const auto& a) { return a.name == "strides"; });
  attributes.push_back(attribute("strides", strides));
  attributes.push_back(attribute("group", group));
  if (s.draw.one_in(3)) attributes.push_back(attribute("output_padding", extra));
  if (s.draw.one_in(6)) {
    static const std::vector<std::string> kModes = {"SAME_UPPER", "SAME_LOWER"};
    std::erase_if(attributes, [](const auto& a) { return a.name == "pads" || a.name == "output_padding"; });
    attributes.push_back(attribute("auto_pad", s.draw.pick(kModes)));
  }
  std::vector<std::string> inputs = {x, s.weights(s.dtype(x), w, 0.4)};
  if (s.draw.one_in(2)) inputs.push_back(s.weights(s.dtype(x), {out * group}, 0.5));
  const std::string y = s.add("ConvTranspose", inputs, attributes);
  if (s.draw.one_in(3)) add_activation(s, y);
}

void pool(Sketch& s) {
  const std::string x = s.pick_float(3, 5);
  const Dims kernel = draw_kernel(s, size_t(s.rank(x)) - 2);
  const int64_t kind = s.draw.below(5);
  const bool dilates = kind < 2 || (kind < 4 && s.opset >= 19);
  auto attributes = draw_window(s, kernel, dilates);
  attributes.push_back(attribute("kernel_shape", kernel));
  if (s.draw.one_in(3)) attributes.push_back(attribute("ceil_mode", int64_t(1)));
  if (kind < 2) {
    const bool indices = s.draw.one_in(6);
    s.add_n("MaxPool", {x}, attributes, indices ? 2 : 1);
  } else if (kind < 4) {
    if (s.draw.one_in(2)) attributes.push_back(attribute("count_include_pad", int64_t(1)));
    s.add("AveragePool", {x}, attributes);
  } else {
    std::erase_if(attributes, [](const auto& a) { return a.name == "ceil_mode"; });
    attributes.push_back(attribute("p", s.draw.between(1, 3)));
    s.add("LpPool", {x}, attributes);
  }
}

void global_pool(Sketch& s) {
  static const std::vector<const char*> kOps = {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"};
  s.add(s.draw.pick(kOps), {s.pick_float(3, 5)});
}

void matmul(Sketch& s) {
  const std::string x = s.pick_float(1, 4);
  const Dims shape = s.shape(x);
  const DType type = s.dtype(x);
  const int64_t k = fixed(shape, shape.size() - 1), n = s.channels();
  Dims w = {k, n};
  if (s.draw.one_in(6)) w = {k};
  if (s.draw.one_in(5) && shape.size() > 2 && shape[shape.size() - 3] > 0) w.insert(w.begin(), shape[shape.size() - 3]);
  std::string y = s.add("MatMul", {x, s.weights(type, w, 1 / std::sqrt(double(k)))});
  if (s.draw.one_in(2) && w.size() > 1) y = s.add("Add", {y, s.weights(type, {n}, 0.3)});
  if (s.draw.one_in(2)) add_activation(s, y);
}

/// Products of two computed values, one of them moved first.
void matmul_of_values(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const int64_t rank = s.rank(x);
  Dims swap(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) swap[size_t(i)] = i;
  std::swap(swap[size_t(rank - 1)], swap[size_t(rank - 2)]);
  const std::string other = s.pick_float(2, 4);
  if (s.draw.one_in(2)) {
    s.add("MatMul", {x, other});
    return;
  }
  const std::string t = s.add("Transpose", {x}, {attribute("perm", swap)});
  const std::string scaled = s.add("Mul", {s.draw.one_in(2) ? x : s.add("Tanh", {x}), s.number(s.dtype(x), 0.2)});
  s.draw.one_in(2) ? s.add("MatMul", {scaled, t}) : s.add("MatMul", {t, scaled});
}

void gemm(Sketch& s) {
  const std::string x = s.pick_float(2, 2);
  const Dims shape = s.shape(x);
  const bool ta = s.draw.one_in(4), tb = s.draw.one_in(2);
  const int64_t k = fixed(shape, ta ? 0 : 1), n = s.channels();
  std::vector<onnx::Attribute> attributes;
  if (ta) attributes.push_back(attribute("transA", int64_t(1)));
  if (tb) attributes.push_back(attribute("transB", int64_t(1)));
  if (s.draw.one_in(3)) attributes.push_back(attribute("alpha", 0.7));
  if (s.draw.one_in(3)) attributes.push_back(attribute("beta", 1.6));
  std::vector<std::string> inputs = {x, s.weights(s.dtype(x), tb ? Dims{n, k} : Dims{k, n}, 1 / std::sqrt(double(k)))};
  if (!s.draw.one_in(3)) {
    const Dims c = s.draw.pick(std::vector<Dims>{{n}, {1, n}, {}, {1}, {1, 1}});
    inputs.push_back(s.weights(s.dtype(x), c, 0.4));
  }
  const std::string y = s.add("Gemm", inputs, attributes);
  if (s.draw.one_in(2)) add_activation(s, y);
}

void einsum(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const Dims shape = s.shape(x);
  const std::string letters = std::string("abcd").substr(0, shape.size());
  const char last = letters.back();
  const auto equation = [](std::string text) { return attribute("equation", std::move(text)); };
  const double scale = 1 / std::sqrt(double(fixed(shape, shape.size() - 1)));
  const std::string w = s.weights(s.dtype(x), {shape.back(), s.draw.between(1, 6)}, scale);
  switch (s.draw.below(5)) {
    case 0:
      s.add("Einsum", {x, w}, {equation(letters + "," + last + "z->" + letters.substr(0, letters.size() - 1) + "z")});
      return;
    case 1:
      s.add("Einsum", {x, w}, {equation(letters + "," + last + "z->z" + letters.substr(0, letters.size() - 1))});
      return;
    case 2:
      s.add("Einsum", {x}, {equation(letters + "->" + std::string(letters.rbegin(), letters.rend()))});
      return;
    case 3:
      s.add("Einsum", {x}, {equation("..." + std::string(1, last) + "->...")});
      return;
    default:
      s.add("Einsum", {x, s.add("Tanh", {x})}, {equation(letters + "," + letters + "->" + letters.substr(0, 1))});
  }
}

void batch_norm(Sketch& s) {
  const std::string x = s.pick_float(2, 5);
  const int64_t c = fixed(s.shape(x), 1);
  const DType t = s.dtype(x);
  Tensor variance(t, {c});
  for (int64_t i = 0; i < c; ++i) variance.set(i, 0.3 + s.draw.unit());
  s.add("BatchNormalization",
        {x, s.weights(t, {c}, 0.3, 1), s.weights(t, {c}, 0.3), s.weights(t, {c}, 0.3), s.constant(variance)},
        {attribute("epsilon", s.draw.one_in(2) ? 1e-5 : 1e-2)});
}

void normalization(Sketch& s) {
  const std::string x = s.pick_float(1, 5);
  const Dims shape = s.shape(x);
  const DType t = s.dtype(x);
  const int64_t rank = int64_t(shape.size());
  const auto epsilon = attribute("epsilon", 1e-2);
  switch (s.draw.below(7)) {
    case 0: {
      const int64_t c = fixed(shape, 1);
      s.add("InstanceNormalization", {x, s.weights(t, {c}, 0.3, 1), s.weights(t, {c}, 0.3)}, {epsilon});
      return;
    }
    case 1:
    case 2: {
      const int64_t axis = draw_axis(s, rank);
      Dims w;
      for (size_t d = from_front(axis, rank); d < shape.size(); ++d) w.push_back(fixed(shape, d));
      std::vector<std::string> inputs = {x, s.weights(t, w, 0.3, 1)};
      if (s.draw.one_in(2)) inputs.push_back(s.weights(t, w, 0.3));
      const bool rms = s.opset >= 23 && s.draw.one_in(3);
      if (rms && inputs.size() > 2) inputs.pop_back();
      s.add(rms ? "RMSNormalization" : "LayerNormalization", inputs, {attribute("axis", axis), epsilon});
      return;
    }
    case 3: {
      if (s.opset < 18) throw Rejected{"later"};
      const int64_t c = fixed(shape, 1), groups = draw_divisor(s, c), n = s.opset >= 21 ? c : groups;
      s.add("GroupNormalization", {x, s.weights(t, {n}, 0.3, 1), s.weights(t, {n}, 0.3)},
            {attribute("num_groups", groups), epsilon});
      return;
    }
    case 4:
      s.add("LRN", {x}, {attribute("size", s.draw.between(1, 5)), attribute("alpha", 0.2), attribute("bias", 1.5)});
      return;
    case 5:
      s.add("LpNormalization", {x}, {attribute("axis", draw_axis(s, rank)), attribute("p", s.draw.between(1, 2))});
      return;
    default:
      s.add("MeanVarianceNormalization", {x}, {attribute("axes", draw_axes(s, rank))});
  }
}

void recurrent(Sketch& s) {
  const std::string x = s.pick_float(3, 3);
  const DType t = s.dtype(x);
  const Dims shape = s.shape(x);
  const int64_t features = fixed(shape, 2), hidden = s.draw.between(1, 9);
  static const std::vector<std::string> kWays = {"forward", "reverse", "bidirectional"};
  const std::string way = s.draw.pick(kWays);
  const int64_t directions = way == "bidirectional" ? 2 : 1;
  const std::string op = s.draw.pick(std::vector<std::string>{"LSTM", "GRU", "RNN"});
  const int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  std::vector<std::string> inputs = {x, s.weights(t, {directions, gates * hidden, features}, 0.4),
                                     s.weights(t, {directions, gates * hidden, hidden}, 0.4)};
  inputs.push_back(s.draw.one_in(2) ? "" : s.weights(t, {directions, 2 * gates * hidden}, 0.3));
  inputs.push_back("");
  if (s.draw.one_in(3) && shape[1] > 0) inputs.push_back(s.weights(t, {directions, shape[1], hidden}, 0.5));
  std::vector<onnx::Attribute> attributes = {attribute("hidden_size", hidden), attribute("direction", way)};
  if (op == "GRU" && s.draw.one_in(2)) attributes.push_back(attribute("linear_before_reset", int64_t(1)));
  if (op != "RNN" || s.draw.one_in(2)) {
    if (s.draw.one_in(4)) attributes.push_back(attribute("clip", 0.8));
  }
  const auto y = s.add_n(op, inputs, attributes, s.draw.one_in(3) ? (op == "LSTM" ? 3 : 2) : 1);
  if (directions == 1 && s.draw.one_in(2)) s.add("Squeeze", {y[0], s.ints({1})});
}

void attention_operator(Sketch& s) {
  if (s.opset < 23) throw Rejected{"later"};
  const std::string x = s.pick_float(3, 3);
  const int64_t heads = s.draw.between(1, 3), d = s.draw.between(1, 8), fewer = s.draw.one_in(3) ? 1 : heads;
  const std::string q = add_linear(s, x, heads * d), k = add_linear(s, x, fewer * d), v = add_linear(s, x, fewer * d);
  std::vector<onnx::Attribute> attributes = {attribute("q_num_heads", heads), attribute("kv_num_heads", fewer)};
  if (s.draw.one_in(2)) attributes.push_back(attribute("is_causal", int64_t(1)));
  if (s.draw.one_in(3)) attributes.push_back(attribute("scale", 0.3));
  if (s.draw.one_in(4)) attributes.push_back(attribute("softcap", 2.0));
  s.add("Attention", {q, k, v}, attributes);
}

void grid_sample(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const Dims shape = s.shape(x);
  const int64_t n = fixed(shape, 0);
  if (s.opset < 17) throw Rejected{"later"};
  static const std::vector<std::string> kPads = {"zeros", "border", "reflection"};
  const std::string mode =
      s.opset >= 20 ? (s.draw.one_in(2) ? "linear" : "cubic") : (s.draw.one_in(2) ? "bilinear" : "bicubic");
  s.add("GridSample", {x, s.weights(s.dtype(x), {n, s.draw.between(1, 5), s.draw.between(1, 5), 2}, 0.6)},
        {attribute("mode", mode), attribute("padding_mode", s.draw.pick(kPads)),
         attribute("align_corners", s.draw.below(2))});
}

void roi_align(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const int64_t n = s.draw.between(1, 3);
  Tensor boxes(s.dtype(x), {n, 4});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < 4; ++k) boxes.set(i * 4 + k, s.draw.unit() * 2 + (k < 2 ? 0 : 2.5));
  s.add(
      "RoiAlign", {x, s.constant(boxes), s.constant(Tensor(DType::kI64, {n}))},
      {attribute("output_height", s.draw.between(1, 3)), attribute("output_width", s.draw.between(1, 3)),
       attribute("sampling_ratio", s.draw.below(3)), attribute("mode", std::string(s.draw.one_in(3) ? "max" : "avg"))});
}

}  // namespace

std::string add_conv(Sketch& s, const std::string& x, int64_t out, int64_t kernel, int64_t group, int64_t stride,
                     bool bias) {
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1);
  const size_t space = shape.size() - 2;
  Dims w = {out, c / group};
  for (size_t i = 0; i < space; ++i) w.push_back(kernel);
  std::vector<std::string> inputs = {
      x, s.weights(s.dtype(x), w, 1 / std::sqrt(double(c / group) * std::pow(double(kernel), double(space))))};
  if (bias) inputs.push_back(s.weights(s.dtype(x), {out}, 0.3));
  return s.add("Conv", inputs,
               {attribute("pads", Dims(2 * space, kernel / 2)), attribute("strides", Dims(space, stride)),
                attribute("group", group)});
}

std::string add_linear(Sketch& s, const std::string& x, int64_t out, bool bias) {
  const Dims shape = s.shape(x);
  const int64_t k = fixed(shape, shape.size() - 1);
  const std::string y = s.add("MatMul", {x, s.weights(s.dtype(x), {k, out}, 1 / std::sqrt(double(k)))});
  if (!bias) return y;
  const std::string b = s.weights(s.dtype(x), {out}, 0.3);
  return s.draw.one_in(2) ? s.add("Add", {y, b}) : s.add("Add", {b, y});
}

std::span<const Operator> compute_operators() {
  static constexpr Operator kTable[] = {{"conv", 14, conv},
                                        {"conv_transpose", 4, conv_transpose},
                                        {"pool", 6, pool},
                                        {"global_pool", 2, global_pool},
                                        {"matmul", 8, matmul},
                                        {"matmul_of_values", 4, matmul_of_values},
                                        {"gemm", 5, gemm},
                                        {"einsum", 3, einsum},
                                        {"batch_norm", 4, batch_norm},
                                        {"normalization", 6, normalization},
                                        {"recurrent", 4, recurrent},
                                        {"attention_operator", 2, attention_operator},
                                        {"grid_sample", 1, grid_sample},
                                        {"roi_align", 1, roi_align}};
  return kTable;
}

}  // namespace tenon::random_graphs
