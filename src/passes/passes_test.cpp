#include "passes/passes.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "ops/op.h"
#include "ops/parse.h"
#include "passes/fold.h"
#include "passes/min_cut.h"
#include "passes/rewrite.h"

using namespace tenon;

namespace {

const char* const kBlock = R"tn(graph "block" {
  %x: f32[n, 3, 8, 8] = input
  %w: f32[4, 3, 3, 3] = random(1)
  %v: f32[4, 4, 1, 1] = random(2)
  %scale: f32[4] = random(3, 0.5, 1)
  %bias: f32[4] = random(4)
  %mean: f32[4] = random(5)
  %variance: f32[4] = random(6, 0.5, 1)
  %p = Conv(%x, %w) {strides = [1, 1], dilations = [1, 1], pads = [1, 1, 1, 1]} "stem"
  %a = Relu(%p) "stem_relu"
  %b = Conv(%a, %v) {strides = [1, 1], dilations = [1, 1], pads = [0, 0, 0, 0]} "conv"
  %c = BatchNormalization(%b, %scale, %bias, %mean, %variance) "norm"
  %s = Sigmoid(%c) "sigmoid"
  %d = Mul(%c, %s) "silu"
  %e = Add(%d, %a) "residual"
  %y = Relu(%e) "relu"
  return %y
})tn";

std::string ops_of(const ir::Graph& g) {
  std::string out;
  for (ir::NodeId n : g.topological_order()) out += (out.empty() ? "" : " ") + g.node(n).op;
  return out;
}

std::string error_of(ir::Graph g, const passes::PassOptions& options) {
  try {
    passes::run_passes(g, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("passes: a residual block becomes two convolutions") {
  const ir::Graph before = ops::parse_graph(kBlock);
  ir::Graph after = before.clone();
  std::vector<std::string> seen;
  passes::PassOptions options;
  options.observe = [&](std::string_view pass, const ir::Graph&) { seen.emplace_back(pass); };
  const auto reports = passes::run_passes(after, options);
  CHECK(ops_of(after) == "Transpose Conv Conv Transpose");
  CHECK(seen.size() == passes::pipeline().size());
  CHECK(after.value(after.outputs[0]).name == "y");
  const std::string text = passes::print(reports, true);
  CHECK(text.find("fuse_epilogue: 2 changes") != std::string::npos);
  CHECK(reports.back().transposes == 2);
  CHECK(text.find("takes Pointwise, Add, Relu as epilogue") != std::string::npos);
  ir::Tensor x(ir::DType::kF32, {2, 3, 8, 8});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, double(i * 37 % 101) / 50 - 1);
  const auto a = ops::eval_graph(before, {x}, true)[0].to_doubles(),
             b = ops::eval_graph(after, {x}, true)[0].to_doubles();
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
}

TEST_CASE("passes: options choose passes and name what is unknown") {
  ir::Graph g = ops::parse_graph(kBlock);
  passes::PassOptions options;
  options.stop_after = "fold_weights";
  options.disabled = {"recognize_activations"};
  const auto reports = passes::run_passes(g, options);
  CHECK(reports.back().pass == "fold_weights");
  CHECK(ops_of(g) == "Conv Relu Conv Sigmoid Mul Add Relu");
  options = {};
  options.only = {"dead_code"};
  CHECK(passes::run_passes(g, options).size() >= 1);
  options.only = {"no_such_pass"};
  CHECK(error_of(ops::parse_graph(kBlock), options)
            .find("there is no pass called 'no_such_pass', accepted are expand_einsum") != std::string::npos);
  options = {};
  options.cancelled = [] { return true; };
  CHECK(error_of(ops::parse_graph(kBlock), options).find("cancelled before pass expand_einsum") == 0);
}

TEST_CASE("passes: a broken graph is reported with the pass and the node") {
  ir::Graph g = ops::parse_graph("graph { %x: f32[2] = input\n %y = Relu(%x) \"first\"\n return %y }");
  const passes::Pass broken{"breaks_types", [](ir::Graph& graph, passes::PassContext&) {
                              graph.value(graph.inputs[0]).ranked = false;
                              return 1;
                            }};
  CHECK_THROWS_WITH_AS(passes::run_pass(g, broken, {}),
                       "pass breaks_types: node 'first' (Relu): the shape of input 'x' is not known", Error);
}

TEST_CASE("passes: recipes of folded weights lead back to the model's") {
  ir::Graph g = ops::parse_graph(kBlock);
  passes::run_passes(g, {});
  int weights = 0;
  for (ir::NodeId n : g.topological_order()) {
    if (g.node(n).op != "Conv" || g.node(n).inputs.size() < 4) continue;
    std::vector<std::string> work{g.value(g.node(n).inputs[1]).name}, sources;
    while (!work.empty()) {
      const std::string name = work.back();
      work.pop_back();
      const auto it = g.metadata.find("fold:" + name);
      if (it == g.metadata.end()) {
        sources.push_back(name);
        continue;
      }
      for (const std::string& operand : ir::referenced_names(it->second))
        if (operand != name) work.push_back(operand);
    }
    ++weights;
    CHECK(std::find(sources.begin(), sources.end(), "v") != sources.end());
    CHECK(std::find(sources.begin(), sources.end(), "variance") != sources.end());
  }
  CHECK(weights == 1);
}

TEST_CASE("rules: a list that never ends is stopped") {
  ir::Graph g = ops::parse_graph("graph { %x: f32[2] = input\n %y = Relu(%x)\n return %y }");
  static constexpr passes::Rule kRules[] = {{"Relu", [](const ir::Graph& graph, ir::NodeId n) -> passes::Match {
                                               ir::Patch p(graph, "again");
                                               p.replace(graph.node(n).outputs[0],
                                                         p.node("Relu", graph.node(n).inputs));
                                               return p;
                                             }}};
  passes::PassOptions options;
  passes::PassContext context(options);
  CHECK_THROWS_WITH_AS(passes::apply_rules(g, context, kRules), "rules do not come to an end; the last says: again",
                       Error);
}

TEST_CASE("min cut: the largest source side among the cheapest") {
  passes::MinCut cut;
  const int a = cut.add_vertex(), b = cut.add_vertex(), c = cut.add_vertex();
  cut.add_edge(passes::MinCut::kSource, a, 3, 3);
  cut.add_edge(a, b, 2, 2);
  cut.add_edge(b, c, 2, 2);
  cut.add_edge(c, passes::MinCut::kSink, 5, 5);
  const auto side = cut.solve();
  CHECK(side[size_t(a)]);
  CHECK(side[size_t(b)]);
  CHECK(!side[size_t(c)]);
}

TEST_CASE("fold: nodes that compute the same share one result") {
  ir::Graph g = ops::parse_graph(R"tn(graph {
    %x: f32[128, 64] = input
    %k: bool[128, 64] = random(1)
    %l: bool[128, 64] = random(2)
    %zero: f32[] = {0}
    %one: f32[] = {1}
    %same: f32[] = {1}
    %a = Where(%k, %zero, %one)
    %b = Where(%k, %zero, %same)
    %c = Where(%l, %zero, %one)
    %d = Where(%k, %one, %zero)
    %p = Mul(%x, %a)
    %q = Mul(%p, %b)
    %r = Mul(%q, %c)
    %y = Mul(%r, %d)
    return %y
  })tn");
  const ir::Graph before = g.clone();
  passes::PassOptions options;
  options.stop_after = "fold_constants";
  passes::run_passes(g, options);
  std::vector<const std::byte*> factors;
  for (ir::NodeId n : g.topological_order()) factors.push_back(g.constant(g.node(n).inputs[1])->data().data());
  REQUIRE(factors.size() == 4);
  CHECK(factors[0] == factors[1]);
  CHECK(factors[0] != factors[2]);
  CHECK(factors[0] != factors[3]);
  ir::Tensor x(ir::DType::kF32, {128, 64});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, double(i));
  CHECK(ops::eval_graph(before, {x}, true)[0] == ops::eval_graph(g, {x}, true)[0]);
}

