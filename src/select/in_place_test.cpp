#include "select/in_place.h"

#include <doctest/doctest.h>

#include "backends/device.h"
#include "ir/text.h"
#include "ops/parse.h"

using namespace tenon;

namespace {

constexpr const char* kGraph = R"(graph {
  %x: f16[2, 8, 8, 64] = input
  %w: f16[64, 64, 1, 1] = random(1)
  %v: f16[64, 64, 3, 3] = random(2)
  %a: f16[2, 8, 8, 64] = Conv(%x, %w) {strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0], channels_last = true}
  %b: f16[2, 8, 8, 64] = Conv(%a, %v) {strides = [1, 1], dilations = [1, 1], pads = [1, 1, 1, 1], channels_last = true}
  %c: f16[2, 8, 8, 128] = Concat(%a, %b) {axis = 3}
  %y: f16[2, 8, 8, 128] = Relu(%c)
  return %y
})";

select::NodeReport report(std::vector<std::pair<const char*, float>> kernels) {
  select::NodeReport r;
  for (const auto& [name, us] : kernels) r.candidates.push_back({name, us, us, {}, r.candidates.empty(), false});
  return r;
}

}  // namespace

TEST_CASE("kernels beside a concatenation take rows with a pitch where that costs less than a copy") {
  std::string why;
  const Backend* gpu = cuda_description(90, &why);
  if (!gpu) {
    MESSAGE("CUDA: not built (", why, ")");
    return;
  }
  const ir::Graph g = ir::parse(kGraph, ops::parse_options());
  const std::vector<ir::NodeId> nodes = g.topological_order();
  for (float other : {6.f, 9.f}) {
    CAPTURE(other);
    // The convolution without a window is read by the other, which is fastest with a library that takes dense rows.
    std::vector<select::NodeReport> reports;
    std::vector<plan::Choice> choices(g.node_count());
    for (ir::NodeId n : nodes) {
      const std::string& op = g.node(n).op;
      if (op == "Conv")
        reports.push_back(report({{"cudnn_conv_0", 5}, {"conv_thin_16", other}}));
      else
        reports.push_back(report({{op == "Concat" ? "strided_copy" : "pointwise", 3}}));
      choices[n] = {reports.back().candidates[0].kernel, reports.back().candidates[0].time_us};
    }
    select::prefer_in_place(g, *gpu, nodes, reports, choices);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (g.node(nodes[i]).op != "Conv") continue;
      const bool changed = other == 6.f;
      CHECK(choices[nodes[i]].kernel == (changed ? "conv_thin_16" : "cudnn_conv_0"));
      CHECK(choices[nodes[i]].time_us == (changed ? other : 5.f));
      CHECK(reports[i].candidates[1].chosen == changed);
    }
  }
}
