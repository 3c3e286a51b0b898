#include <doctest/doctest.h>

#include "import/onnx/import.h"
#include "ir/verify.h"
#include "onnx/testing.h"
#include "ops/op.h"

using namespace tenon;
using namespace tenon::onnx::testing;
using importer::ImportError;

namespace {

using Strings = std::vector<std::string>;

onnx::Model read(const Bytes& b) { return onnx::load_bytes(span_of(b)); }

ir::Graph import_model(const Bytes& b) {
  ir::Graph g = importer::import_onnx(read(b));
  ir::verify(g, true);
  return g;
}

std::vector<ImportError> errors_of(const Bytes& b, const importer::OnnxOptions& options = {}) {
  ir::Graph g;
  return importer::import_onnx_into(read(b), g, options);
}

std::string error_of(const Bytes& b) {
  try {
    import_model(b);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Strings ops_of(const ir::Graph& g) {
  Strings out;
  for (ir::NodeId n : g.topological_order()) out.push_back(g.node(n).op);
  return out;
}

std::string shape_of(const ir::Graph& g, ir::ValueId v) {
  Strings dims;
  for (ir::Dim d : g.value(v).shape) dims.push_back(g.symbols->text(d));
  return join(dims, ",");
}

GraphParts chain(std::vector<Bytes> nodes) {
  return {.nodes = std::move(nodes), .inputs = {float_value("x", {"N", 3})}, .outputs = {float_value("y", {"N", 3})}};
}

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a chain becomes core nodes with the model's names and symbolic dims") {
  const ir::Graph g =
      import_model(model(chain({node("Relu", {"x"}, {"h"}, {}, {.name = "first"}), node("Tanh", {"h"}, {"y"})})));
  CHECK(ops_of(g) == Strings{"Relu", "Tanh"});
  CHECK(g.value(g.inputs.at(0)).name == "x");
  CHECK(g.value(g.outputs.at(0)).name == "y");
  CHECK(g.find("h") != ir::kNone);
  CHECK(shape_of(g, g.outputs[0]) == "N,3");
  CHECK(g.node(0).origin == "first");
  CHECK(g.node(1).name == "Tanh_1");
}

TEST_CASE("inputs: equal names are equal dims, no name is a symbol of its own") {
  const Bytes unknown = value("b", tensor_type(1, {"N", "batch size/2"}));
  const Bytes odd = value("c", tensor_type(1, {"batch size_2", ""}));
  const ir::Graph g = import_model(model({.nodes = {node("Relu", {"a"}, {"y"})},
                                          .inputs = {float_value("a", {"N", ""}), unknown, odd},
                                          .outputs = {float_value("y", {})}}));
  const auto& a = g.value(g.inputs[0]).shape;
  const auto& b = g.value(g.inputs[1]).shape;
  const auto& c = g.value(g.inputs[2]).shape;
  CHECK(a[0] == b[0]);
  CHECK(!(a[1] == c[1]));
  CHECK(!(b[1] == c[0]));
  for (ir::Dim d : {a[1], b[1], c[0], c[1]}) CHECK(g.symbols->parse(g.symbols->text(d)) == d);
}

TEST_CASE("initializers are constants, also those that are inputs too") {
  const ir::Graph g = import_model(model({.nodes = {node("Concat", {"x", "w"}, {"y"}, {attribute("axis", 0)})},
                                          .inputs = {float_value("x", {"N", 2}), float_value("w", {1, 2})},
                                          .outputs = {float_value("y", {})},
                                          .initializers = {tensor("w", {1, 2}, {1, 2})}},
                                         {.ir_version = 3}));
  CHECK(g.inputs.size() == 1);
  CHECK(g.constant(g.find("w"))->get(1) == 2);
}

TEST_CASE("shape arithmetic on constants folds while importing") {
  const ir::Graph g = import_model(
      model({.nodes = {node("Shape", {"x"}, {"s"}), node("Gather", {"s", "i"}, {"n"}),
                       node("Concat", {"n", "m"}, {"t"}, {attribute("axis", 0)}), node("Reshape", {"x", "t"}, {"y"})},
             .inputs = {float_value("x", {2, 3, 4})},
             .outputs = {float_value("y", {2, 12})},
             .initializers = {tensor_i64("i", {1}, {0}), tensor_i64("m", {1}, {-1})}}));
  CHECK(ops_of(g) == Strings{"Reshape"});
  CHECK(shape_of(g, g.outputs[0]) == "2,12");
}

TEST_CASE("outputs keep their names where they alias an input, a constant or each other") {
  const ir::Graph g = import_model(
      model({.nodes = {node("Identity", {"x"}, {"a"}), node("Relu", {"x"}, {"h"}), node("Relu", {"h"}, {"r"})},
             .inputs = {float_value("x", {2})},
             .outputs = {float_value("a", {2}), float_value("w", {2}), float_value("r", {2}), float_value("h", {2}),
                         float_value("x", {2})},
             .initializers = {tensor("w", {2}, {1, 2})}}));
  REQUIRE(g.outputs.size() == 5);
  CHECK(g.value(g.outputs[0]).name == "a");
  CHECK(g.value(g.outputs[2]).name == "r");
  CHECK(g.value(g.outputs[3]).name == "h");
  CHECK(g.value(g.inputs[0]).name == "x");
  const auto y = ops::eval_graph(g, {ir::Tensor::of<double>(ir::DType::kF32, {2}, std::vector<double>{-3, 4})}, false);
  CHECK(y[0].to_doubles() == std::vector<double>{-3, 4});
  CHECK(y[1].to_doubles() == std::vector<double>{1, 2});
  CHECK(y[2].to_doubles() == std::vector<double>{0, 4});
}

TEST_CASE("nodes in any order are sorted; cycles and double definitions are named") {
  const ir::Graph g = import_model(model(chain({node("Tanh", {"h"}, {"y"}), node("Relu", {"x"}, {"h"})})));
  CHECK(ops_of(g) == Strings{"Relu", "Tanh"});
  const std::string cycle =
      error_of(model(chain({node("Relu", {"b"}, {"a"}, {}, {.name = "p"}),
                            node("Tanh", {"a"}, {"b"}, {}, {.name = "q"}), node("Relu", {"x"}, {"y"})})));
  check_has(cycle, "the graph has a cycle: ");
  check_has(cycle, "node 0 \"p\" (Relu)");
  check_has(cycle, "node 1 \"q\" (Tanh)");
  check_has(error_of(model(chain({node("Relu", {"y"}, {"y"})}))), "cycle: node 0 (Relu) -> node 0 (Relu)");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"y"}), node("Tanh", {"x"}, {"y"})}))),
            "\"y\" is defined by node 0 (Relu) and again by node 1 (Tanh)");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"x"}), node("Tanh", {"x"}, {"y"})}))), "cycle");
}