TEST_CASE("fold: large tensors take the direct loops") {
  const ir::Graph g = ops::parse_graph(R"tn(graph {
    %x: f32[1] = input
    %w: f32[5, 3, 2, 2] = random(1)
    %s: f32[5, 1, 1, 1] = random(2)
    %t: f32[2] = random(3)
    %a = Mul(%w, %s)
    %b = Sub(%t, %w)
    %c = Transpose(%w) {perm = [2, 0, 3, 1]}
    %d = Cast(%w) {to = bf16}
    %e = Concat(%w, %w, %w) {axis = 1}
    %n: i64[4] = {5, 3, 4, 2}
    %u: f32[3, 1, 2] = random(4)
    %f = Expand(%u, %n)
    %h: bool[3, 1, 1] = {1, 0, 1}
    %i = Expand(%h, %n)
    %g = Where(%h, %w, %t)
    %k: bool[5, 1, 2, 2] = {1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1}
    %l = Where(%k, %s, %w)
    %zero: f32[] = {0}
    %one: f32[] = {1}
    %m = Where(%k, %zero, %one)
    %o: i64[2] = {1, 2}
    %p: i64[3, 1] = {4, 5, 6}
    %q: bool[] = {0}
    %r = Where(%q, %o, %p)
    return %x
  })tn");
  for (ir::NodeId n : g.topological_order()) {
    const ir::Node& node = g.node(n);
    std::vector<ir::Tensor> args;
    for (ir::ValueId v : node.inputs) args.push_back(*g.constant(v));
    const ir::Value& y = g.value(node.outputs[0]);
    const auto direct = passes::eval_large(node, args, y.dtype, ir::static_dims(y.shape));
    REQUIRE(direct.has_value());
    CHECK(*direct == ops::eval_node(node, args, {y.dtype})[0]);
  }
}
