#include <doctest/doctest.h>

#include "import/onnx/import.h"
#include "ir/verify.h"
#include "onnx/testing.h"
#include "ops/op.h"

using namespace tenon;
using namespace tenon::onnx::testing;

namespace {

using Doubles = std::vector<double>;
using Names = std::vector<std::string>;

/// Outputs of a model with the input x = iota(dims), an initializer for each number k0…k3 and -1 ("last"), nodes.
std::vector<ir::Tensor> run(std::vector<Bytes> nodes, const Names& outputs, std::vector<Dim> dims = {5, 2}) {
  GraphParts p{
      .nodes = std::move(nodes), .inputs = {float_value("x", dims), value("flag", tensor_type(9, {}))}, .outputs = {}};
  for (const auto& o : outputs) p.outputs.push_back(value(o, Bytes()));
  for (int k = 0; k < 4; ++k) p.initializers.push_back(tensor_i64(cat("k", k), {}, {k}));
  p.initializers.push_back(tensor_i64("last", {}, {-1}));
  p.initializers.push_back(tensor_i64("sizes", {2}, {4, 1}));
  const ir::Graph g = importer::import_onnx(onnx::load_bytes(span_of(model(p, {.opsets = {opset(18)}}))));
  ir::verify(g, true);
  ir::Tensor x(ir::DType::kF32, {dims[0].value, dims[1].value}), flag(ir::DType::kBool, {});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, double(i));
  return ops::eval_graph(g, {x, flag}, false);
}

std::string error_of(std::vector<Bytes> nodes, const Names& outputs, std::vector<Dim> dims = {5, 2}) {
  try {
    run(std::move(nodes), outputs, std::move(dims));
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Bytes split(std::vector<std::string> in, std::vector<Bytes> attributes = {}) {
  return node("SplitToSequence", in, {"s"}, attributes);
}
Bytes at(const char* position, const char* out) { return node("SequenceAt", {"s", position}, {out}); }

void check_has(const std::string& text, std::string_view part) {
  INFO("\"", text, "\" lacks \"", std::string(part), "\"");
  CHECK(text.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("tensors are split into sequences by size, by sizes and one by one") {
  auto y =
      run({split({"x", "k2"}), at("k0", "a"), at("last", "b"), node("SequenceLength", {"s"}, {"n"})}, {"a", "b", "n"});
  CHECK(y[0].to_doubles() == Doubles{0, 1, 2, 3});
  CHECK(y[1].to_doubles() == Doubles{8, 9});
  CHECK(y[2].get_int(0) == 3);
  y = run({split({"x", "sizes"}), at("last", "b")}, {"b"});
  CHECK(y[0].dims() == ir::Dims{1, 2});
  y = run({split({"x"}, {attribute("keepdims", 0), attribute("axis", -1)}), at("k1", "b")}, {"b"});
  CHECK(y[0].dims() == ir::Dims{5});
  CHECK(y[0].to_doubles() == Doubles{1, 3, 5, 7, 9});
  check_has(error_of({split({"x"}), at("k0", "a")}, {"a"}, {"n", 2}), "the number of parts is not known");
  check_has(error_of({split({"x", "k0"}), at("k0", "a")}, {"a"}), "parts have size 0");
  check_has(error_of({split({"x", "k3"}), at("k2", "a")}, {"a"}), "position 2 lies outside a sequence of 2");
}

TEST_CASE("sequences are built, changed and joined") {
  const auto y = run({node("SequenceEmpty", {}, {"e"}), node("SequenceInsert", {"e", "x"}, {"s1"}),
                      node("Relu", {"x"}, {"r"}), node("SequenceInsert", {"s1", "r", "k0"}, {"s2"}),
                      node("SequenceConstruct", {"x", "r", "x"}, {"t"}), node("SequenceErase", {"t", "k1"}, {"u"}),
                      node("Identity", {"u"}, {"v"}), node("ConcatFromSequence", {"s2"}, {"a"}, {attribute("axis", 0)}),
                      node("ConcatFromSequence", {"v"}, {"b"}, {attribute("axis", -1), attribute("new_axis", 1)})},
                     {"a", "b"}, {1, 2});
  CHECK(y[0].dims() == ir::Dims{2, 2});
  CHECK(y[1].dims() == ir::Dims{1, 2, 2});
  CHECK(y[1].to_doubles() == Doubles{0, 0, 1, 1});
  check_has(
      error_of({node("SequenceEmpty", {}, {"e"}), node("ConcatFromSequence", {"e"}, {"a"}, {attribute("axis", 0)})},
               {"a"}),
      "the sequence is empty");
}

TEST_CASE("SequenceMap applies its body to each element, with captures") {
  const Bytes body = graph({.nodes = {node("Concat", {"e", "x"}, {"o"}, {attribute("axis", 0)})},
                            .inputs = {value("e", Bytes())},
                            .outputs = {value("o", Bytes())}});
  const auto y = run({split({"x", "sizes"}), node("SequenceMap", {"s"}, {"m"}, {graph_attribute("body", body)}),
                      node("SequenceAt", {"m", "last"}, {"a"})},
                     {"a"});
  CHECK(y[0].dims() == ir::Dims{6, 2});
}

TEST_CASE("a body reads elements of an outer sequence") {
  const Bytes yes =
      graph({.nodes = {node("SequenceAt", {"s", "k0"}, {"t"})}, .inputs = {}, .outputs = {value("t", Bytes())}});
  const Bytes no =
      graph({.nodes = {node("SequenceAt", {"s", "k1"}, {"e"})}, .inputs = {}, .outputs = {value("e", Bytes())}});
  const auto y =
      run({split({"x", "sizes"}),
           node("If", {"flag"}, {"a"}, {graph_attribute("then_branch", yes), graph_attribute("else_branch", no)})},
          {"a"});
  CHECK(y[0].to_doubles() == Doubles{8, 9});
}

TEST_CASE("optionals are resolved") {
  const auto y = run({node("Optional", {"x"}, {"o"}), node("OptionalHasElement", {"o"}, {"h"}),
                      node("OptionalGetElement", {"o"}, {"a"}), node("Optional", {}, {"n"}),
                      node("OptionalHasElement", {"n"}, {"no"}), node("Relu", {"a"}, {"r"})},
                     {"h", "no", "r"});
  CHECK(y[0].get_int(0) == 1);
  CHECK(y[1].get_int(0) == 0);
  CHECK(y[2].get(9) == 9);
  check_has(error_of({node("Optional", {}, {"n"}), node("OptionalGetElement", {"n"}, {"a"})}, {"a"}),
            "the optional is empty");
}

TEST_CASE("a sequence where a tensor is needed, and the reverse, is refused") {
  check_has(error_of({split({"x"}), node("Relu", {"s"}, {"a"})}, {"a"}),
            "node 1 (Relu): input 0 is a sequence, a tensor is accepted");
  check_has(error_of({split({"x"})}, {"s"}), "output \"s\" is a sequence, a tensor is accepted");
  check_has(error_of({node("SequenceLength", {"x"}, {"a"})}, {"a"}), "is no sequence");
}
