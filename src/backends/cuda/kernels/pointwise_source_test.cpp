#include "backends/cuda/kernels/pointwise_source.h"

#include <doctest/doctest.h>

#include "backends/cuda/fast_divide.h"
#include "backends/cuda/kernels/pointwise_space.h"

namespace tenon::cuda {
namespace {

using ir::DType;

TensorDesc tensor(DType type, ir::Dims dims, int64_t pitch = 0) {
  TensorDesc d;
  d.dtype = type;
  d.pitch = pitch ? pitch : dims.empty() ? 1 : dims.back();
  d.dims = std::move(dims);
  return d;
}

struct Written {
  std::string refusal;
  PointwiseSpace space;
  PointwiseCode code;
};
Written write(std::string_view text, const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs) {
  const ops::PointwiseProgram program = ops::parse_pointwise(text);
  Written w;
  w.space = pointwise_space(program, inputs, outputs, w.refusal);
  if (w.refusal.empty()) w.refusal = pointwise_refusal(program, w.space);
  if (w.refusal.empty()) w.code = pointwise_code(program, w.space, 90, 132);
  return w;
}

TEST_CASE("pointwise source: one source serves all sizes of a structure") {
  const auto scaled = [](int64_t rows, int64_t columns) {
    const TensorDesc x = tensor(DType::kF16, {2, rows, columns});
    return write("silu(mul(i0, i1))", {x, tensor(DType::kF16, {2, 1, columns})}, {x});
  };
  const Written a = scaled(40, 64), b = scaled(12, 96), c = scaled(40, 63);
  CHECK(a.code.source == b.code.source);
  CHECK(a.code.words != b.code.words);
  CHECK(a.code.source != c.code.source);  // rows of 63 elements start at every alignment
  CHECK(a.code.threads == 2 * 40 * 64 / 8);
  CHECK(c.code.threads == 2 * 40 * 63);
}

TEST_CASE("pointwise source: vectors need rows that start aligned") {
  const TensorDesc y = tensor(DType::kF32, {6, 8});
  const Written dense = write("add(i0, i1)", {y, y}, {y});
  CHECK(dense.space.dims == ir::Dims{48});
  CHECK(dense.code.alignment == std::vector<int64_t>{16, 16, 16});
  const Written pitched = write("add(i0, i1)", {tensor(DType::kF32, {6, 8}, 10), y}, {y});
  CHECK(pitched.space.dims == ir::Dims{6, 8});
  CHECK(pitched.code.alignment == std::vector<int64_t>{0, 16, 16});
  const Written repeated = write("add(i0, i1)", {y, tensor(DType::kF32, {6, 1})}, {y});
  CHECK(repeated.code.alignment == std::vector<int64_t>{16, 0, 16});
}

TEST_CASE("pointwise source: arithmetic follows the types") {
  const auto type = [](DType t) { return tensor(t, {5}); };
  CHECK(pointwise_arithmetic(write("add(i0, i0)", {type(DType::kI64)}, {type(DType::kI64)}).space) ==
        PointwiseArithmetic::kI64);
  CHECK(pointwise_arithmetic(write("exp(i0)", {type(DType::kF64)}, {type(DType::kF64)}).space) ==
        PointwiseArithmetic::kF64);
  CHECK(pointwise_arithmetic(write("i0", {type(DType::kI64)}, {type(DType::kF32)}).space) == PointwiseArithmetic::kF32);
  CHECK(write("i0", {type(DType::kI64)}, {type(DType::kF32)}).refusal.empty());
  CHECK(write("add(i0, i1)", {type(DType::kI64), type(DType::kF32)}, {type(DType::kF32)}).refusal.find("i64") !=
        std::string::npos);
  CHECK(write("exp(i0)", {type(DType::kI32)}, {type(DType::kI32)}).refusal.find("exp") != std::string::npos);
  CHECK(write("add(i0, 0.5)", {type(DType::kI32)}, {type(DType::kI32)}).refusal.find("0.5") != std::string::npos);
  CHECK(write("add(i0, i1)", {type(DType::kF32)}, {type(DType::kF32)}).refusal.find("operand 1") != std::string::npos);
  const Written narrow = write("exp(i0)", {type(DType::kF16)}, {type(DType::kF16)});
  const Written wide = write("exp(i0)", {type(DType::kF16)}, {type(DType::kF32)});
  CHECK(narrow.code.source.find("PointwiseFunctions<true>") != std::string::npos);
  CHECK(wide.code.source.find("PointwiseFunctions<false>") != std::string::npos);
}

TEST_CASE("division by multiplication is exact below 2^31") {
  for (uint32_t d : {1u, 2u, 3u, 5u, 7u, 49u, 112u, 1000u, 65535u, 65537u, (1u << 30) + 1, (1u << 31) - 1}) {
    const Divisor divisor(d);
    for (uint64_t n : {uint64_t(0), uint64_t(d) - 1, uint64_t(d), uint64_t(d) + 1, uint64_t(7) * d - 1, uint64_t(7) * d,
                       uint64_t(123456789), (uint64_t(1) << 31) - 1}) {
      if (n >> 31) continue;
      const uint64_t high = n * divisor.magic >> 32;
      CAPTURE(d);
      CAPTURE(n);
      CHECK(((high + n) >> divisor.shift) == n / d);
    }
  }
}

}  // namespace
}  // namespace tenon::cuda
