#include "runtime/split.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "ops/parse.h"

using namespace tenon;

namespace {

/// NonZero's output has a shape that depends on data; what leads to it, and the sum beside it, does not.
constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[3, 4] = input
  %t: f32[2] = input
  %a = Relu(%x) "a"
  %b = Neg(%a) "b"
  %n = NonZero(%b) "n"
  %c = Shape(%n) "c"
  %d = Cast(%n) {to = f32} "d"
  %e = Relu(%t) "e"
  return %d, %b, %e
}
)";

std::vector<std::string> names(const ir::Graph& g, const std::vector<ir::NodeId>& nodes) {
  std::vector<std::string> out;
  for (ir::NodeId n : nodes) out.push_back(g.node(n).name);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("what shapes do not depend on is split off, and the rest reads its values") {
  const auto concrete = runtime::concretize(ops::parse_graph(kNet), {{3, 4}, {2}});
  CHECK_FALSE(concrete.fully_static);
  const ir::Graph& g = concrete.graph;
  const auto known = runtime::known_values(concrete);
  std::vector<std::string> known_names;
  for (ir::ValueId v : known) known_names.push_back(g.producer(v)->name);
  std::sort(known_names.begin(), known_names.end());
  CHECK(known_names == std::vector<std::string>{"b", "e"});

  const auto rest = runtime::rest_of(concrete, known);
  CHECK(names(g, rest.order) == std::vector<std::string>{"d", "n"});
  CHECK(rest.reads_input == std::vector<bool>{false, false});

  const auto all = runtime::rest_of(concrete, {});
  CHECK(names(g, all.order) == std::vector<std::string>{"a", "b", "d", "e", "n"});
  CHECK(all.reads_input == std::vector<bool>{true, true});
}

TEST_CASE("the part that is split off has known shapes") {
  auto source = ops::parse_graph(kNet);
  const auto concrete = runtime::concretize(source, {{3, 4}, {2}});
  source.outputs = runtime::known_values(concrete);
  CHECK(runtime::concretize(source, {{3, 4}, {2}}).fully_static);
}

TEST_CASE("a graph whose shapes all depend on data has no part to split off") {
  const auto concrete = runtime::concretize(ops::parse_graph(R"(graph "net" {
  %x: f32[3, 4] = input
  %n = NonZero(%x) "n"
  return %n
}
)"),
                                            {{3, 4}});
  CHECK(runtime::known_values(concrete).empty());
}
