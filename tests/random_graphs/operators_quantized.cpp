// Quantization: steps to 8 bits and back, and products of integers.
#include "operators.h"

namespace tenon::random_graphs {
namespace {

std::string zero_point(Sketch& s, DType type, Dims dims) {
  Tensor t(type, std::move(dims));
  const bool some = s.draw.one_in(2);
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, some ? s.draw.between(type == DType::kU8 ? 0 : -4, 6) : 0);
  return s.constant(std::move(t));
}

std::string scales(Sketch& s, Dims dims) {
  Tensor t(DType::kF32, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, 0.01 + 0.05 * s.draw.unit());
  return s.constant(std::move(t));
}

std::string pick_f32(Sketch& s, int64_t least_rank = 0) {
  return s.pick([&](const Value& v) { return v.dtype == DType::kF32 && int64_t(v.at[0].dims().size()) >= least_rank; });
}

/// Rounded to 8 bits and back.
std::string quantized(Sketch& s, const std::string& x, bool by_axis) {
  Dims dims;
  int64_t axis = 0;
  if (by_axis) {
    axis = draw_axis(s, s.rank(x));
    dims = {fixed(s.shape(x), from_front(axis, s.rank(x)))};
  }
  const DType type = s.draw.one_in(2) ? DType::kI8 : DType::kU8;
  const std::string step = scales(s, dims), zero = zero_point(s, type, dims);
  std::vector<onnx::Attribute> attributes;
  if (by_axis) attributes.push_back(attribute("axis", axis));
  return s.add("DequantizeLinear", {s.add("QuantizeLinear", {x, step, zero}, attributes), step, zero}, attributes);
}

void quantize(Sketch& s) { quantized(s, pick_f32(s), false); }
void quantize_by_axis(Sketch& s) { quantized(s, pick_f32(s, 1), true); }

/// Weights in 8 bits with a step for each output channel.
std::string weights_in_8_bits(Sketch& s, Dims dims, int64_t axis) {
  const int64_t n = dims[size_t(axis)];
  Tensor t(DType::kI8, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, s.draw.between(-127, 127));
  Tensor step(DType::kF32, {n});
  for (int64_t i = 0; i < n; ++i) step.set(i, 0.001 + 0.004 * s.draw.unit());
  return s.add("DequantizeLinear", {s.constant(t), s.constant(step), s.constant(Tensor(DType::kI8, {n}))},
               {attribute("axis", axis)});
}

void quantized_product(Sketch& s) {
  const std::string x = pick_f32(s, 2);
  const int64_t k = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  const std::string y = s.draw.one_in(3) ? x : quantized(s, x, false);
  const std::string z = s.add("MatMul", {y, weights_in_8_bits(s, {k, s.channels()}, 1)});
  if (s.draw.one_in(2)) add_activation(s, z);
}

void quantized_conv(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kF32 && v.at[0].dims().size() == 4; });
  const int64_t c = fixed(s.shape(x), 1), out = s.channels();
  const std::string y = s.draw.one_in(3) ? x : quantized(s, x, false);
  std::vector<std::string> inputs = {y, weights_in_8_bits(s, {out, c, 3, 3}, 0)};
  if (s.draw.one_in(2)) inputs.push_back(s.weights(DType::kF32, {out}, 0.3));
  const std::string z = s.add("Conv", inputs, {attribute("pads", Dims{1, 1, 1, 1})});
  if (s.draw.one_in(2)) quantized(s, s.add("Relu", {z}), false);
}

void integer_product(Sketch& s) {
  const std::string x = pick_f32(s, 2);
  const int64_t k = fixed(s.shape(x), size_t(s.rank(x)) - 1), n = s.channels();
  const std::string step = scales(s, {}), zero = zero_point(s, DType::kU8, {});
  const std::string a = s.add("QuantizeLinear", {x, step, zero});
  Tensor w(DType::kI8, {k, n});
  for (int64_t i = 0; i < w.count(); ++i) w.set_int(i, s.draw.between(-20, 20));
  const std::string b = s.constant(w), b_zero = zero_point(s, DType::kI8, {});
  if (s.draw.one_in(2)) {
    const std::string y = s.add("MatMulInteger", {a, b, zero, b_zero});
    s.add("Mul", {s.add("Cast", {y}, {attribute("to", int64_t(1))}), s.number(DType::kF32, 0.003)});
    return;
  }
  const std::string out_zero = zero_point(s, DType::kU8, {}), out_step = scales(s, {});
  const std::string y = s.add("QLinearMatMul", {a, step, zero, b, scales(s, {}), b_zero, out_step, out_zero});
  s.add("DequantizeLinear", {y, out_step, out_zero});
}

void integer_conv(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kF32 && v.at[0].dims().size() == 4; });
  const int64_t c = fixed(s.shape(x), 1), out = s.draw.between(1, 6);
  const std::string step = scales(s, {}), zero = zero_point(s, DType::kU8, {});
  const std::string a = s.add("QuantizeLinear", {x, step, zero});
  Tensor w(DType::kI8, {out, c, 3, 3});
  for (int64_t i = 0; i < w.count(); ++i) w.set_int(i, s.draw.between(-20, 20));
  const auto pads = attribute("pads", Dims{1, 1, 1, 1});
  if (s.draw.one_in(2)) {
    s.add("ConvInteger", {a, s.constant(w), zero, zero_point(s, DType::kI8, {})}, {pads});
    return;
  }
  const std::string w_step = scales(s, {out}), out_step = scales(s, {}), out_zero = zero_point(s, DType::kU8, {});
  const std::string w_zero = s.constant(Tensor(DType::kI8, {out}));
  s.add("QLinearConv", {a, step, zero, s.constant(w), w_step, w_zero, out_step, out_zero}, {pads});
}

void dynamic_quantize(Sketch& s) {
  const auto y = s.add_n("DynamicQuantizeLinear", {pick_f32(s)}, {}, 3);
  s.add("DequantizeLinear", {y[0], y[1], y[2]});
}

}  // namespace

std::span<const Operator> quantized_operators() {
  static constexpr Operator kTable[] = {{"quantize", 3, quantize},
                                        {"quantize_by_axis", 2, quantize_by_axis},
                                        {"quantized_product", 2, quantized_product},
                                        {"quantized_conv", 2, quantized_conv},
                                        {"integer_product", 2, integer_product},
                                        {"integer_conv", 1, integer_conv},
                                        {"dynamic_quantize", 1, dynamic_quantize}};
  return kTable;
}

}  // namespace tenon::random_graphs
