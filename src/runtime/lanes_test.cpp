#include "runtime/lanes.h"

#include <doctest/doctest.h>

#include <cmath>

#include "builder/builder.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/later_device.h"

using namespace tenon;
using runtime::LanePlan;
using runtime::plan_lanes;
using runtime::StepUse;
using runtime::testing::later_device;

namespace {

StepUse step(std::vector<uint32_t> reads, std::vector<uint32_t> writes, double us = 10) {
  return {std::move(reads), std::move(writes), us, false};
}

/// Two inception modules, whose concatenations happen in place, a residual block with a projection, and a tail.
constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[1, 6, 8, 8] = input
  %w1: f32[6, 6, 1, 1] = random(1)
  %w3: f32[6, 6, 3, 3] = random(2)
  %v1: f32[6, 24, 1, 1] = random(3)
  %v2: f32[6, 36, 1, 1] = random(6)
  %p: f32[8, 36, 1, 1] = random(4)
  %q: f32[8, 6, 3, 3] = random(5)
  %s = Relu(%x) "stem"
  %a = Conv(%s, %w1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "a"
  %b1 = Conv(%s, %w1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "b1"
  %b2 = Conv(%b1, %w3) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "b2"
  %c1 = Relu(%s) "c1"
  %c2 = Conv(%c1, %w3) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "c2"
  %c3 = Conv(%c2, %w3) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "c3"
  %d = Neg(%s) "d"
  %m = Concat(%a, %b2, %c3, %d) {axis = 1} "m"
  %e = Conv(%m, %v1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "e"
  %f1 = Conv(%m, %v1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "f1"
  %f2 = Sigmoid(%f1) "f2"
  %f3 = Conv(%f2, %w3) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "f3"
  %g = Tanh(%m) "g"
  %n = Concat(%e, %f3, %g) {axis = 1} "n"
  %t = Relu(%n) "t"
  %h = Conv(%t, %p) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "projection"
  %i = Conv(%t, %v2) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "i"
  %j = Relu(%i) "j"
  %k = Conv(%j, %q) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "k"
  %l = Add(%h, %k) "l"
  %y = Relu(%l) "y"
  return %y
}
)";

std::shared_ptr<runtime::Engine> engine_of(const ir::Graph& net, int streams) {
  static const runtime::testing::LaterBackend backend;
  plan::Plan plan;
  plan.graph = net.clone();
  plan.profiles = {builder::default_profile(net)};
  plan.choices = {std::vector<plan::Choice>(net.node_count(), {"later", 10})};
  runtime::set_auxiliary_streams(plan, 0, streams);
  return runtime::Engine::create(std::move(plan), {&backend, 1});
}

}  // namespace

TEST_CASE("lanes: branches part and meet") {
  // 0 → {1 → 2}, {3}, {4 → 5} → 6, which reads them all
  const std::vector<StepUse> steps{step({100}, {0}), step({0}, {1}), step({1}, {2}),      step({0}, {3}),
                                   step({0}, {4}),   step({4}, {5}), step({2, 3, 5}, {6})};
  const LanePlan two = plan_lanes(steps, 2);
  REQUIRE(two.sections.size() == 1);
  CHECK(two.sections[0].begin == 1);
  CHECK(two.sections[0].end == 6);
  CHECK(two.lane[1] == two.lane[2]);
  CHECK(two.lane[4] == two.lane[5]);
  CHECK(two.lane[1] != two.lane[4]);
  CHECK(two.lane[0] == 0);
  CHECK(two.lane[6] == 0);
  CHECK(two.gain_us == doctest::Approx(50 - 30 - 3));
  CHECK(two.section_of(0) == nullptr);
  CHECK(two.section_of(3) == two.sections.data());
  CHECK(two.section_of(6) == nullptr);
  CHECK(plan_lanes(steps, 3).gain_us == doctest::Approx(50 - 20 - 3));
  CHECK(plan_lanes(steps, 1).sections.empty());
}

TEST_CASE("lanes: parts of one buffer are written beside each other, and read after all of them") {
  const std::vector<StepUse> steps{step({9}, {0}), step({0}, {1}), step({0}, {1}), step({1}, {2}), step({2}, {3})};
  const LanePlan lanes = plan_lanes(steps, 2);
  REQUIRE(lanes.sections.size() == 1);
  CHECK(lanes.lane[1] != lanes.lane[2]);
  CHECK(lanes.sections[0].begin == 1);
  CHECK(lanes.sections[0].end == 3);
}

TEST_CASE("lanes: chains, short branches and the application's own operators stay in one") {
  CHECK(plan_lanes(std::vector{step({9}, {0}), step({0}, {1}), step({1}, {2}), step({2}, {3})}, 2).sections.empty());
  std::vector<StepUse> steps{step({9}, {0}), step({0}, {1}, 1), step({0}, {2}, 1), step({1, 2}, {3})};
  CHECK(plan_lanes(steps, 2).sections.empty());
  steps[1].us = steps[2].us = 20;
  CHECK(plan_lanes(steps, 2).sections.size() == 1);
  steps[1].alone = true;
  CHECK(plan_lanes(steps, 2).sections.empty());
  CHECK(plan_lanes({}, 2).sections.empty());
}

TEST_CASE("lanes: a plan keeps the number of streams of each profile") {
  plan::Plan plan;
  CHECK(runtime::auxiliary_streams(plan, 0) == 0);
  runtime::set_auxiliary_streams(plan, 2, 3);
  runtime::set_auxiliary_streams(plan, 1, 1);
  CHECK(runtime::auxiliary_streams(plan, 0) == 0);
  CHECK(runtime::auxiliary_streams(plan, 1) == 1);
  CHECK(runtime::auxiliary_streams(plan, 2) == 3);
  CHECK(runtime::auxiliary_streams(plan, 7) == 0);
  plan.info["auxiliary_streams"] = "9 x";
  CHECK(runtime::auxiliary_streams(plan, 0) == runtime::kMostAuxiliaryStreams);
  CHECK(runtime::auxiliary_streams(plan, 1) == 0);
}

TEST_CASE("lanes: in whatever order streams run, branches get the bits of one stream") {
  const ir::Graph net = ops::parse_graph(kNet);
  ir::Tensor x(ir::DType::kF32, {1, 6, 8, 8});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, std::sin(double(i)));
  const auto one = engine_of(net, 0);
  const auto want = one->create_context()->run({x});
  CHECK(one->program(0, {{1, 6, 8, 8}})->lanes == 1);
  for (int streams : {1, 2, 3}) {
    const auto engine = engine_of(net, streams);
    const auto program = engine->program(0, {{1, 6, 8, 8}});
    CHECK(program->lanes == streams + 1);
    CHECK(program->memory.arena_bytes >= one->program(0, {{1, 6, 8, 8}})->memory.arena_bytes);
    auto context = engine->create_context();
    for (unsigned seed = 0; seed < 40; ++seed) {
      later_device().set_seed(seed);
      CAPTURE(streams);
      CAPTURE(seed);
      CHECK(context->run({x})[0] == want[0]);
    }
    std::vector<int> given(3);
    context->set_auxiliary_streams({&given[0]});
    CHECK(context->run({x})[0] == want[0]);
  }
}
