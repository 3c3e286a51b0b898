// Layers whose range f16 does not hold keep f32: networks with a planted overflow stay finite and exact.
#include "builder/range.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ir/sample.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"

using namespace tenon;

namespace {

// Each begins with %x: f32[4, 16] or an image and ends in %y of moderate size.
struct Planted {
  const char* name;
  const char* input;
  const char* body;
};

constexpr const char* kVector = "f32[4, 16]";
constexpr const char* kImage = "f32[2, 4, 9, 9]";
constexpr const char* kSequence = "f32[2, 6, 16]";

const Planted kPlanted[] = {
    {"large weights", kVector, R"(
  %w: f32[16, 16] = random(1)
  %s: f32[1] = {100000}
  %v: f32[16, 8] = random(2)
  %u = Mul(%w, %s)
  %a = MatMul(%x, %u) "a"
  %r = Relu(%a) "r"
  %b = MatMul(%r, %v) "b"
  %t: f32[1] = {1e-5}
  %y = Mul(%b, %t) "c")"},
    {"large values beside small ones", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[32, 8] = random(2)
  %a = MatMul(%x, %w) "a"
  %s: f32[1] = {50000}
  %b = Mul(%a, %s) "b"
  %c = Concat(%b, %x) {axis = 1} "c"
  %d = MatMul(%c, %v) "d"
  %t: f32[1] = {2e-5}
  %y = Mul(%d, %t) "e")"},
    {"large product into a product", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[16, 8] = random(2)
  %s: f32[1] = {50000}
  %p = Mul(%x, %s) "p"
  %a = MatMul(%p, %w) "a"
  %b = MatMul(%a, %v) "b"
  %t: f32[1] = {1e-5}
  %y = Mul(%b, %t) "c")"},
    {"large bias", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[16, 8] = random(2)
  %bias: f32[1] = {300000}
  %a = MatMul(%x, %w) "a"
  %b = Add(%a, %bias) "b"
  %c = Sub(%b, %bias) "c"
  %d = Relu(%b) "d"
  %e = MatMul(%d, %v) "e"
  %t: f32[1] = {1e-6}
  %y = Mul(%e, %t) "f")"},
    {"squares", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[16, 8] = random(2)
  %s: f32[1] = {300}
  %a = MatMul(%x, %w) "a"
  %b = Mul(%a, %s) "b"
  %c = Mul(%b, %b) "c"
  %d = MatMul(%c, %v) "d"
  %t: f32[1] = {1e-5}
  %y = Mul(%d, %t) "e")"},
    {"a normalization of large values", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[16, 8] = random(2)
  %s: f32[1] = {1e6}
  %g: f32[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
  %a = MatMul(%x, %w) "a"
  %b = Mul(%a, %s) "b"
  %c = LayerNormalization(%b, %g) {axis = -1} "c"
  %y = MatMul(%c, %v) "d")"},
    {"scores of an attention", kSequence, R"(
  %q: f32[16, 16] = random(1)
  %k: f32[16, 16] = random(2)
  %v: f32[16, 16] = random(3)
  %s: f32[1] = {4000}
  %xs = Mul(%x, %s) "xs"
  %a = MatMul(%xs, %q) "a"
  %b = MatMul(%xs, %k) "b"
  %c = MatMul(%x, %v) "c"
  %bt = Transpose(%b) {perm = [0, 2, 1]}
  %scores = MatMul(%a, %bt) "scores"
  %t: f32[1] = {1e-8}
  %scaled = Mul(%scores, %t) "scaled"
  %p = Softmax(%scaled) {axis = -1} "p"
  %y = MatMul(%p, %c) "d")"},
    {"an image's convolution", kImage, R"(
  %w: f32[8, 4, 3, 3] = random(1)
  %v: f32[4, 8, 1, 1] = random(2)
  %s: f32[1] = {30000}
  %u = Mul(%w, %s)
  %a = Conv(%x, %u) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "a"
  %r = Relu(%a) "r"
  %b = Conv(%r, %v) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "b"
  %t: f32[1] = {1e-5}
  %y = Mul(%b, %t) "c")"},
    {"the second convolution of three", kImage, R"(
  %w: f32[4, 4, 3, 3] = random(1)
  %v: f32[4, 4, 1, 1] = random(2)
  %u: f32[4, 4, 1, 1] = random(3)
  %s: f32[1] = {60000}
  %t: f32[1] = {1e-5}
  %a = Conv(%x, %w) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "a"
  %m = Mul(%a, %s) "m"
  %b = Conv(%m, %v) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "b"
  %n = Mul(%b, %t) "n"
  %y = Conv(%n, %u) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "c")"},
    {"a residual that grows", kVector, R"(
  %w: f32[16, 16] = random(1)
  %v: f32[16, 16] = random(2)
  %s: f32[1] = {40000}
  %a = MatMul(%x, %w) "a"
  %b = Mul(%a, %s) "b"
  %c = MatMul(%x, %v) "c"
  %d = Add(%b, %c) "d"
  %e = MatMul(%d, %v) "e"
  %t: f32[1] = {1e-5}
  %y = Mul(%e, %t) "f")"},
};

ir::Tensor sample(const ir::Graph& network) {
  Xorshift random(7);
  const ir::Value& v = network.value(network.inputs[0]);
  return ir::random_tensor(v.dtype, ir::static_dims(v.shape), random);
}

ir::Graph parse(const Planted& p, bool unnamed) {
  std::string text = cat("graph \"net\" {\n  %x: ", p.input, " = input", p.body, "\n  return %y\n}\n");
  if (unnamed)  // names of nodes stand in quotes at the end of a line
    for (size_t at = text.find(" \"", 10); at != std::string::npos; at = text.find(" \"", at)) {
      const size_t end = text.find('"', at + 2);
      text.erase(at, end + 1 - at);
    }
  return ops::parse_graph(text);
}

}  // namespace

TEST_CASE("planted overflows are found, and f16 stays exact beside them") {
  for (const Planted& p : kPlanted)
    for (bool unnamed : {false, true}) {
      const std::string name = p.name;
      CAPTURE(name);
      CAPTURE(unnamed);
      const ir::Graph network = parse(p, unnamed);
      const std::vector<ir::Tensor> inputs{sample(network)};
      const auto want = ops::eval_graph(network, inputs, true);
      builder::BuildOptions options;
      options.level = 0;
      options.threads = 1;
      options.allow_fp16 = true;
      builder::BuildReport report;
      auto engine = runtime::Engine::create(builder::build(network, options, &report), {nullptr, 1});
      CHECK(!report.wide.empty());
      for (const auto& l : report.wide) CHECK(l.magnitude > 65504 / 8.0);
      CHECK(builder::print(report, false).find("f16 is too narrow for") != std::string::npos);
      const auto got = engine->create_context()->run(inputs);
      for (int64_t i = 0; i < got[0].count(); ++i) CHECK(std::isfinite(got[0].get(i)));
      CHECK(ir::relative_error(got[0], want[0]) < 1e-2);
    }
}

TEST_CASE("what f16 holds becomes f16, and the user's word and sample count more than chance") {
  constexpr std::string_view kTame = R"(graph "net" {
  %x: f32[4, 16] = input
  %w: f32[16, 16] = random(1)
  %v: f32[16, 8] = random(2)
  %a = MatMul(%x, %w) "a"
  %b = Relu(%a) "b"
  %y = MatMul(%b, %v) "c"
  return %y
}
)";
  const ir::Graph network = ops::parse_graph(kTame);
  builder::BuildOptions options;
  options.level = 0;
  options.threads = 1;
  options.allow_fp16 = true;
  const auto halves = [&](const plan::Plan& plan) {
    int count = 0;
    for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n)
      count +=
          plan.graph.node(n).op == "MatMul" && plan.graph.value(plan.graph.node(n).inputs[1]).dtype == ir::DType::kF16;
    return count;
  };
  builder::BuildReport report;
  CHECK(halves(builder::build(network, options, &report)) == 2);
  CHECK(report.wide.empty());
  ir::Tensor large = sample(network);
  for (int64_t i = 0; i < large.count(); ++i) large.set(i, 1e5 * large.get(i));
  options.sample = {large};
  builder::BuildReport flagged;
  CHECK(halves(builder::build(network, options, &flagged)) == 0);
  CHECK(flagged.wide.size() >= 2);
  options.passes.types["a"] = ir::DType::kF16;
  builder::BuildReport asked;
  builder::build(network, options, &asked);
  for (const auto& l : asked.wide) CHECK(l.name != "a");
  options.sample = {ir::Tensor(ir::DType::kF32, {3, 16})};
  CHECK_THROWS_AS(builder::build(network, options), Error);
}

