#include "runtime/expand.h"

#include <doctest/doctest.h>

#include "ir/sample.h"
#include "ops/op.h"
#include "ops/parse.h"

using namespace tenon;

TEST_CASE("operators made for processors are taken apart for other devices") {
  ir::Graph g = ops::parse_graph(R"tn(graph "net" {
  %x: f32[n, 5, 4, 3] = input
  %w: f32[6, 3, 1, 1] = random(1)
  %b: f32[6] = random(2)
  %v: f32[6, 1, 3, 3] = random(3)
  %c: f32[6] = random(4)
  %y = ExpandDepthwise(%x, %w, %b, %v, %c) {strides = [2, 1], pads = [1, 0, 1, 1], inner = "relu(i0)", outer = "silu(i0)"
}
"y" % z = ExpandDepthwise(% x, % w, _, % v) { strides = [ 1, 1 ], pads = [ 1, 1, 1, 1 ] }
"z" return % y, % z
}
)tn");
  Xorshift random(1);
  const std::vector<ir::Tensor> x{ir::random_tensor(ir::DType::kF32, {2, 5, 4, 3}, random)};
  const auto want = ops::eval_graph(g, x, true);
  CHECK(runtime::expand_for_host(g) == 0);
  CHECK(runtime::expand_for_device(g) == 2);
  for (ir::NodeId n : g.topological_order()) CHECK(g.node(n).op == "Conv");
  const auto got = ops::eval_graph(g, x, true);
  for (size_t i = 0; i < 2; ++i) CHECK(ir::relative_error(got[i], want[i]) == 0);
}
