#include <doctest/doctest.h>

#include "ops/quant/quantize.h"
#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
using Ints = std::vector<int64_t>;

Tensor of(DType t, Dims dims, const std::vector<double>& v) { return tensor(t, std::move(dims), v); }

TEST_CASE("quantize: rounding, saturation, zero point") {
  const Tensor x = f32({6}, {0, 2, 3, 1000, -254, -1000}), scale = f32({}, {2});
  CHECK(run_onnx("QuantizeLinear", 10, {x, scale, of(DType::kU8, {}, {128})})[0].to_ints() ==
        Ints{128, 129, 130, 255, 1, 0});
  CHECK(run_onnx("QuantizeLinear", 13, {f32({4}, {1, 3, 5, -1}), scale, of(DType::kI8, {1}, {1})})[0].to_ints() ==
        Ints{1, 3, 3, 1});
  CHECK(run_onnx("QuantizeLinear", 21, {x, scale, of(DType::kI16, {}, {0})})[0].to_ints() ==
        Ints{0, 1, 2, 500, -127, -500});
  const Tensor i4 =
      run_onnx("QuantizeLinear", 21, {f32({3}, {5, -100, 100}), f32({}, {2})}, {{"output_dtype", DType::kI4}})[0];
  CHECK(i4.dtype() == DType::kI4);
  CHECK(i4.to_ints() == Ints{2, -8, 7});
  CHECK(run_onnx("QuantizeLinear", 10, {f32({1}, {std::nan("")}), scale})[0].to_ints() == Ints{0});
}

TEST_CASE("quantize: narrow floating-point types") {
  const Tensor x = f32({4}, {1, -2.1, 1e6, INFINITY}), scale = f32({}, {2});
  QuantizeAttrs a;
  a.to = DType::kF8E4M3FN;
  CHECK(close(run_op("QuantizeLinear", {x, scale}, a), {0.5, -1.0, 448, 448}));
  a.saturate = false;
  CHECK(close(run_op("QuantizeLinear", {x, scale}, a), {0.5, -1.0, std::nan(""), std::nan("")}));
  a.to = DType::kF8E5M2;
  CHECK(close(run_op("QuantizeLinear", {x, scale}, a), {0.5, -1.0, INFINITY, INFINITY}));
  a.to = DType::kF4E2M1;
  CHECK(close(run_op("QuantizeLinear", {f32({3}, {1, -2.1, 100}), scale}, a), {0.5, -1.0, 6}));
  // The double-precision oracle rounds to the target type too.
  ir::Graph g;
  g.add_input("x", DType::kF32, {Dim(1)});
  a.to = DType::kF8E4M3FN;
  const auto n = g.add_node("QuantizeLinear", {g.inputs[0], g.add_constant(f32({}, {1}))}, a);
  infer(g);
  g.outputs = {g.node(n).outputs[0]};
  CHECK(close(eval_graph(g, {f32({1}, {1.03})}, true)[0], {1.0}));
}