TEST_CASE("values without elements reach nothing") {
  const ir::Graph network = ops::parse_graph(R"(graph "net" {
  %x: f32[0, 16] = input
  %w: f32[16, 16] = random(1)
  %a = MatMul(%x, %w) "a"
  %b = Relu(%a) "b"
  %v: f32[16, 8] = random(2)
  %y = MatMul(%b, %v) "c"
  return %y
}
)");
  builder::BuildOptions options;
  options.level = 0;
  options.threads = 1;
  options.allow_fp16 = true;
  builder::BuildReport report;
  builder::build(network, options, &report);
  CHECK(report.wide.empty());
}

TEST_CASE("a timing cache keeps the range of a network, of its weights and of its sample") {
  const Planted& planted = kPlanted[1];
  const ir::Graph network = parse(planted, false);
  select::TimingCache cache;
  builder::BuildOptions options;
  options.level = 0;
  options.threads = 1;
  options.allow_fp16 = true;
  options.timing_cache = &cache;
  const auto wide = [&](const ir::Graph& g) {
    builder::BuildReport report;
    builder::build(g, options, &report);
    std::map<std::string, double> layers;
    for (const auto& l : report.wide) layers[l.name] = l.magnitude;
    return layers;
  };
  const auto measured = wide(network);
  REQUIRE(!measured.empty());
  const auto entries = cache.entries();
  REQUIRE(entries.size() > 1);
  CHECK(wide(network) == measured);
  CHECK(cache.size() == entries.size());

  // What the cache says counts: with other numbers in it, the report has them.
  select::TimingCache other;
  for (const auto& [key, value] : entries) other.put(key, value > 100 ? 12345.f : value);
  const auto bytes = other.serialize();
  cache.clear();
  select::TimingCache::parse(bytes, cache);
  for (const auto& [name, magnitude] : wide(network)) CHECK(magnitude == 12345);

  // A sample, other weights and a type that a layer was asked for need runs of their own.
  size_t before = cache.size();
  const auto runs = [&](const ir::Graph& g) {
    for (const auto& [name, magnitude] : wide(g)) CHECK(magnitude != 12345);
    CHECK(cache.size() > before);
    before = cache.size();
  };
  std::string body = planted.body;
  body.replace(body.find("50000"), 5, "60000");
  runs(parse({planted.name, planted.input, body.c_str()}, false));
  options.passes.types["a"] = ir::DType::kF32;
  runs(network);
  options.sample = {sample(network)};
  runs(network);
}