TEST_CASE("a value defined by a node and an input or twice as input is refused") {
  check_has(error_of(model({.nodes = {node("Relu", {"w"}, {"x"}), node("Relu", {"x"}, {"y"})},
                            .inputs = {float_value("x", {1}), float_value("w", {1})},
                            .outputs = {float_value("y", {1})}})),
            "value \"x\" is defined twice");
  check_has(
      error_of(model(
          {.nodes = {}, .inputs = {}, .outputs = {}, .initializers = {tensor("w", {1}, {1}), tensor("w", {1}, {1})}})),
      "initializer \"w\" is defined twice");
}

TEST_CASE("an unknown operator names node, operator, domain and opset; all are collected") {
  const Bytes b = model(chain({node("Frobnicate", {"x"}, {"a"}, {}, {.name = "n0"}), node("Relu", {"a"}, {"b"}),
                               node("Warp", {"b"}, {"y"}, {}, {.name = "n2", .domain = "com.example"})}));
  const auto errors = errors_of(b);
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].text() ==
        "node 0 \"n0\" (Frobnicate): unknown operator Frobnicate of domain ai.onnx at opset 17: neither built in, nor "
        "a function of the model, nor a plugin");
  CHECK(errors[0].code == ErrorCode::kUnsupported);
  CHECK(errors[0].node == 0);
  CHECK(errors[0].op_type == "Frobnicate");
  CHECK(errors[1].node == 2);
  CHECK(errors[1].node_name == "n2");
  check_has(errors[1].text(), "domain com.example at opset 1");
  check_has(error_of(b), "2 errors:\n  node 0");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"y"}, {}, {.domain = "com.example"})}))),
            "domain ai.onnx has an operator of this name");
}

TEST_CASE("an unknown operator may be taken by the caller") {
  importer::OnnxOptions options;
  options.unknown_operator = [](ops::ImportContext& c) {
    if (c.node_op() != "MyRelu") return false;
    c.output(0, c.add("Relu", {c.required(0)}));
    return true;
  };
  const auto ours = [](const char* op) { return model(chain({node(op, {"x"}, {"y"}, {}, {.domain = "mine"})})); };
  CHECK(errors_of(ours("MyRelu"), options).empty());
  CHECK(errors_of(ours("Other"), options).size() == 1);
}

TEST_CASE("a failing node is reported once, with its place; what follows from it is not") {
  const auto errors = errors_of(model(chain({node("Relu", {"nothing"}, {"a"}, {}, {.name = "bad"}),
                                             node("Tanh", {"a"}, {"b"}), node("Tanh", {"b"}, {"y"})})));
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].text() ==
        "node 0 \"bad\" (Relu): input 0 is \"nothing\", which no node, input or initializer defines");
  check_has(error_of(model(chain({node("Relu", {""}, {"y"})}))), "node 0 (Relu): input 0 is required");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"y", "z"})}))), "Relu has no output 1 (\"z\")");
  check_has(error_of(model(chain({}))), "graph output \"y\" is defined by no node, input or initializer");
}

