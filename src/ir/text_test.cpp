#include "ir/text.h"

#include <doctest/doctest.h>

#include "ir/patch.h"
#include "ir/verify.h"

using namespace tenon;
using namespace tenon::ir;

namespace {

enum class Mode : int64_t { kLow, kHigh };
std::span<const std::string_view> enum_names(Mode) {
  static const std::string_view names[] = {"low", "high"};
  return names;
}

struct AllAttrs {
  int64_t count = 1;
  float scale = 1;
  bool flag = false;
  std::string text;
  DType to = DType::kF32;
  Mode mode = Mode::kLow;
  std::vector<int64_t> axes;
  std::vector<float> scales;
  std::vector<std::string> names;
  std::shared_ptr<Graph> body;
  Tensor tensor;
  static std::span<const Field> fields() {
    static const Field f[] = {
        field<&AllAttrs::count>("count"), field<&AllAttrs::scale>("scale"),   field<&AllAttrs::flag>("flag"),
        field<&AllAttrs::text>("text"),   field<&AllAttrs::to>("to"),         field<&AllAttrs::mode>("mode"),
        field<&AllAttrs::axes>("axes"),   field<&AllAttrs::scales>("scales"), field<&AllAttrs::names>("names"),
        field<&AllAttrs::body>("body"),   field<&AllAttrs::tensor>("tensor")};
    return f;
  }
};

ParseOptions options() {
  return {[](std::string_view op) -> const AttrSchema* {
            if (op == "All") return schema_of<AllAttrs>();
            return op == "Plain" ? schema_of<NoAttrs>() : nullptr;
          },
          {}};
}

const char* const kText = R"tn(graph "net" {
  meta "producer" = "a \"quoted\" name"
  %x: f32[batch, 3, ((h + 1) // 2), min(w, 7)] = input
  %"odd name": i64 = input
  %c: f32[4] = {0, 0.5, -1e-05, inf}
  %i: i64[2] = {-1, 9223372036854775807}
  %s: string[1] = {"a\nb"}
  %e: f32[0] = {}
  %y: f32[batch, 3], _, %z = All(%x, %c, _, %i, %s, %e) {count = 3, scale = 0.1, flag = true, text = "relu(i0)", to = bf16, mode = high, axes = [1, -2], scales = [0.5, 2], names = ["p", "q"], body = graph "inner" {
    %a: f32[batch] = input
    %b: f32[batch] = Plain(%a) "deep"
    return %b
  }, tensor = i32[2, 1]{4, 5}} "node 1" from "n1 + n2" meta "mine"
  %q = Plain(%z)
  return %y, %q, %x
}
)tn";

std::string error_of(std::string_view text) {
  try {
    parse(text, options());
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

}  // namespace

TEST_CASE("text: what is printed parses back to the same graph") {
  const Graph g = parse(kText, options());
  CHECK(print(g) == kText);
  const Graph again = parse(print(g), options());
  CHECK(again.hash() == g.hash());
  verify(again, false);
  CHECK(g.node(0).origin == "n1 + n2");
  CHECK(g.node(0).outputs[1] == kNone);
  CHECK(g.node(0).attrs.as<AllAttrs>().body->symbols == g.symbols);
}

TEST_CASE("text: generated constants and content hashes") {
  const char* text =
      "graph { %a: f32[100] = random(7)\n %b: f32[100] = random(7) %c: i64[70] = fill(3)\n return %a, %b, %c }";
  const Graph g = parse(text, options());
  const Tensor a = *g.constant(g.find("a"));
  CHECK(a == *g.constant(g.find("b")));
  CHECK(g.constant(g.find("c"))->get_int(69) == 3);
  double low = 1, high = -1;
  for (int64_t i = 0; i < a.count(); ++i) low = std::min(low, a.get(i)), high = std::max(high, a.get(i));
  CHECK(low < -0.8);
  CHECK(high > 0.8);
  const std::string printed = print(g);
  CHECK(printed.find("hash(0x") != std::string::npos);
  CHECK(error_of(printed).find("content hash") != std::string::npos);
  ParseOptions with = options();
  with.constant = [&](uint64_t h, DType, const Dims&) { return h == a.hash() ? a : *g.constant(g.find("c")); };
  CHECK(parse(printed, with).hash() == g.hash());
}

TEST_CASE("text: errors name line and column") {
  CHECK(error_of("graph {\n  %y = Plain(%x)\n return %y }").find("line 2, column 16: value 'x' is not defined") == 0);
  CHECK(error_of("graph {\n  %x: f32[2] = input\n  %y = Odd(%x)\n}")
            .find("line 3, column 8: there is no operator called 'Odd'") == 0);
  CHECK(error_of("graph { %x: f99[2] = input").find("not an element type") != std::string::npos);
  CHECK(error_of("graph { %x: f32[2] = {1} return %x }").find("2 elements, 1 are listed") != std::string::npos);
  CHECK(error_of("graph { %x: f32[(a] = input").find("line 1") == 0);
  CHECK(error_of("").find("'graph' is expected") != std::string::npos);
  CHECK(error_of("graph { return } x").find("the end is expected") != std::string::npos);
  std::string deep = "graph { ";
  for (int i = 0; i < 100; ++i) deep += "All() {body = graph { ";
  CHECK(error_of(deep).find("nest deeper than 32") != std::string::npos);
  const std::string whole = kText;
  for (size_t n = 0; n < whole.size() - 2; n += 3) CHECK(error_of(whole.substr(0, n)) != "no error");
}

TEST_CASE("patch: replaces, erases what is unread, keeps origins") {
  Graph g = parse(
      "graph { %x: f32[2] = input\n %a = Plain(%x) \"a\"\n %b = Plain(%a) \"b\"\n %c = Plain(%b) \"c\" return %c }",
      options());
  Patch p(g, "two in one");
  const ValueId k = p.constant(Tensor::scalar_f32(2), "k");
  p.replace(g.find("b"), p.node("All", {g.find("x"), k}, AllAttrs{}));
  const auto added = std::move(p).apply(g);
  REQUIRE(added.size() == 1);
  verify(g, false);
  CHECK(g.node(added[0]).origin == "a + b");
  CHECK(!g.node(0).alive);
  CHECK(!g.node(1).alive);
  CHECK(g.node(2).inputs[0] == g.node(added[0]).outputs[0]);
  CHECK(join_origins("a + b", "b + c + a") == "a + b + c");
}

TEST_CASE("verify: names what is broken") {
  Graph g = parse("graph { %x: f32[2] = input\n %a = Plain(%x) \"first\"\n return %a }", options());
  verify(g, false);
  CHECK_THROWS_WITH_AS(verify(g, true), "the type of value 'a', read by the caller, is not known", Error);
  g.inputs.clear();
  CHECK_THROWS_WITH_AS(verify(g, false), "value 'x', read by node 'first' (Plain), has no producer", Error);
}

TEST_CASE("dimensions: expressions that would double with every step become symbols") {
  SymbolTable table;
  const Dim n = table.named("n");
  Dim doubled = n, sum = 0, deep = n;
  for (int i = 0; i < 100; ++i)
    doubled = table.max(table.floor_div(table.add(doubled, 1), 2), table.floor_div(doubled, 3));
  for (int i = 0; i < 3000; ++i) sum = table.add(sum, table.named(cat("s", i)));
  for (int i = 0; i < 900; ++i) deep = table.floor_div(table.max(deep, i), 2);
  for (Dim d : {doubled, sum, deep}) {
    CHECK(table.text(d).size() < 20000);
    CHECK(table.parse(table.text(d)) == d);
  }
  Dim halves = n;
  for (int i = 0; i < 100; ++i) halves = table.floor_div(table.add(halves, 1), 2);
  CHECK(table.evaluate(halves, {{n.symbol_id(), 1 << 20}}) == 1);  // all of it is there
  CHECK(table.parse(table.text(halves)) == halves);
}
