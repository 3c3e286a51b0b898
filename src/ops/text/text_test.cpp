#include <doctest/doctest.h>

#include "ops/testing.h"
#include "ops/text/strings.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

namespace {
Tensor words(std::vector<std::string> s) {
  const auto n = int64_t(s.size());
  return Tensor::of_strings({n}, std::move(s));
}
}  // namespace

TEST_CASE("StringConcat broadcasts") {
  CHECK(run_op("StringConcat", {}, {words({"a", "b"}), words({"c"})})[0] == words({"ac", "bc"}));
  CHECK_THROWS_AS(run_op("StringConcat", {}, {words({"a", "b"}), words({"c", "d", "e"})}), Error);
  CHECK_THROWS_AS(run_op("StringConcat", {}, {words({"a"}), i64({1})}), Error);
}

TEST_CASE("StringSplit") {
  auto y = run_op("StringSplit", StringSplitAttrs{}, {words({"  a b  c ", "", "d"})}, 2);
  CHECK(y[0] == Tensor::of_strings({3, 3}, {"a", "b", "c", "", "", "", "d", "", ""}));
  CHECK(y[1].to_ints() == Dims{3, 0, 1});
  y = run_op("StringSplit", StringSplitAttrs{",", 1}, {words({"a,b,c", ","})}, 2);
  CHECK(y[0] == Tensor::of_strings({2, 2}, {"a", "b,c", "", ""}));
  CHECK(run_op("StringSplit", StringSplitAttrs{}, {Tensor::of_strings({0}, {})}, 2)[0].dims() == Dims{0, 0});
}

TEST_CASE("StringNormalizer") {
  const Tensor x = words({"Monday", "monday", "Tuesday"});
  CHECK(run_op("StringNormalizer", StringNormalizerAttrs{false, true, false, {"MONDAY"}}, {x})[0] ==
        words({"TUESDAY"}));
  CHECK(run_op("StringNormalizer", StringNormalizerAttrs{true, false, true, {"monday"}}, {x})[0] ==
        words({"monday", "tuesday"}));
  CHECK(run_op("StringNormalizer", StringNormalizerAttrs{false, false, false, {"monday", "tuesday"}}, {x})[0] ==
        words({""}));
}
