#include "runtime/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "backends/device.h"
#include "builder/builder.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/program.h"

using namespace tenon;

namespace {

constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[batch, 3, 9, 7] = input
  %w: f32[5, 3, 3, 3] = random(7)
  %v: f32[4, 5, 1, 1] = random(8)
  %a: f32[batch, 5, 9, 7] = Conv(%x, %w) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]} "a"
  %b = Relu(%a) "b"
  %c = Conv(%b, %v) {strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1]} "c"
  return %c, %b
}
)";

ir::Tensor random_tensor(ir::Dims dims, uint32_t seed) {
  ir::Tensor t(ir::DType::kF32, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, std::sin(double(i * 37 + seed)));
  return t;
}

void check_close(const ir::Tensor& got, const ir::Tensor& want, double tolerance = 1e-6) {
  REQUIRE(got.dims() == want.dims());
  double difference = 0, norm = 1e-30;
  for (int64_t i = 0; i < got.count(); ++i) {
    difference += std::pow(got.get(i) - want.get(i), 2);
    norm += std::pow(want.get(i), 2);
  }
  CHECK(std::sqrt(difference / norm) < tolerance);
}

}  // namespace

TEST_CASE("bodies have the sizes of the run, also where other sizes were prepared in between") {
  const ir::Graph net = ops::parse_graph(R"(graph "" {
    %c: bool[] = input
    %x: f32[n, 3] = input
    %y = If(%c, %x, %x) {then_captures = 1, then_branch = graph "" {
      %a: f32[n, 3] = input
      %b = Abs(%a)
      return %b
    }, else_branch = graph "" {
      %d: f32[n, 3] = input
      %e = Neg(%d)
      return %e
    }}
    return %y
  })");
  builder::BuildOptions options;
  options.level = 0;
  options.profiles = {{{{{}, {}, {}}, {{1, 3}, {2, 3}, {4, 3}}}, {}}};
  const auto engine = runtime::Engine::create(builder::build(net, options));
  const auto context = engine->create_context(), other = engine->create_context();
  for (int64_t n : {2, 1, 2, 4, 1}) {
    const ir::Tensor condition = ir::Tensor::of<int64_t>(ir::DType::kBool, {}, std::vector<int64_t>{n % 2});
    const ir::Tensor x = random_tensor({n, 3}, uint32_t(n));
    other->run({condition, random_tensor({5 - n, 3}, 1)});
    check_close(context->run({condition, x})[0], ops::eval_graph(net, {condition, x}, true)[0]);
  }
}

TEST_CASE("rows of a body are the same bits alone and together") {
  const ir::Graph net = ops::parse_graph(R"(graph "" {
    %c: bool[] = input
    %x: f32[n, 300] = input
    %y = If(%c, %x, %x) {then_captures = 1, then_branch = graph "" {
      %a: f32[n, 300] = input
      %p: f32[] = {0.82328683}
      %q: f32[] = {0.6130941}
      %b = Add(%a, %p)
      %m = Mul(%b, %q)
      %s = Add(%m, %a)
      return %s
    }, else_branch = graph "" {
      %d: f32[n, 300] = input
      %e = Neg(%d)
      return %e
    }}
    return %y
  })");
  builder::BuildOptions options;
  options.level = 0;
  options.profiles = {{{{{}, {}, {}}, {{1, 300}, {5, 300}, {5, 300}}}, {}}};
  const auto context = runtime::Engine::create(builder::build(net, options))->create_context();
  const ir::Tensor yes = ir::Tensor::of<int64_t>(ir::DType::kBool, {}, std::vector<int64_t>{1});
  const ir::Tensor row = random_tensor({1, 300}, 3);
  ir::Tensor rows(ir::DType::kF32, {5, 300});
  for (int64_t i = 0; i < rows.count(); ++i) rows.set(i, row.get(i % 300));
  const ir::Tensor alone = context->run({yes, row})[0], together = context->run({yes, rows})[0];
  for (int64_t r = 0; r < 5; ++r)
    CHECK(std::memcmp(alone.as<float>(), together.as<float>() + r * 300, 300 * sizeof(float)) == 0);
}

