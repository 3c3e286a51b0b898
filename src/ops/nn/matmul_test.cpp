#include "ops/nn/matmul.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

/// y[z, i, j] by definition, with batches already equal.
std::vector<double> expected(const Tensor& a, const Tensor& b, int64_t z, int64_t m, int64_t n, int64_t k, bool ta,
                             bool tb) {
  std::vector<double> y;
  for (int64_t g = 0; g < z; ++g)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += a.get(g * m * k + (ta ? p * m + i : i * k + p)) * b.get(g * k * n + (tb ? j * k + p : p * n + j));
        y.push_back(sum);
      }
  return y;
}

TEST_CASE("matmul: sizes and transposition") {
  const int64_t sizes[][4] = {{1, 1, 1, 1}, {1, 3, 5, 7}, {2, 4, 1, 3}, {3, 2, 9, 0}, {2, 0, 3, 4}, {1, 17, 3, 33}};
  for (const auto& s : sizes)
    for (int t = 0; t < 4; ++t) {
      const int64_t z = s[0], m = s[1], n = s[2], k = s[3];
      const bool ta = t & 1, tb = t & 2;
      const Tensor a = noise(ta ? Dims{z, k, m} : Dims{z, m, k}, 1), b = noise(tb ? Dims{z, n, k} : Dims{z, k, n}, 2);
      CHECK(close(run_op("MatMul", {a, b}, MatMulAttrs{ta, tb, 1, ""}), expected(a, b, z, m, n, k, ta, tb)));
    }
}

TEST_CASE("matmul: batches broadcast, bias, alpha, epilogue") {
  const Tensor a = noise({2, 1, 2, 3}), b = noise({4, 3, 2}, 2), bias = f32({2}, {1, -2});
  const Tensor y = run_op("MatMul", {a, b}, MatMulAttrs{});
  CHECK(y.dims() == Dims{2, 4, 2, 2});
  const Tensor z =
      run_op("MatMul", {a, b, bias, f32({2, 2}, {1, 2, 3, 4})}, MatMulAttrs{false, false, 2, "relu(add(i0, i1))"});
  for (int64_t i = 0; i < y.count(); ++i)
    CHECK(z.get(i) == doctest::Approx(std::fmax(0, 2 * y.get(i) + bias.get(i % 2) + double(i % 4 + 1))).epsilon(1e-6));
  const Tensor i = run_op("MatMul", {i64({1, 2}, {INT64_MAX, 3}), i64({2, 1}, {2, 5}), i64({1}, {1})}, MatMulAttrs{});
  CHECK(i.to_ints() == std::vector<int64_t>{14});
}

TEST_CASE("matmul: symbolic shapes and bad input") {
  CHECK(infer_op("MatMul", {Typed(DType::kF32, "b, n, k"), Typed(DType::kF32, "1, k, 8")}, MatMulAttrs{}).shape() ==
        "[b, n, 8]");
  CHECK(
      infer_op("MatMul", {Typed(DType::kF32, "n, 4"), Typed(DType::kF32, "7, 4")}, MatMulAttrs{false, true}).shape() ==
      "[n, 7]");
  CHECK(infer_error("MatMul", {Typed(DType::kF32, "2, 3"), Typed(DType::kF32, "4, 3")}, MatMulAttrs{})
            .find("inner sizes 3 and 4") != std::string::npos);
  CHECK(infer_error("MatMul", {Typed(DType::kF32, "3"), Typed(DType::kF32, "3, 3")}, MatMulAttrs{})
            .find("ranks from 2") != std::string::npos);
  CHECK(infer_error("MatMul", {Typed(DType::kF32, "2, 3"), Typed(DType::kF32, "3, 4"), Typed(DType::kF32, "5")},
                    MatMulAttrs{})
            .find("bias is [5]") != std::string::npos);
}

TEST_CASE("gemm: bias of a column number joins the product, others are added") {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4}), b = f32({2, 2}, {5, 6, 7, 8}), c = f32({2}, {1, 2});
  FakeImport one("Gemm", 13, {a, b, c}, {{"transB", int64_t(1)}, {"alpha", 2.0f}});
  CHECK(one.import().ops() == "MatMul");
  CHECK(close(one.run({})[0], {35, 48, 79, 108}));
  FakeImport two("Gemm", 9, {a, b, f32({2, 1}, {1, 2})}, {{"beta", 3.0f}, {"transA", int64_t(1)}});
  CHECK(two.import().ops() == "Mul MatMul Add");
  CHECK(close(two.run({})[0], {29, 33, 44, 50}));
  CHECK(close(run_onnx("Gemm", 11, {a, b})[0], {19, 22, 43, 50}));
  CHECK(import_error({"Gemm", 11, {f32({1, 2, 2}, {1, 2, 3, 4}), b}}).find("ranks 3 and 2") != std::string::npos);
}

TEST_CASE("matmul: vectors") {
  const Tensor a = f32({2, 2}, {1, 2, 3, 4}), v = f32({2}, {5, 6});
  CHECK(run_onnx("MatMul", 13, {a, v})[0].dims() == Dims{2});
  CHECK(close(run_onnx("MatMul", 13, {a, v})[0], {17, 39}));
  CHECK(close(run_onnx("MatMul", 13, {v, a})[0], {23, 34}));
  CHECK(run_onnx("MatMul", 13, {v, v})[0].dims() == Dims{});
  CHECK(close(run_onnx("MatMul", 13, {v, v})[0], {61}));
  CHECK(FakeImport("MatMul", 13, {Typed(DType::kF32, "b, n, k"), Typed(DType::kF32, "k")}).import().shape() ==
        "[b, n]");
  CHECK(import_error({"MatMul", 13, {f32({}, {1}), v}}).find("ranks 0 and 1") != std::string::npos);
  CHECK(close(run_onnx("FusedMatMul", 1, {a, a}, {{"transA", 1}, {"alpha", 0.5f}}, 1, "com.microsoft")[0],
              {5, 7, 7, 10}));
}

}  // namespace
}  // namespace tenon::ops