TEST_CASE("operator set versions are checked") {
  const auto at = [](int64_t v) {
    return error_of(model(chain({node("Relu", {"x"}, {"y"})}), {.opsets = {opset(v)}}));
  };
  CHECK(at(7) == "");
  CHECK(at(25) == "");
  check_has(at(6), "operator set ai.onnx is version 6, versions 7 to 25 are accepted");
  check_has(at(26), "versions 7 to 25 are accepted");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"y"})}), {.opsets = {opset(9), opset(11)}})),
            "as version 9 and as version 11");
  check_has(error_of(model(chain({node("Relu", {"x"}, {"y"})}), {.opsets = {opset(1, "other")}})),
            "operator set ai.onnx is not imported");
}

TEST_CASE("functions are inlined, with attributes from the call or the default") {
  const Bytes f = function({.name = "Join",
                            .domain = "local",
                            .inputs = {"a", "b"},
                            .outputs = {"out"},
                            .nodes = {node("Relu", {"a"}, {"t"}),
                                      node("Concat", {"t", "b"}, {"out"}, {reference_attribute("axis", "dim", 2)})},
                            .opsets = {opset(17)},
                            .defaults = {attribute("dim", 1)}});
  const auto call = [&](const std::vector<Bytes>& attributes) {
    return model(chain({node("Join", {"x", "x"}, {"y"}, attributes, {.name = "call", .domain = "local"})}),
                 {.opsets = {opset(17), opset(1, "local")}, .functions = {f}});
  };
  const ir::Graph g = import_model(call({attribute("dim", 0)}));
  CHECK(ops_of(g) == Strings{"Relu", "Concat"});
  CHECK(shape_of(g, g.outputs[0]) == "(N * 2),3");
  CHECK(g.node(0).name == "call/Relu_0");
  CHECK(g.find("call/t") != ir::kNone);
  CHECK(shape_of(import_model(call({})), import_model(call({})).outputs[0]) == "N,6");
}

TEST_CASE("a function that calls itself is refused, and calls that multiply are bounded") {
  const auto fn = [](const char* name, std::vector<Bytes> nodes) {
    return function({.name = name,
                     .domain = "l",
                     .inputs = {"a"},
                     .outputs = {"b"},
                     .nodes = std::move(nodes),
                     .opsets = {opset(17)}});
  };
  const auto call = [](const std::string& name, const char* in, const char* out) {
    return node(name, {in}, {out}, {}, {.domain = "l"});
  };
  const auto import_calling = [&](const char* name, std::vector<Bytes> functions) {
    return error_of(model(chain({call(name, "x", "y")}), {.opsets = {opset(17)}, .functions = std::move(functions)}));
  };
  check_has(import_calling("F", {fn("F", {call("G", "a", "b")}), fn("G", {call("F", "a", "b")})}),
            "function F calls itself: F -> G -> F");
  check_has(import_calling("F", {fn("F", {node("Nope", {"a"}, {"b"})})}),
            "node 0 (l.F): node 0 (Nope): unknown operator Nope");
  std::vector<Bytes> bomb{fn("F0", {node("Identity", {"a"}, {"b"})})};
  for (int i = 1; i <= 40; ++i) {
    const std::string name = cat("F", i), inner = cat("F", i - 1);
    bomb.push_back(fn(name.c_str(), {call(inner, "a", "m"), call(inner, "m", "b")}));
  }
  importer::OnnxOptions small;
  small.max_nodes = 2000;
  const auto errors =
      errors_of(model(chain({call("F40", "x", "y")}), {.opsets = {opset(17)}, .functions = bomb}), small);
  REQUIRE(!errors.empty());
  check_has(errors[0].text(), "more than 2000 nodes");
}

TEST_CASE("inputs without an element type or of other kinds are refused") {
  const Bytes sequence = Message().text(onnx::type_field::kSequence, Message().text(1, tensor_type(1, {})).bytes());
  const auto with = [](const Bytes& type) {
    return error_of(model({.nodes = {}, .inputs = {value("x", type)}, .outputs = {}}));
  };
  check_has(with(sequence), "input \"x\" is a seq(tensor(f32)[])");
  check_has(with(Bytes()), "input \"x\" has no element type");
  check_has(with(tensor_type(0, {1})), "input \"x\" has no element type");
  check_has(error_of(model({.nodes = {}, .inputs = {float_value("x", {1})}, .outputs = {}})),
            "the model's graph has no outputs");
}

TEST_CASE("importing adds to a graph that has content") {
  ir::Graph g;
  const ir::ValueId own = g.add_input("own", ir::DType::kF32, {1});
  CHECK(importer::import_onnx_into(read(model(chain({node("Relu", {"x"}, {"y"})}))), g).empty());
  CHECK(g.inputs.size() == 2);
  CHECK(g.value(own).name == "own");
  ir::verify(g, true);
}