TEST_CASE("rows of a product with sums are the same bits alone and together") {
  const ir::Graph net = ops::parse_graph(R"(graph "" {
    %x: f32[n, 37] = input
    %w: f32[37, 37] = random(1)
    %c: f32[1, 37] = random(2)
    %p = MatMul(%x, %w)
    %q = Add(%x, %p)
    %y = Add(%q, %c)
    return %y
  })");
  builder::BuildOptions options;
  options.level = 0;
  options.profiles = {{{{{1, 37}, {8, 37}, {8, 37}}}, {}}};
  const auto context = runtime::Engine::create(builder::build(net, options))->create_context();
  const ir::Tensor row = random_tensor({1, 37}, 3);
  ir::Tensor rows(ir::DType::kF32, {8, 37});
  for (int64_t i = 0; i < rows.count(); ++i) rows.set(i, row.get(i % 37));
  const ir::Tensor alone = context->run({row})[0], together = context->run({rows})[0];
  for (int64_t r = 0; r < 8; ++r)
    CHECK(std::memcmp(alone.as<float>(), together.as<float>() + r * 37, 37 * sizeof(float)) == 0);
}

TEST_CASE("an engine runs at every shape of its profile, built, saved and loaded") {
  const ir::Graph net = ops::parse_graph(kNet);
  builder::BuildOptions options;
  options.profiles = {{{{{1, 3, 9, 7}, {2, 3, 9, 7}, {4, 3, 9, 7}}}, {}}};
  const auto bytes = plan::serialize(builder::build(net, options));
  auto engine = runtime::Engine::create(plan::deserialize(nullptr, bytes));
  auto context = engine->create_context();
  for (int64_t batch : {1, 4, 2, 1}) {
    const auto x = random_tensor({batch, 3, 9, 7}, uint32_t(batch));
    const auto got = context->run({x});
    const auto want = ops::eval_graph(net, {x}, true);
    REQUIRE(got.size() == 2);
    for (size_t i = 0; i < 2; ++i) check_close(got[i], want[i]);
  }
  CHECK_THROWS_WITH_AS(
      context->run({random_tensor({5, 3, 9, 7}, 0)}),
      doctest::Contains("input 'x' is given dims [5, 3, 9, 7], profile 0 accepts [1, 3, 9, 7] to [4, 3, 9, 7]"), Error);
}

TEST_CASE("rows do not depend on the batch, results not on the thread count") {
  const ir::Graph net = ops::parse_graph(kNet);
  builder::BuildOptions options;
  options.profiles = {{{{{1, 3, 9, 7}, {1, 3, 9, 7}, {8, 3, 9, 7}}}, {}}};
  const plan::Plan plan = builder::build(net, options);
  auto one = runtime::Engine::create(plan, {nullptr, 1}), two = runtime::Engine::create(plan, {nullptr, 2});
  const auto x = random_tensor({8, 3, 9, 7}, 1);
  const auto a = one->create_context()->run({x}), b = two->create_context()->run({x});
  CHECK(a[0] == b[0]);
  ir::Tensor row(ir::DType::kF32, {1, 3, 9, 7});
  std::memcpy(row.mutable_data(), x.data().data() + 3 * row.bytes(), size_t(row.bytes()));
  const auto c = one->create_context()->run({row});
  CHECK(std::memcmp(c[0].data().data(), a[0].data().data() + 3 * c[0].bytes(), size_t(c[0].bytes())) == 0);
}

TEST_CASE("addresses: bound memory is used, missing memory is an error that names the tensor") {
  const ir::Graph net = ops::parse_graph(kNet);
  auto engine = runtime::Engine::create(builder::build(net, {}));
  auto context = engine->create_context();
  auto x = random_tensor({2, 3, 9, 7}, 5);
  CHECK_THROWS_WITH_AS(context->run(), doctest::Contains("the dims of input 'x' are not set"), Error);
  context->set_input_dims(0, x.dims());
  CHECK(context->output_dims(0) == ir::Dims{2, 4, 5, 4});
  context->set_address(0, x.mutable_data());
  CHECK_THROWS_WITH_AS(context->run(), doctest::Contains("the address of output"), Error);
  ir::Tensor y(ir::DType::kF32, {2, 4, 5, 4}), z(ir::DType::kF32, {2, 5, 9, 7});
  context->set_address(1, y.mutable_data());
  context->set_address(2, z.mutable_data());
  context->run();
  const auto want = ops::eval_graph(net, {x}, true);
  check_close(y, want[0]);
  check_close(z, want[1]);
  CHECK_THROWS_AS(context->set_address(9, nullptr), Error);
  CHECK_THROWS_AS(engine->create_context(1), Error);
}

