#include <doctest/doctest.h>

#include "import/onnx/import.h"
#include "ir/verify.h"
#include "onnx/testing.h"
#include "ops/op.h"

using namespace tenon;
using namespace tenon::onnx::testing;

namespace {

using Doubles = std::vector<double>;
constexpr int kBool = 9, kI64 = 7;

/// Whether no body in the graph holds erased nodes: plans have no place for them.
bool bodies_are_compact(const ir::Graph& g) {
  for (ir::NodeId n = 0; n < g.node_count(); ++n) {
    if (!g.node(n).alive) return false;
    for (const ir::Field& f : g.node(n).attrs.schema().fields)
      if (f.kind == ir::FieldKind::kGraph)
        if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(g.node(n).attrs.data()); body)
          if (!bodies_are_compact(*body)) return false;
  }
  return true;
}

ir::Graph import_model(const GraphParts& parts) {
  const Bytes b = model(parts);
  ir::Graph g = importer::import_onnx(onnx::load_bytes(span_of(b)));
  ir::verify(g, true);
  CHECK(bodies_are_compact(g));
  ops::infer(g);
  ir::verify(g, true);
  return g;
}

std::string error_of(const GraphParts& parts) {
  try {
    import_model(parts);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

ir::Tensor make(ir::DType type, ir::Dims dims, const Doubles& v) {
  return ir::Tensor::of<double>(type, std::move(dims), v);
}
ir::Tensor f32(ir::Dims dims, const Doubles& v) { return make(ir::DType::kF32, std::move(dims), v); }
ir::Tensor flag(bool v) { return make(ir::DType::kBool, {}, {double(v)}); }

std::string shape_of(const ir::Graph& g, size_t output) {
  std::vector<std::string> dims;
  for (ir::Dim d : g.value(g.outputs[output]).shape) dims.push_back(d.is_const() ? cat(d.constant()) : "?");
  return join(dims, ",");
}

size_t live_nodes(const ir::Graph& g) { return g.topological_order().size(); }

/// if (c) y = Relu(x) else y = Concat(x, k)
GraphParts if_model() {
  const Bytes yes = graph({.nodes = {node("Relu", {"x"}, {"t"})}, .inputs = {}, .outputs = {float_value("t", {})}});
  const Bytes no = graph({.nodes = {node("Concat", {"x", "k", "z"}, {"e"}, {attribute("axis", 0)})},
                          .inputs = {},
                          .outputs = {float_value("e", {})},
                          .initializers = {tensor("k", {1}, {7})}});
  return {
      .nodes = {node("Identity", {"zin"}, {"z"}),
                node("If", {"c"}, {"y"}, {graph_attribute("then_branch", yes), graph_attribute("else_branch", no)})},
      .inputs = {float_value("x", {2}), value("c", tensor_type(kBool, {})), float_value("zin", {"n"})},
      .outputs = {float_value("y", {})}};
}

Bytes counting_body(std::vector<Bytes> nodes, std::vector<Bytes> outputs,
                    std::vector<Bytes> states = {float_value("s", {})}) {
  std::vector<Bytes> inputs{value("i", tensor_type(kI64, {})), value("c", tensor_type(kBool, {}))};
  inputs.insert(inputs.end(), states.begin(), states.end());
  return graph({.nodes = std::move(nodes), .inputs = std::move(inputs), .outputs = std::move(outputs)});
}
const Bytes kUntyped = Message().text(1, "s");

/// s grows by x each iteration; element: the state after it, and the iteration.
GraphParts growing_loop(bool constant_trips) {
  const Bytes body =
      counting_body({node("Concat", {"s", "x"}, {"s2"}, {attribute("axis", 0)}), node("Shape", {"s"}, {"len"}),
                     node("Identity", {"c"}, {"c2"}), node("Identity", {"i"}, {"i2"})},
                    {value("c2", tensor_type(kBool, {})), float_value("s2", {"m"}),
                     value("len", tensor_type(kI64, {1})), value("i2", tensor_type(kI64, {}))},
                    {Message().text(1, "s")});
  GraphParts p{
      .nodes = {node("Loop", {"n", "", "x"}, {"y", "lens", "is"}, {graph_attribute("body", body)})},
      .inputs = {float_value("x", {2})},
      .outputs = {float_value("y", {}), value("lens", tensor_type(kI64, {})), value("is", tensor_type(kI64, {}))}};
  if (constant_trips)
    p.initializers = {tensor_i64("n", {}, {3})};
  else
    p.inputs.push_back(value("n", tensor_type(kI64, {})));
  return p;
}

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("If takes a branch at run time; its captures are inputs, its types what branches share") {
  const ir::Graph g = import_model(if_model());
  CHECK(shape_of(g, 0) == "?");
  const std::vector<ir::Tensor> no{f32({2}, {-1, 2}), flag(false), f32({1}, {9})},
      yes{f32({2}, {-1, 2}), flag(true), f32({1}, {9})};
  CHECK(ops::eval_graph(g, yes, false)[0].to_doubles() == Doubles{0, 2});
  const auto y = ops::eval_graph(g, no, true)[0];
  CHECK(y.to_doubles() == Doubles{-1, 2, 7, 9});
  CHECK(y.dtype() == ir::DType::kF64);
}

TEST_CASE("If with a constant condition leaves the branch taken alone") {
  GraphParts p = if_model();
  p.initializers = {raw_tensor("c", kBool, {}, std::string("\1"))};
  const ir::Graph g = import_model(p);
  CHECK(shape_of(g, 0) == "2");
  CHECK(g.value(g.outputs[0]).name == "y");
  for (ir::NodeId n : g.topological_order()) CHECK(g.node(n).op != "If");
}

TEST_CASE("errors in branches name the way to them") {
  const Bytes bad = graph(
      {.nodes = {node("Frob", {"x"}, {"t"}, {}, {.name = "f"})}, .inputs = {}, .outputs = {float_value("t", {})}});
  const Bytes good = graph({.nodes = {node("Relu", {"x"}, {"t"})}, .inputs = {}, .outputs = {float_value("t", {})}});
  const auto with = [](const Bytes& t, const Bytes& e) {
    GraphParts p = if_model();
    p.nodes[1] = node("If", {"c"}, {"y"}, {graph_attribute("then_branch", t), graph_attribute("else_branch", e)});
    return error_of(p);
  };
  check_has(with(bad, good), "node 1 (If): then_branch: node 0 \"f\" (Frob): unknown operator Frob");
  const Bytes cyclic = graph({.nodes = {node("Relu", {"t"}, {"t"})}, .inputs = {}, .outputs = {float_value("t", {})}});
  check_has(with(good, cyclic), "node 1 (If): else_branch: the graph has a cycle");
  check_has(with(good, graph({})), "the branches have 1 and 0 outputs");
}

TEST_CASE("Loop carries a growing state and stacks elements") {
  for (const bool constant : {true, false}) {
    const ir::Graph g = import_model(growing_loop(constant));
    CHECK(shape_of(g, 0) == "?");
    CHECK(shape_of(g, 2) == (constant ? "3" : "?"));
    std::vector<ir::Tensor> inputs{f32({2}, {1, 2})};
    if (!constant) inputs.push_back(make(ir::DType::kI64, {}, {3}));
    const auto y = ops::eval_graph(g, inputs, false);
    CHECK(y[0].to_doubles() == Doubles{1, 2, 1, 2, 1, 2, 1, 2});
    CHECK(y[1].dims() == ir::Dims{3, 1});
    CHECK(y[1].to_doubles() == Doubles{2, 4, 6});
    CHECK(y[2].to_doubles() == Doubles{0, 1, 2});
  }
  const ir::Graph g = import_model(growing_loop(false));
  const auto none = ops::eval_graph(g, {f32({2}, {1, 2}), make(ir::DType::kI64, {}, {-1})}, false);
  CHECK(none[0].to_doubles() == Doubles{1, 2});
  CHECK(none[1].dims() == ir::Dims{0, 1});
}

TEST_CASE("Loop ends by its condition, and one that cannot end is refused") {
  const Bytes body = counting_body(
      {node("Gather", {"flags", "i"}, {"go"}), node("Relu", {"s"}, {"s2"}), node("Identity", {"s"}, {"e"})},
      {value("go", tensor_type(kBool, {})), float_value("s2", {1}), float_value("e", {1})});
  GraphParts p{.nodes = {node("Loop", {"", "", "x"}, {"y", "es"}, {graph_attribute("body", body)})},
               .inputs = {float_value("x", {1}), value("flags", tensor_type(kBool, {4}))},
               .outputs = {float_value("y", {1}), float_value("es", {})}};
  const ir::Graph g = import_model(p);
  CHECK(shape_of(g, 0) == "1");
  const auto y = ops::eval_graph(g, {f32({1}, {-5}), make(ir::DType::kBool, {4}, {1, 1, 0, 1})}, false);
  CHECK(y[0].to_doubles() == Doubles{0});
  CHECK(y[1].to_doubles() == Doubles{-5, 0, 0});
  const Bytes endless =
      counting_body({node("Relu", {"s"}, {"s2"})}, {value("c", tensor_type(kBool, {})), float_value("s2", {1})});
  p.nodes = {node("Loop", {"", "", "x"}, {"y"}, {graph_attribute("body", endless)})};
  p.outputs.pop_back();
  check_has(error_of(p), "it does not end");
}

TEST_CASE("bodies within bodies capture through each level") {
  const Bytes branch =
      graph({.nodes = {node("Concat", {"x", "s"}, {"t"}, {attribute("axis", 0)}), node("Gather", {"t", "pick"}, {"u"})},
             .inputs = {},
             .outputs = {float_value("u", {})}});
  const Bytes body = counting_body(
      {node("If", {"flag"}, {"s2"}, {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)})},
      {value("c", tensor_type(kBool, {})), float_value("s2", {1})});
  const ir::Graph g =
      import_model({.nodes = {node("Loop", {"n", "", "x"}, {"y"}, {graph_attribute("body", body)})},
                    .inputs = {float_value("x", {1}), value("flag", tensor_type(kBool, {})),
                               value("n", tensor_type(kI64, {})), value("pick", tensor_type(kI64, {1}))},
                    .outputs = {float_value("y", {1})}});
  CHECK(live_nodes(g) == 1);
  const auto y = ops::eval_graph(
      g, {f32({1}, {4}), flag(true), make(ir::DType::kI64, {}, {2}), make(ir::DType::kI64, {1}, {1})}, false);
  CHECK(y[0].to_doubles() == Doubles{4});
}

TEST_CASE("Scan walks axes in either direction and keeps a state") {
  const Bytes body = graph({.nodes = {node("Concat", {"s", "a"}, {"t"}, {attribute("axis", 0)}),
                                      node("Gather", {"t", "last"}, {"s2"}), node("Relu", {"a"}, {"e"})},
                            .inputs = {float_value("s", {1}), float_value("a", {2})},
                            .outputs = {float_value("s2", {1}), float_value("e", {2})},
                            .initializers = {tensor_i64("last", {1}, {-1})}});
  const ir::Graph g = import_model({.nodes = {node("Scan", {"s0", "x"}, {"s", "y"},
                                                   {graph_attribute("body", body), attribute("num_scan_inputs", 1),
                                                    attribute("scan_input_axes", std::vector<int64_t>{1}),
                                                    attribute("scan_input_directions", std::vector<int64_t>{1}),
                                                    attribute("scan_output_axes", std::vector<int64_t>{-1})})},
                                    .inputs = {float_value("s0", {1}), float_value("x", {2, "t"})},
                                    .outputs = {float_value("s", {1}), float_value("y", {2, "t"})}});
  CHECK(g.value(g.outputs[1]).shape == g.value(g.inputs[1]).shape);
  const auto y = ops::eval_graph(g, {f32({1}, {0}), f32({2, 3}, {1, -2, 3, 4, 5, 6})}, true);
  CHECK(y[0].to_doubles() == Doubles{4});
  CHECK(y[1].dims() == ir::Dims{2, 3});
  CHECK(y[1].to_doubles() == Doubles{3, 0, 1, 6, 5, 4});
}

TEST_CASE("bodies that do not fit their node are refused") {
  const Bytes body =
      counting_body({node("Relu", {"s"}, {"s2"})}, {value("c", tensor_type(kBool, {})), float_value("s2", {1})});
  const auto with = [&](std::vector<std::string> in, std::vector<std::string> out) {
    return error_of({.nodes = {node("Loop", in, out, {graph_attribute("body", body)})},
                     .inputs = {float_value("x", {1}), value("n", tensor_type(kI64, {}))},
                     .outputs = {float_value("y", {})}});
  };
  CHECK(with({"n", "", "x"}, {"y"}) == "");
  check_has(with({"n", ""}, {"y"}), "the body has 3 inputs, the node has 2");
  check_has(with({"n", "", "x", "x"}, {"y", "z"}), "the body has");
  check_has(with({"n", "", "x"}, {"y", "z"}), "the body has 2 outputs");
  check_has(with({"n"}, {"y"}), "at least 2 are needed");
  check_has(with({"x", "", "x"}, {"y"}), "the trip count is not i64");
}
