#include "ops/math/reduce_along.h"

#include <doctest/doctest.h>

#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

TEST_CASE("Reduce along computed axes") {
  const Tensor x = iota(DType::kF32, {2, 3});
  auto dims = [&](std::vector<int64_t> axes, bool keep, bool noop) {
    return run_op("ReduceAlong", ReduceAlongAttrs{ReduceKind::kSum, keep, noop}, {x, i64(axes)})[0].dims();
  };
  CHECK(dims({-1}, true, false) == Dims{2, 1});
  CHECK(dims({0}, false, false) == Dims{3});
  CHECK(dims({}, false, false) == Dims{});
  CHECK(dims({}, false, true) == Dims{2, 3});
  CHECK_THROWS_AS(dims({2}, true, false), Error);
  CHECK_THROWS_AS(dims({0, 0}, true, false), Error);
}