TEST_CASE("contexts of one engine run side by side") {
  const ir::Graph net = ops::parse_graph(kNet);
  auto engine = runtime::Engine::create(builder::build(net, {}));
  const auto x = random_tensor({3, 3, 9, 7}, 5);
  const auto want = engine->create_context()->run({x});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      auto context = engine->create_context();
      for (int i = 0; i < 10; ++i) wrong[t] += !(context->run({x})[0] == want[0]);
    });
  for (auto& t : threads) t.join();
  for (int w : wrong) CHECK(w == 0);
}

TEST_CASE("a loop runs at shapes in turns, and in several contexts at once") {
  constexpr std::string_view kLoop = R"(graph "loop" {
  %x: f32[n, 4] = input
  %m: i64[] = {3}
  %c: bool[] = {1}
  %y: f32[n, 4] = Loop(%m, %c, %x) {carried = 1, body = graph "body" {
    %i: i64[] = input
    %go: bool[] = input
    %h: f32[n, 4] = input
    %h2: f32[n, 4] = Add(%h, %h)
    %go2: bool[] = Identity(%go)
    return %go2, %h2
  }} "loop"
)";
  for (const char* rest : {"  return %y\n}\n", "  %z = NonZero(%y)\n  return %y, %z\n}\n"}) {  // sizes known, and not
    auto engine = runtime::Engine::create(builder::build(ops::parse_graph(std::string(kLoop) + rest), {}));
    const auto wrong_in = [&](runtime::Context& context, int64_t rows) {
      const auto x = random_tensor({rows, 4}, uint32_t(rows));
      const auto y = context.run({x})[0];
      if (y.dims() != x.dims()) return 1;
      for (int64_t i = 0; i < x.count(); ++i)
        if (y.get(i) != 8 * x.get(i)) return 1;
      return 0;
    };
    auto context = engine->create_context();
    for (int64_t rows : {2, 3, 2, 3, 1, 2}) CHECK(wrong_in(*context, rows) == 0);
    std::vector<int> wrong(4, 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < wrong.size(); ++t)
      threads.emplace_back([&, t] {
        try {
          auto own = engine->create_context();
          for (int i = 0; i < 50; ++i) wrong[t] += wrong_in(*own, 1 + (i + int64_t(t)) % 5);
        } catch (const Error&) {
          wrong[t] = -1;
        }
      });
    for (auto& t : threads) t.join();
    for (int w : wrong) CHECK(w == 0);
  }
}

TEST_CASE("bodies run with kernels, constant operands packed, at shapes in turns") {
  const ir::Graph net = ops::parse_graph(R"(graph "recurrent" {
  %x: f32[n, 70] = input
  %m: i64[] = {4}
  %c: bool[] = {1}
  %w: f32[70, 70] = random(3)
  %y: f32[n, 70], %s: f32[4, n, 70] = Loop(%m, %c, %x, %w) {carried = 1, body = graph "body" {
    %i: i64[] = input
    %go: bool[] = input
    %h: f32[n, 70] = input
    %v: f32[70, 70] = input
    %k: f32[70, 70] = random(9)
    %go2: bool[] = Identity(%go)
    %a: f32[n, 70] = MatMul(%h, %v)
    %b: f32[n, 70] = MatMul(%a, %k)
    %t: f32[n, 70] = Tanh(%b)
    return %go2, %t, %a
  }} "loop"
  return %y, %s
}
)");
  auto engine = runtime::Engine::create(builder::build(net, {}));
  auto context = engine->create_context();
  for (int64_t rows : {20, 33, 20, 1}) {
    const auto x = random_tensor({rows, 70}, uint32_t(rows));
    const auto got = context->run({x}), want = ops::eval_graph(net, {x}, true);
    for (size_t i = 0; i < want.size(); ++i) check_close(got[i], want[i], 1e-4);  // each pass amplifies
  }
}

