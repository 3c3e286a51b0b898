#include "builder/progress.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "builder/test_time.h"
#include "ops/parse.h"

using namespace tenon;
using namespace tenon::builder::testing;
using Clock = std::chrono::steady_clock;

namespace {

/// One node whose kernels take a while each.
constexpr std::string_view kHeavy = R"(graph "net" {
  %x: f32[1, 128, 224, 224] = input
  %w: f32[128, 128, 3, 3] = random(7)
  %y = Conv(%x, %w) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "conv"
  return %y
}
)";

/// Follows the rules of a monitor, and ends the build a while after selection began.
class Monitor final : public builder::ProgressMonitor {
 public:
  void phase_start(const std::string& phase, const std::string&, int count) override {
    CHECK(open_.empty());
    CHECK(count > 0);
    open_ = phase;
    begun_ = Clock::now();
  }
  bool step_complete(const std::string& phase, int step) override {
    CHECK(phase == open_);
    CHECK(step >= 0);
    ++steps;
    if (phase != "Select kernels" || Clock::now() - begun_ < after) return true;
    if (throws) throw std::runtime_error("enough");
    stopped = processor_seconds();
    return false;
  }
  void phase_finish(const std::string& phase) override {
    CHECK(phase == open_);
    open_.clear();
  }
  std::chrono::milliseconds after{300};
  bool throws = false;
  int steps = 0;
  double stopped = 0;  ///< processor time

 private:
  std::string open_;
  Clock::time_point begun_;
};

}  // namespace

TEST_CASE("a monitor ends a build while one kernel is timed") {
  const ir::Graph net = ops::parse_graph(kHeavy);
  Monitor monitor;
  builder::BuildOptions options;
  options.level = 5;
  options.timing_runs = 1000;  // minutes, if nobody stops it
  options.progress = &monitor;
  try {
    builder::build(net, options);
    FAIL("the build went on");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kCancelled);
  }
  CHECK(monitor.steps >= 2);
  CHECK(processor_seconds() - monitor.stopped < 0.25 * kSlower);
  monitor.throws = true;
  CHECK_THROWS_AS(builder::build(net, options), std::runtime_error);
}

TEST_CASE("kernels over the workspace limit are refused, and a filter decides among the rest") {
  const ir::Graph net = ops::parse_graph(kHeavy);
  builder::BuildOptions options;
  options.level = 0;
  options.workspace_limit = 0;
  builder::BuildReport report;
  builder::build(net, options, &report);
  REQUIRE(!report.nodes.at(0).empty());
  for (const select::NodeReport& node : report.nodes[0])
    for (const select::Candidate& c : node.candidates)
      if (c.chosen) CHECK(c.workspace == 0);
  options.workspace_limit = INT64_MAX;
  std::string wanted;
  options.filter = [&](const select::NodeReport& node) {
    size_t last = 0;
    for (size_t i = 0; i < node.candidates.size(); ++i)
      if (node.candidates[i].refusal.empty()) last = i;
    if (node.op == "Conv") wanted = node.candidates[last].kernel;
    return std::vector<size_t>{last};
  };
  const plan::Plan plan = builder::build(net, options);
  bool found = false;
  for (const plan::Choice& c : plan.choices[0]) found |= c.kernel == wanted;
  CHECK(found);
  options.filter = [](const select::NodeReport&) { return std::vector<size_t>{}; };
  CHECK_THROWS_AS(builder::build(net, options), Error);
}
