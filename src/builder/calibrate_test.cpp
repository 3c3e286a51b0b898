#include "builder/calibrate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"

using namespace tenon;
using builder::CalibrationMethod;

namespace {

/// Normal numbers of standard deviation 1, by the Box-Muller transform of a fixed sequence.
std::vector<float> normal(int64_t count) {
  std::vector<float> out;
  uint64_t state = 12345;
  auto next = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double(state >> 40) + 0.5) / double(1 << 24);
  };
  while (int64_t(out.size()) < count)
    out.push_back(float(std::sqrt(-2 * std::log(next())) * std::cos(6.283185307179586 * next())));
  return out;
}

constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[2, 3] = input
  %w: f32[3, 4] = {1, 0, 0, 2, 0, 1, 0, 2, 0, 0, 1, 2}
  %v: f32[4, 4] = random(3)
  %a = MatMul(%x, %w) "a"
  %b = Relu(%a) "b"
  %y = MatMul(%b, %v) "c"
  return %y
}
)";

}  // namespace

TEST_CASE("a histogram grows with its data and keeps every count") {
  builder::Histogram h;
  const std::vector<float> small{0.1f, -0.2f, 0.3f}, large{12, -7, INFINITY, NAN};
  h.add(small.data(), 3);
  CHECK(h.largest() == doctest::Approx(0.3));
  h.add(large.data(), 4);
  CHECK(h.largest() == 12);
  double total = 0;
  for (double n : h.bins()) total += n;
  CHECK(total == 5);
  CHECK(h.bin_width() * double(builder::Histogram::kBins) >= 12);
}

TEST_CASE("thresholds: the largest magnitude, a quantile, and the entropy method cuts outliers") {
  std::vector<float> data = normal(200000);
  data.push_back(400);  // one outlier
  builder::Histogram h;
  h.add(data.data(), int64_t(data.size()));
  CHECK(builder::threshold(h, {CalibrationMethod::kLargest}) == 400);
  const double q = builder::threshold(h, {CalibrationMethod::kQuantile, 0.99, 1});
  CHECK(q > 2.5);
  CHECK(q < 2.8);
  CHECK_THROWS_AS(builder::threshold(h, {CalibrationMethod::kQuantile, 1.5, 1}), Error);
  const double e = builder::threshold(h, {CalibrationMethod::kEntropy});
  CHECK(e > 2);
  CHECK(e < 60);
  builder::Histogram none;
  CHECK(builder::threshold(none, {}) == 0);
}

TEST_CASE("calibration sees every batch, and the engine then computes on 8-bit values") {
  const ir::Graph net = ops::parse_graph(kNet);
  const float batches[2][6] = {{1, 2, 3, -4, 5, -6}, {0.5f, -0.25f, 1, 2, 8, -3}};
  int given = 0;
  auto next = [&](std::vector<const void*>& inputs) {
    if (given == 2) return false;
    inputs[0] = batches[given++];
    return true;
  };
  const auto histograms = builder::collect_histograms(net, {"x", "a", "b", "w", "none"}, {{2, 3}}, next, {nullptr, 1});
  REQUIRE(histograms.size() == 3);
  CHECK(histograms.at("x").largest() == 8);
  CHECK(histograms.at("b").largest() == 14);  // 2 * (2 + 8 - 3)
  builder::BuildOptions options;
  options.level = 0;
  options.passes.scales = builder::scales_of(histograms, {CalibrationMethod::kLargest});
  CHECK(options.passes.scales.at("x") == doctest::Approx(8 / 127.0));
  plan::Plan plan = builder::build(net, options);
  int rounded = 0;
  for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n) rounded += plan.graph.node(n).op == "QuantizeLinear";
  CHECK(rounded == 2);
  auto engine = runtime::Engine::create(std::move(plan));
  ir::Tensor x = ir::Tensor::of<float>(ir::DType::kF32, {2, 3}, batches[0]);
  const auto got = engine->create_context()->run({x})[0], want = ops::eval_graph(net, {x}, true)[0];
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < got.count(); ++i) {
    difference += std::pow(got.get(i) - want.get(i), 2);
    norm += std::pow(want.get(i), 2);
  }
  CHECK(difference > 0);  // 8-bit values are not exact
  CHECK(std::sqrt(difference / norm) < 0.03);
}

TEST_CASE("a type that a layer cannot have is a warning, or an error where types are obeyed") {
  const ir::Graph net = ops::parse_graph(kNet);
  builder::BuildOptions options;
  options.level = 0;
  options.passes.types = {{"a", ir::DType::kF16}};
  CHECK_NOTHROW(builder::build(net, options));  // f16 is not allowed: a warning
  options.obey_types = true;
  CHECK_THROWS_AS(builder::build(net, options), Error);
  options.allow_fp16 = true;
  const plan::Plan plan = builder::build(net, options);
  bool narrow = false;
  for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n) {
    const ir::Node& node = plan.graph.node(n);
    narrow |= node.origin.rfind("a", 0) == 0 && node.op == "MatMul" &&
              plan.graph.value(node.inputs[0]).dtype == ir::DType::kF16;
  }
  CHECK(narrow);
}