TEST_CASE("sizes follow the input that gives them, though another gave the same") {
  auto engine = runtime::Engine::create(builder::build(ops::parse_graph(R"(graph "sizes" {
  %x: f32[1] = input
  %a: i64[1] = input
  %b: i64[1] = input
  %y = Expand(%x, %a)
  %z = Expand(%x, %b)
  return %y, %z
}
)"),
                                                       {}));
  auto context = engine->create_context();
  int64_t three = 3;
  context->set_address(1, &three);
  CHECK(context->output_dims(0) == ir::Dims{3});
  CHECK(context->output_dims(1) == ir::Dims{-1});
  context->set_address(1, nullptr);
  context->set_address(2, &three);
  CHECK(context->output_dims(0) == ir::Dims{-1});
  CHECK(context->output_dims(1) == ir::Dims{3});
}

TEST_CASE("an input returned as an output, and a constant, are copied out") {
  const ir::Graph net = ops::parse_graph(R"(graph "pass" {
  %x: f32[n, 2] = input
  %k: f32[2] = {1, 2}
  %y = Relu(%x) "r"
  return %x, %k, %y, %y
}
)");
  auto engine = runtime::Engine::create(builder::build(net, {}));
  const auto x = random_tensor({3, 2}, 1);
  const auto got = engine->create_context()->run({x});
  CHECK(got[0] == x);
  CHECK(got[1].get(1) == 2);
  CHECK(got[2] == got[3]);
}

TEST_CASE("outputs that a plan calls other than its operators make them are refused") {
  const ir::Graph net = ops::parse_graph(R"(graph "pass" {
  %x: f32[n, 2] = input
  %y = Relu(%x) "r"
  return %y
}
)");
  const auto run = [&](ir::DType type, ir::Shape shape) {
    plan::Plan plan = builder::build(net, {});
    ir::Value& y = plan.graph.value(plan.graph.outputs[0]);
    y.dtype = type;
    y.shape = std::move(shape);
    runtime::Engine::create(std::move(plan))->create_context()->run({random_tensor({3, 2}, 1)});
  };
  CHECK_NOTHROW(run(ir::DType::kF32, {3, 2}));
  CHECK_THROWS_AS(run(ir::DType::kI8, {3, 2}), Error);
  CHECK_THROWS_AS(run(ir::DType::kString, {3, 2}), Error);
  CHECK_THROWS_AS(run(ir::DType::kF32, {3}), Error);
  CHECK_THROWS_AS(run(ir::DType::kF32, {3, 1}), Error);
}

TEST_CASE("concatenations and splits are written and read in place") {
  const ir::Graph net = ops::parse_graph(R"(graph "parts" {
  %x: f32[n, 5, 12] = input
  %s0, %s1 = Split(%x) {axis = 2, even = true} "split"
  %a = Relu(%s0) "a"
  %b = Sigmoid(%s1) "b"
  %c = Concat(%a, %b) {axis = 2} "inner"
  %d = Tanh(%c) "d"
  %e = Concat(%c, %d) {axis = -1} "outer"
  %y = Abs(%e) "y"
  %z = Add(%a, %b) "z"
  return %y, %z
}
)");
  auto engine = runtime::Engine::create(builder::build(net, {}));
  auto context = engine->create_context();
  for (int64_t n : {1, 3}) {
    const auto x = random_tensor({n, 5, 12}, uint32_t(n));
    const auto got = context->run({x});
    const auto want = ops::eval_graph(net, {x}, true);
    for (size_t i = 0; i < 2; ++i) check_close(got[i], want[i]);
    for (const auto& step : context->prepare().steps) {
      CHECK(step.name != "split");
      CHECK(step.name != "inner");
      CHECK(step.name != "outer");
    }
  }
}