TEST_CASE("dequantize: per tensor, per axis, per block") {
  const Tensor x = of(DType::kI8, {2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(close(run_onnx("DequantizeLinear", 10, {x, f32({}, {0.5}), of(DType::kI8, {}, {1})})[0],
              {0, 0.5, 1, 1.5, 2, 2.5}));
  CHECK(close(run_onnx("DequantizeLinear", 13, {x, f32({3}, {1, 2, 3})})[0], {1, 4, 9, 4, 10, 18}));
  CHECK(close(run_onnx("DequantizeLinear", 13, {x, f32({2}, {1, 2}), of(DType::kI8, {2}, {0, 1})}, {{"axis", -2}})[0],
              {1, 2, 3, 6, 8, 10}));
  CHECK(close(run_onnx("DequantizeLinear", 21, {x, f32({2, 2}, {1, 2, 3, 4})}, {{"axis", 1}, {"block_size", 2}})[0],
              {1, 2, 6, 12, 15, 24}));
  CHECK(close(run_onnx("DequantizeLinear", 21, {x, f32({1, 3}, {1, 2, 3})}, {{"axis", 0}, {"block_size", 2}})[0],
              {1, 4, 9, 4, 10, 18}));
  CHECK(close(
      run_onnx("DequantizeLinear", 21, {of(DType::kU4, {3}, {1, 15, 7}), f32({2}, {1, 2}), of(DType::kU4, {2}, {1, 2})},
               {{"axis", 0}, {"block_size", 2}})[0],
      {0, 14, 10}));
  CHECK(close(run_onnx("DequantizeLinear", 10, {of(DType::kI32, {1}, {7}), f32({}, {2})})[0], {14}));
  const Tensor half = run_onnx("DequantizeLinear", 23, {x, f32({}, {1})}, {{"output_dtype", DType::kF16}})[0];
  CHECK(half.dtype() == DType::kF16);
  CHECK(
      run_op("DequantizeLinear", {Tensor(DType::kI8, {0, 2}), f32({2}, {1, 1})}, QuantizeAttrs{DType::kF32}).count() ==
      0);
}

TEST_CASE("quantize: shapes and bad input") {
  const Operand x = Typed(DType::kF32, "n, 4");
  CHECK(infer_op("QuantizeLinear", {x, Typed(DType::kF32, "4")}, QuantizeAttrs{}).shape() == "[n, 4]");
  CHECK(infer_error("QuantizeLinear", {x, Typed(DType::kF32, "3")}, QuantizeAttrs{}).find("scale [3]") !=
        std::string::npos);
  CHECK(infer_error("QuantizeLinear", {x, Typed(DType::kF32, "1, 3")}, QuantizeAttrs{DType::kU8, 1, 2})
            .find("blocks of 2") != std::string::npos);
  CHECK(infer_error("QuantizeLinear", {x, Typed(DType::kF32, "")}, QuantizeAttrs{DType::kF32}).find("f32") !=
        std::string::npos);
  CHECK(infer_error("QuantizeLinear", {x, Typed(DType::kF32, ""), Typed(DType::kU8, "4")}, QuantizeAttrs{})
            .find("differ") != std::string::npos);
  CHECK(infer_error("QuantizeLinear", {x, Typed(DType::kF32, "4")}, QuantizeAttrs{DType::kU8, 2}).find("axis 2") !=
        std::string::npos);
  CHECK(
      infer_error("QuantizeLinear", {x, Typed(DType::kF32, "")}, QuantizeAttrs{DType::kU8, 1, -1}).find("block_size") !=
      std::string::npos);
  CHECK(infer_error("DequantizeLinear", {x, Typed(DType::kF32, "")}, QuantizeAttrs{DType::kF32}).find("f32") !=
        std::string::npos);
}

TEST_CASE("dynamic quantization") {
  const auto y = run_onnx("DynamicQuantizeLinear", 11, {f32({6}, {0, 2, -3, -2.5, 1.34, 0.5})}, {}, 3);
  CHECK(y[0].to_ints() == Ints{153, 255, 0, 26, 221, 179});
  CHECK(close(y[1], {0.0196078438}));
  CHECK(y[2].to_ints() == Ints{153});
  const auto zero = run_onnx("DynamicQuantizeLinear", 11, {f32({2}, {0, 0})}, {}, 3);
  CHECK(zero[0].to_ints() == Ints{0, 0});
}

TEST_CASE("integer and quantized products") {
  const Tensor a = of(DType::kU8, {2, 2}, {11, 7, 10, 6}), b = of(DType::kU8, {2, 2}, {1, 4, 2, 5});
  CHECK(run_onnx("MatMulInteger", 10, {a, b, of(DType::kU8, {}, {12}), of(DType::kU8, {}, {0})})[0].to_ints() ==
        Ints{-11, -29, -14, -38});
  CHECK(
      run_onnx("MatMulInteger", 10, {a, b, of(DType::kU8, {2}, {12, 10}), of(DType::kU8, {2}, {1, 2})})[0].to_ints() ==
      Ints{-5, -17, -4, -12});
  const Tensor x = of(DType::kU8, {1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10}),
               w = of(DType::kU8, {1, 1, 2, 2}, {1, 1, 1, 1});
  CHECK(run_onnx("ConvInteger", 10, {x, w, of(DType::kU8, {}, {1})})[0].to_ints() == Ints{12, 16, 24, 28});
  const Tensor s = f32({}, {0.5}), z = of(DType::kU8, {}, {1});
  CHECK(run_onnx("QLinearMatMul", 10, {a, s, z, b, s, z, f32({}, {1}), z})[0].to_ints() == Ints{3, 15, 2, 13});
  CHECK(run_onnx("QLinearConv", 10,
                 {x, s, z, w, f32({1}, {1}), of(DType::kU8, {1}, {0}), f32({}, {1}), z, of(DType::kI32, {1}, {4})})[0]
            .to_ints() == Ints{9, 11, 15, 17});
  CHECK(run_onnx("QLinearAdd", 1, {a, s, z, b, s, z, s, z}, {}, 1, "com.microsoft")[0].to_ints() ==
        Ints{11, 10, 11, 10});
}

}  // namespace
}  // namespace tenon::ops
