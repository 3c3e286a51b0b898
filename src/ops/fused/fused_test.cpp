#include <doctest/doctest.h>

#include <cmath>

#include "ops/fused/conv_excite.h"
#include "ops/fused/expand_depthwise.h"
#include "ops/fused/fused_attention.h"
#include "ops/fused/pointwise.h"
#include "ops/fused/scaled_conv.h"
#include "ops/fused/squeeze_excite.h"
#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

TEST_CASE("Pointwise: shapes, types, several results") {
  const PointwiseAttrs two{"t0 = add(i0, i1); t0, greater(t0, 0)", {"f32", "bool"}};
  const Tensor x = f32({2, 1}, {1, -5}), y = f32({3}, {0, 1, 2});
  const std::vector<Tensor> results = run_op("Pointwise", two, {x, y}, 2);
  CHECK(results[0].dims() == Dims{2, 3});
  CHECK(results[0].to_doubles() == std::vector<double>{1, 2, 3, -5, -4, -3});
  CHECK(results[1].dtype() == DType::kBool);
  CHECK(results[1].to_ints() == std::vector<int64_t>{1, 1, 1, 0, 0, 0});
  CHECK_THROWS_AS(run_op("Pointwise", PointwiseAttrs{"add(i0, i1)", {}}, {x}), Error);
  CHECK_THROWS_AS(run_op("Pointwise", PointwiseAttrs{"add(i0, i1)", {}}, {f32({2}, {1, 2}), y}), Error);
  CHECK_THROWS_AS(run_op("Pointwise", PointwiseAttrs{"i0", {"f31"}}, {x}), Error);
}

TEST_CASE("FusedAttention: layouts, masks, shared heads") {
  FusedAttentionAttrs a{.heads = 2, .kv_heads = 1, .scale = 2};
  // One batch entry, two queries, two heads of size 1, two keys.
  const Tensor q = f32({1, 2, 2}, {1, 0, -1, 2}), k = f32({1, 2, 1}, {0, 1}), v = f32({1, 2, 1}, {3, 5});
  auto mix = [](double score) { return 3 + 2 / (1 + std::exp(-score)); };
  const Tensor y = run_op("FusedAttention", a, {q, k, v})[0];
  CHECK(y.dims() == Dims{1, 2, 2});
  const double expected[] = {mix(2), mix(0), mix(-2), mix(4)};
  for (int64_t i = 0; i < 4; ++i) CHECK(y.get(i) == doctest::Approx(expected[i]));
  a.q = a.y = HeadLayout::kHeads;
  const Tensor by_head = run_op("FusedAttention", a, {f32({1, 2, 2, 1}, {1, -1, 0, 2}), k, v})[0];
  CHECK(by_head.dims() == Dims{1, 2, 2, 1});
  CHECK(by_head.get(1) == doctest::Approx(mix(-2)));
  a.causal = true;
  CHECK(run_op("FusedAttention", a, {f32({1, 2, 2, 1}, {1, -1, 0, 2}), k, v})[0].get(0) == doctest::Approx(3));
  a.causal = false;
  const Tensor masked =
      run_op("FusedAttention", a, {f32({1, 2, 2, 1}, {1, -1, 0, 2}), k, v, f32({2}, {0, -INFINITY})})[0];
  CHECK(masked.get(3) == doctest::Approx(3));
  CHECK_THROWS_AS(run_op("FusedAttention", a, {q, k, v}), Error);
}

TEST_CASE("SqueezeExcite: factors of channels") {
  const SqueezeExciteAttrs a{"relu(i0)", "sigmoid(i0)"};
  // Means 2 and -1, then 0.5 and 4.
  const Tensor x = f32({2, 2, 1, 2}, {1, -2, 3, 0, 0, 3, 1, 5}), w1 = f32({1, 2, 1, 1}, {1, -0.5}), b1 = f32({1}, {1}),
               w2 = f32({2, 1, 1, 1}, {2, -1}), b2 = f32({2}, {0, 0.25});
  const Tensor y = run_op("SqueezeExcite", a, {x, w1, b1, w2, b2})[0];
  CHECK(y.dims() == Dims{2, 1, 1, 2});
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  const double expected[] = {sigmoid(7), sigmoid(-3.25), sigmoid(0), sigmoid(0.25)};
  for (int64_t i = 0; i < 4; ++i) CHECK(y.get(i) == doctest::Approx(expected[i]));
  CHECK(run_op("SqueezeExcite", SqueezeExciteAttrs{}, {x, w1, b1, w2, b2})[0].get(2) == doctest::Approx(-1));
  CHECK_THROWS_AS(run_op("SqueezeExcite", a, {x, w2, b1, w2, b2}), Error);
  CHECK_THROWS_AS(run_op("SqueezeExcite", a, {x, w1, b2, w2, b2}), Error);
  CHECK_THROWS_AS(run_op("SqueezeExcite", SqueezeExciteAttrs{"add(i0, i1)", ""}, {x, w1, b1, w2, b2}), Error);
}

