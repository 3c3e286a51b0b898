#include "ir/sample.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace tenon;

TEST_CASE("random tensors are normal numbers or zeros and ones, the same for a seed") {
  Xorshift random(3), again(3);
  const ir::Tensor x = ir::random_tensor(ir::DType::kF32, {50, 40}, random);
  double mean = 0, square = 0;
  for (int64_t i = 0; i < x.count(); ++i) mean += x.get(i) / 2000, square += x.get(i) * x.get(i) / 2000;
  CHECK(std::abs(mean) < 0.1);
  CHECK(std::abs(square - 1) < 0.15);
  CHECK(ir::relative_error(x, ir::random_tensor(ir::DType::kF32, {50, 40}, again)) == 0);
  int64_t ones = 0;
  const ir::Tensor b = ir::random_tensor(ir::DType::kBool, {200}, random);
  for (int64_t i = 0; i < 200; ++i) ones += b.get_int(i);
  CHECK(ones > 60);
  CHECK(ones < 140);
  CHECK(ir::random_tensor(ir::DType::kI64, {0, 3}, random).count() == 0);
  CHECK(ir::random_tensor(ir::DType::kString, {2}, random).count() == 2);
}

TEST_CASE("the distance of two tensors is relative, and infinite where they cannot be compared") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
  const auto vector = [](double a, double b) {
    ir::Tensor t(ir::DType::kF64, {2});
    t.set(0, a);
    t.set(1, b);
    return t;
  };
  CHECK(ir::relative_error(vector(3, 4), vector(3, 4)) == 0);
  CHECK(ir::relative_error(vector(3, 5), vector(3, 4)) == doctest::Approx(0.2));
  CHECK(ir::relative_error(vector(kNan, 4), vector(kNan, 4)) == 0);
  CHECK(ir::relative_error(vector(kInf, 4), vector(kInf, 4)) == 0);
  CHECK(ir::relative_error(vector(kNan, 4), vector(3, 4)) == kInf);
  CHECK(ir::relative_error(vector(3, 4), ir::Tensor(ir::DType::kF64, {2, 1})) == kInf);
}
