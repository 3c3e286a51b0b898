#include <doctest/doctest.h>

#include "builder/builder.h"
#include "ops/parse.h"

using namespace tenon;

TEST_CASE("the default profile takes a size that the network accepts") {
  const ir::Graph any = ops::parse_graph(R"(graph "any" {
  %x: f32[n, 3] = input
  %y = Relu(%x) "r"
  return %y
}
)");
  CHECK(builder::default_profile(any).inputs[0].opt == ir::Dims{1, 3});
  const ir::Graph rows = ops::parse_graph(R"(graph "rows" {
  %x: f32[n, 3] = input
  %t: i64[2] = {-1, 48}
  %y = Reshape(%x, %t) "r"
  return %y
}
)");
  const plan::Profile p = builder::default_profile(rows);
  CHECK(p.inputs[0].min == ir::Dims{0, 3});
  CHECK(p.inputs[0].opt == ir::Dims{16, 3});
  CHECK(p.inputs[0].max == ir::Dims{INT32_MAX, 3});
  CHECK_NOTHROW(builder::build(rows, {}));
  const plan::Profile given = builder::default_profile(rows, {{"x", {{}, {48, 3}, {96, 3}}}});
  CHECK(given.inputs[0].min == ir::Dims{0, 3});
  CHECK(given.inputs[0].opt == ir::Dims{48, 3});
  CHECK(given.inputs[0].max == ir::Dims{96, 3});
  CHECK(builder::default_profile(rows, {{"x", {{16, 3}, {}, {}}}}).inputs[0].opt == ir::Dims{16, 3});
  CHECK_THROWS_WITH(builder::default_profile(rows, {{"z", {}}}), "the model has no input called 'z'");
}
