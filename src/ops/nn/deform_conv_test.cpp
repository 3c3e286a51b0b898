#include "ops/nn/deform_conv.h"

#include <doctest/doctest.h>

#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

TEST_CASE("DeformConv") {
  const DeformConvAttrs a{{1, 1}, {1, 1}, {0, 0, 0, 0}, 1, 1};
  const Tensor x = iota(DType::kF32, {1, 1, 3, 3}), w = f32({1, 1, 2, 2}, {1, 1, 1, 1});
  const Tensor none(DType::kF32, {1, 8, 2, 2});
  CHECK(run_op("DeformConv", a, {x, w, none})[0] == f32({1, 1, 2, 2}, {8, 12, 20, 24}));
  Tensor shifted(DType::kF32, {1, 8, 2, 2});
  for (int64_t i = 4; i < 8; ++i) shifted.set(i, 0.5);  // the first tap half an element to the right
  CHECK(run_op("DeformConv", a, {x, w, shifted})[0] == f32({1, 1, 2, 2}, {8.5, 12.5, 20.5, 24.5}));
  const Tensor half = numbers(DType::kF32, {1, 4, 2, 2}, std::vector<double>(16, 0.5));
  CHECK(run_op("DeformConv", a, {x, w, none, f32({1}, {1}), half})[0] == f32({1, 1, 2, 2}, {5, 7, 11, 13}));
  CHECK_THROWS_AS(run_op("DeformConv", a, {x, w, Tensor(DType::kF32, {1, 8, 3, 2})}), Error);
  CHECK_THROWS_AS(run_op("DeformConv", a, {x, Tensor(DType::kF32, {1, 1, 4, 2}), none}), Error);
}