TEST_CASE("parts of one column are copied where no kernel reads them in place") {
  const ir::Graph net = ops::parse_graph(R"net(graph "columns" {
  %x: f32[2, 4, 4, 4] = input
  %s0, %s1, %s2, %s3 = Split(%x) {axis = 3, even = true} "split"
  %half: f32[] = {0.5}
  %a = Mul(%s0, %half) "a"
  %b = Pointwise(%a, %s1, %s2) {program = "sub(add(i0, i1), i2)"} "b"
  %c = Add(%b, %s3) "c"
  return %c
}
)net");
  const auto x = random_tensor({2, 4, 4, 4}, 5);
  const auto got = runtime::Engine::create(builder::build(net, {}))->create_context()->run({x});
  check_close(got[0], ops::eval_graph(net, {x}, true)[0]);
}

TEST_CASE("along an axis that only ones precede, parts are contiguous") {
  const ir::Graph net = ops::parse_graph(R"(graph "rows" {
  %x: f32[1, 6, 4] = input
  %s0, %s1, %s2 = Split(%x) {axis = 1, even = true} "split"
  %a = Relu(%s0) "a"
  %b = Sigmoid(%s2) "b"
  %b2 = Abs(%s1) "b2"
  %y = Concat(%b, %a, %b2) {axis = 1} "cat"
  return %y, %a
}
)");
  auto engine = runtime::Engine::create(builder::build(net, {}));
  const auto x = random_tensor({1, 6, 4}, 3);
  const auto got = engine->create_context()->run({x});
  const auto want = ops::eval_graph(net, {x}, true);
  for (size_t i = 0; i < 2; ++i) check_close(got[i], want[i]);
}

TEST_CASE("outputs beyond memory or the range of sizes are errors that name the node") {
  auto message = [](const std::string& pads) -> std::string {
    try {
      builder::build(
          ops::parse_graph("graph \"huge\" {\n  %x: f32[1, 3, 8, 8] = input\n  %w: f32[4, 3, 3, 3] = random(7)\n"
                           "  %y = Conv(%x, %w) {strides = [1, 1], pads = [" +
                           pads + "], dilations = [1, 1]} \"wide\"\n  return %y\n}\n"),
          {});
    } catch (const Error& e) {
      return e.what();
    }
    return {};
  };
  constexpr auto npos = std::string::npos;
  const std::string large = message("4000000, 4000000, 4000000, 4000000");
  CHECK_MESSAGE((large.find("wide") != npos && large.find("cannot allocate") != npos), large);
  const std::string larger = message("4000000000, 4000000000, 4000000000, 4000000000");
  CHECK_MESSAGE((larger.find("wide") != npos && larger.find("size overflow") != npos), larger);
}

TEST_CASE("the reference refuses inputs of other types and dims than the graph's") {
  const ir::Graph net = ops::parse_graph(kNet);
  CHECK_THROWS_WITH(ops::eval_graph(net, {random_tensor({2, 3, 9, 8}, 1)}, true),
                    "input 'x' is f32[2, 3, 9, 8], accepted is f32[batch, 3, 9, 7]");
  CHECK_THROWS_WITH(ops::eval_graph(net, {ir::Tensor(ir::DType::kI64, {2, 3, 9, 7})}, true),
                    "input 'x' is i64[2, 3, 9, 7], accepted is f32[batch, 3, 9, 7]");
}

namespace {

/// A device on which nothing runs: programs are laid out for it.
class PlannedDevice final : public Device {
 public:
  bool present() const override { return true; }
  void* allocate(size_t) const override { return nullptr; }
  void release(void*) const noexcept override {}
  void* allocate_host(size_t) const override { return nullptr; }
  void release_host(void*) const noexcept override {}
  void copy(void*, const void*, size_t, void*) const override {}
  void fill(void*, int, size_t, void*) const override {}
  void synchronize(void*) const override {}
  void finish() const noexcept override {}
  void call_host(void*, void (*)(void*), void*) const override {}
  void follow(void*, void*) const override {}
  void* own_stream() const override { return nullptr; }
  std::shared_ptr<void> new_stream() const override { return nullptr; }
  bool recording(void*) const override { return false; }
  std::unique_ptr<Recording> record(const Work&) const override { return nullptr; }
  float milliseconds(void*, const Work&) const override { return 0; }
  float time_us(const Work&, double, double) const override { return 0; }
  bool reaches(const void* memory) const override { return ++asked_, memory != foreign_; }
  bool host_reaches(const void*) const override { return true; }
  void activate() const override {}

