#include "builder/streams.h"

#include <doctest/doctest.h>

#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/lanes.h"
#include "runtime/later_device.h"

using namespace tenon;

namespace {

/// Three branches of three, two and one layers.
constexpr std::string_view kBranches = R"(graph "net" {
  %x: f32[2, 8] = input
  %w: f32[8, 8] = random(3)
  %s = Softmax(%x) {axis = 1} "s"
  %a1 = Softmax(%s) {axis = 1} "a1"
  %a2 = Softmax(%a1) {axis = 0} "a2"
  %a3 = Softmax(%a2) {axis = 1} "a3"
  %b1 = Softmax(%s) {axis = 0} "b1"
  %b2 = Softmax(%b1) {axis = 1} "b2"
  %c1 = MatMul(%s, %w) "c1"
  %m = Concat(%a3, %b2, %c1) {axis = 1} "m"
  return %m
}
)";
constexpr std::string_view kChain = R"(graph "net" {
  %x: f32[2, 8] = input
  %a = Softmax(%x) {axis = 1} "a"
  %b = Softmax(%a) {axis = 0} "b"
  return %b
}
)";

struct Built {
  plan::Plan plan;
  builder::BuildReport report;
};

const Backend& later_backend() {
  static const runtime::testing::LaterBackend backend;
  return backend;
}

Built built(std::string_view text, int most = -1, select::TimingCache* cache = nullptr) {
  builder::BuildOptions options;
  options.backend = &later_backend();
  options.max_auxiliary_streams = most;
  options.timing_cache = cache;
  Built b;
  b.plan = builder::build(ops::parse_graph(text), options, &b.report);
  return b;
}

}  // namespace

TEST_CASE("branches run on auxiliary streams where whole runs show that it pays") {
  const Built b = built(kBranches);
  REQUIRE(b.report.streams.size() == 1);
  const builder::StreamsReport& r = b.report.streams[0];
  REQUIRE(r.times.size() == 3);
  CHECK(r.times[0].second == doctest::Approx(80));
  CHECK(r.times[1].second == doctest::Approx(50));  // three beside two and one
  CHECK(r.streams == 1);                            // a third stream gains nothing
  CHECK(runtime::auxiliary_streams(b.plan, 0) == 1);
  CHECK(builder::print(b.report, false)
            .find("profile 0: 1 auxiliary streams; a run takes 80.0 us with 0, 50.0 us "
                  "with 1, 50.0 us with 3\n") != std::string::npos);

  ir::Tensor x(ir::DType::kF32, {2, 8});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, double(i % 5));
  const auto bytes = plan::serialize(b.plan);
  const auto copy = plan::deserialize(nullptr, bytes);
  const auto engine = runtime::Engine::create(copy, {&later_backend(), 1});
  CHECK(engine->auxiliary_streams(0) == 1);
  CHECK(engine->program(0, {{2, 8}})->lanes == 2);
  CHECK(engine->create_context()->run({x})[0] ==
        runtime::Engine::create(copy, {nullptr, 1})->create_context()->run({x})[0]);
}

TEST_CASE("no auxiliary streams where there are no branches, or none are wanted") {
  CHECK(built(kChain).report.streams.empty());
  const Built b = built(kBranches, 0);
  CHECK(b.report.streams.empty());
  CHECK(runtime::auxiliary_streams(b.plan, 0) == 0);
  CHECK(built(kBranches, 1).report.streams.at(0).times.size() == 2);
}

TEST_CASE("times of whole runs are kept in the timing cache, and decide") {
  select::TimingCache cache;
  CHECK_FALSE(built(kBranches, -1, &cache).report.streams.at(0).from_cache);
  CHECK(built(kBranches, -1, &cache).report.streams.at(0).from_cache);
  for (const auto& [key, us] : cache.entries())
    if (key.kernel.starts_with("auxiliary_streams_")) cache.put(key, key.kernel.ends_with("_0") ? 40 : 39.8F);
  const Built b = built(kBranches, -1, &cache);
  CHECK(b.report.streams.at(0).streams == 0);
  CHECK(runtime::auxiliary_streams(b.plan, 0) == 0);
}
