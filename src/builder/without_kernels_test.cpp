#include <doctest/doctest.h>

#include <algorithm>

#include "builder/builder.h"
#include "ir/text.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/program.h"

using namespace tenon;

namespace {

ir::Graph graph() {
  return ir::parse(R"(graph {
  %x: f32[n, 32, 16, 16] = input
  %w: f32[32, 32, 3, 3] = random(1)
  %a: f32[n, 32, 16, 16] = Conv(%x, %w) {strides = [1, 1], dilations = [1, 1], pads = [1, 1, 1, 1]}
  %y: f32[n, 32, 16, 16] = Relu(%a)
  return %y
})",
                   ops::parse_options());
}

struct Built {
  builder::BuildReport report;
  plan::Plan plan;
  explicit Built(builder::BuildOptions options) {
    options.threads = 1;
    options.profiles = {{{{{1, 32, 16, 16}, {2, 32, 16, 16}, {4, 32, 16, 16}}}, {}}};
    plan = builder::build(graph(), options, &report);
  }
  template <class Pred>
  bool any_candidate(Pred pred) const {
    for (const select::NodeReport& node : report.nodes.at(0))
      if (std::any_of(node.candidates.begin(), node.candidates.end(), pred)) return true;
    return false;
  }
};

bool own_convolution(std::string_view kernel) { return kernel.starts_with("conv_"); }

bool runs_own_convolution(const plan::Plan& plan, int64_t batch) {
  const auto engine = runtime::Engine::create(plan, {nullptr, 1});
  const auto program = engine->program(0, {{batch, 32, 16, 16}});
  return std::any_of(program->steps.begin(), program->steps.end(),
                     [](const runtime::Step& s) { return own_convolution(s.kernel_name); });
}

}  // namespace

TEST_CASE("kernels that a plan does without are neither candidates nor taken at any shape, saved and loaded") {
  const Built all({});
  CHECK(all.any_candidate([](const select::Candidate& c) { return own_convolution(c.kernel); }));
  builder::BuildOptions options;
  options.info[runtime::kWithoutKernels] = "conv_ onednn_";
  const Built without(options);
  CHECK(!without.any_candidate([](const select::Candidate& c) { return own_convolution(c.kernel); }));
  CHECK(!without.any_candidate([](const select::Candidate& c) { return c.kernel.starts_with("onednn_"); }));
  const auto bytes = plan::serialize(without.plan);
  const plan::Plan loaded = plan::deserialize(nullptr, bytes);
  for (int64_t batch : {1, 2, 3}) {
    CAPTURE(batch);
    CHECK(!runs_own_convolution(without.plan, batch));
    CHECK(!runs_own_convolution(loaded, batch));
  }
}

TEST_CASE("a kernel that is refused once it is prepared is no miss of the timing cache") {
  select::TimingCache cache;
  builder::BuildOptions options;
  options.timing_cache = &cache;
  options.workspace_limit = 0;
  const Built first(options);
  CHECK(first.any_candidate([](const select::Candidate& c) { return c.workspace > 0; }));
  options.error_on_timing_cache_miss = true;
  const Built again(options);
  CHECK(plan::serialize(again.plan) == plan::serialize(first.plan));
  cache.clear();
  CHECK_THROWS_AS(Built{options}, Error);
}

TEST_CASE("kernels that take more memory than timing may are not timed") {
  const auto timed = [](const select::Candidate& c) { return c.time_us > 0; };
  CHECK(Built({}).any_candidate(timed));
  builder::BuildOptions options;
  options.timing_memory = 1000;
  const Built untimed(options);
  CHECK(!untimed.any_candidate(timed));
  CHECK(untimed.any_candidate([](const select::Candidate& c) { return c.chosen; }));
}