  /// Memory that the device does not reach, and how often it has been asked for some.
  void set_foreign(const void* memory) { foreign_ = memory; }
  int asked() const { return asked_; }

 private:
  const void* foreign_ = nullptr;
  mutable int asked_ = 0;
};

struct WithWorkspace final : Kernel {
  int64_t workspace_bytes() const override { return 72; }
  void run(const RunArgs&) const override {}
};

class PlannedBackend final : public Backend {
 public:
  std::string_view name() const override { return "planned"; }
  std::string fingerprint() const override { return "planned"; }
  std::span<const KernelDef> kernels() const override {
    static const KernelDef all[] = {
        {"with_workspace", "*", [](const Problem&) { return Support::yes(1); },
         [](const Problem&) -> std::unique_ptr<Kernel> { return std::make_unique<WithWorkspace>(); }}};
    return all;
  }
  const Device* device() const override { return on_device ? &device_ : nullptr; }
  bool on_device = true;
  PlannedDevice& planned() { return device_; }

 private:
  PlannedDevice device_;
};

}  // namespace

TEST_CASE("a program's buffers begin where the kernels of the device want them, at every batch") {
  const ir::Graph net = ops::parse_graph(R"(graph "net" {
  %x: f32[batch, 5] = input
  %a: f32[batch, 5] = Relu(%x)
  %b: f32[batch, 5] = Tanh(%a)
  %c: f32[batch, 5] = Add(%a, %b)
  %d: f32[batch, 5] = Sigmoid(%c)
  return %d
}
)");
  PlannedBackend backend;
  for (bool on_device : {false, true}) {
    backend.on_device = on_device;
    const int64_t alignment = buffer_alignment(backend.device());
    CHECK(alignment == (on_device ? 256 : 64));
    for (int64_t batch : {1, 3, 8, 77}) {
      runtime::PrepareOptions options;
      options.backend = &backend;
      const auto program = runtime::prepare(net, {{batch, 5}}, options);
      REQUIRE(program->steps.size() == 4);
      for (const runtime::Step& step : program->steps) {
        CHECK(step.workspace_offset % alignment == 0);
        CHECK(step.workspace_offset + step.kernel->workspace_bytes() <= program->memory.arena_bytes);
        for (const auto& operands : {step.inputs, step.outputs})
          for (const runtime::Place& place : operands)
            if (place.kind == runtime::Place::Kind::kArena) CHECK(place.offset % alignment == 0);
      }
    }
  }
}

TEST_CASE("an address is checked once, when it is set: a device has to reach it, at 16 bytes") {
  PlannedBackend backend;
  plan::Plan plan;
  plan.graph = ops::parse_graph("graph {\n %x: f32[4] = input\n %y = Relu(%x)\n return %y\n}");
  plan.profiles = {builder::default_profile(plan.graph)};
  const auto context = runtime::Engine::create(std::move(plan), {&backend, 1})->create_context();
  alignas(16) float on_host[8] = {}, on_device[8] = {};
  backend.planned().set_foreign(on_host);
  const int before = backend.planned().asked();
  for (int round = 0; round < 3; ++round) context->set_address(0, on_device);
  CHECK(backend.planned().asked() == before + 1);
  const auto refusal = [&](size_t io, void* address) -> std::string {
    try {
      context->set_address(io, address);
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::kInvalidArgument);
      return e.what();
    }
    return {};
  };
  CHECK(refusal(0, on_host) ==
        "the address of input 'x' is host memory; the engine runs on planned and accepts device, "
        "managed or page-locked memory");
  CHECK(refusal(1, on_host).starts_with("the address of output 'y' is host memory"));
  CHECK(refusal(1, on_device + 1) == "the address of 'y' is not a multiple of 16");
  CHECK(context->address(0) == on_device);
  CHECK(context->address(1) == nullptr);
}