TEST_CASE("ScaledConv: factors before the product, operands after it") {
  const Tensor x = f32({2, 1, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), w = f32({1, 2, 1, 1}, {1, -1}), b = f32({1}, {0.5}),
               s = f32({2, 1, 1, 2}, {2, 1, 0, 3}), r = f32({2, 1, 2, 1}, {1, 2, 3, 4});
  CHECK(run_op("ScaledConv", ScaledConvAttrs{}, {x, w, b, s})[0].to_doubles() ==
        std::vector<double>{0.5, 2.5, -17.5, -23.5});
  CHECK(run_op("ScaledConv", ScaledConvAttrs{"add(i0, i1)"}, {x, w, b, s, r})[0].to_doubles() ==
        std::vector<double>{1.5, 4.5, -14.5, -19.5});
  CHECK_THROWS_AS(run_op("ScaledConv", ScaledConvAttrs{}, {x, w, b, r}), Error);
  CHECK_THROWS_AS(run_op("ScaledConv", ScaledConvAttrs{}, {x, f32({1, 3, 1, 1}, {1, 2, 3}), b, s}), Error);
}

TEST_CASE("ConvExcite: a convolution of each channel and the factors of its result") {
  const Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4}), w = f32({2, 1, 1, 1}, {2, -1}), b = f32({2}, {0, 1}),
               w1 = f32({1, 2, 1, 1}, {1, 1}), b1 = f32({1}, {-2}), w2 = f32({2, 1, 1, 1}, {3, -1}),
               b2 = f32({2}, {0, 0.5});
  const ConvExciteAttrs attrs{{1, 1}, {0, 0, 0, 0}, "abs(i0)", "neg(i0)", ""};
  const std::vector<Tensor> y = run_op("ConvExcite", attrs, {x, w, b, w1, b1, w2, b2}, 2);
  CHECK(y[0].to_doubles() == std::vector<double>{2, 1, 6, 3});
  CHECK(y[1].dims() == Dims{1, 1, 1, 2});
  CHECK(y[1].to_doubles() == std::vector<double>{-12, 4.5});  // means 4 and 2, hidden -(4 + 2 - 2)
  CHECK_THROWS_AS(run_op("ConvExcite", attrs, {x, w, b, w2, b1, w2, b2}, 2), Error);
  CHECK_THROWS_AS(run_op("ConvExcite", attrs, {x, f32({2, 2, 1, 1}, {1, 1, 1, 1}), b, w1, b1, w2, b2}, 2), Error);
}

TEST_CASE("ExpandDepthwise: borders are zeros of the expanded value") {
  const Tensor x = f32({1, 2, 2, 1}, {1, 2, 3, 4}), w1 = f32({2, 1, 1, 1}, {1, -1}), b1 = f32({2}, {1, 3}),
               w2 = f32({2, 1, 1, 3}, {1, 2, 4, 1, 1, 1}), b2 = f32({2}, {0, 10});
  const ExpandDepthwiseAttrs a{{1, 1}, {0, 1, 0, 1}, "relu(i0)", ""};
  // Channels x + 1 and relu(3 - x), rows of two pixels with a zero on either side.
  CHECK(run_op("ExpandDepthwise", a, {x, w1, b1, w2, b2})[0].to_doubles() ==
        std::vector<double>{2 * 2 + 4 * 3, 13, 2 + 2 * 3, 13, 2 * 4 + 4 * 5, 10, 4 + 2 * 5, 10});
  const ExpandDepthwiseAttrs doubled{{1, 1}, {0, 1, 0, 1}, "add(i0, i1)", ""};
  CHECK_THROWS_AS(run_op("ExpandDepthwise", doubled, {x, w1, b1, w2, b2}), Error);
  CHECK_THROWS_AS(run_op("ExpandDepthwise", a, {x, w1, b1, f32({1, 1, 1, 1}, {1}), b2}), Error);
  CHECK_THROWS_AS(run_op("ExpandDepthwise", a, {x, w1, f32({1}, {1}), w2, b2}), Error);
}
