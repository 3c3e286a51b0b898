// Whose memory an address may be: asked once where it is given, not at each run.
#include <doctest/doctest.h>

#include <cstdlib>

#include "builder/builder.h"
#include "ir/sample.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/later_device.h"

using namespace tenon;
using runtime::testing::later_device;

namespace {

runtime::testing::LaterBackend& backend() {
  static runtime::testing::LaterBackend one;
  return one;
}

std::shared_ptr<runtime::Engine> engine_of(std::string_view text, const plan::Profile* profile = nullptr) {
  plan::Plan plan;
  plan.graph = ops::parse_graph(std::string(text));
  plan.profiles = {profile ? *profile : builder::default_profile(plan.graph)};
  return runtime::Engine::create(std::move(plan), {&backend(), 1, {}});
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kInvalidArgument);
    return e.what();
  }
  return {};
}

constexpr std::string_view kTwoSteps = R"(graph "g" {
  %x: f32[64] = input
  %a = Relu(%x)
  %b = Softmax(%a) {axis = 0}
  %y = Tanh(%b)
  return %y
})";

struct Foreign {
  explicit Foreign(const void* memory) { later_device().set_foreign(memory); }
  ~Foreign() { later_device().set_foreign(nullptr); }
};

}  // namespace

TEST_CASE("addresses: what an output allocator gives is asked about when it changes") {
  const auto context = engine_of(kTwoSteps)->create_context();
  alignas(64) float x[64] = {}, y[64], z[64];
  context->set_address(0, x);
  void* given = y;
  context->set_output_allocator(0, [&](const ir::Dims&, int64_t) { return given; });
  context->run();
  int asked = later_device().asked();
  for (int turn = 0; turn < 5; ++turn) context->run();
  CHECK(later_device().asked() == asked);
  given = z;
  context->run();
  CHECK(later_device().asked() == asked + 1);
  given = y;
  const Foreign foreign(y);
  CHECK(refusal([&] { context->run(); }).starts_with("the address of output 'y' is host memory; the engine runs on "));
  given = z;
  context->run();
  CHECK(z[5] == doctest::Approx(std::tanh(1.0 / 64)));
}

TEST_CASE("addresses: memory for activations has to be the device's, whoever gives it") {
  const auto engine = engine_of(kTwoSteps);
  const auto context = engine->create_context();
  alignas(256) float x[64] = {}, y[64];
  alignas(256) static std::byte room[4096];
  context->set_address(0, x);
  context->set_address(1, y);
  const Foreign foreign(room);
  constexpr std::string_view kGiven = "memory given for 'activations' is host memory; ";
  CHECK(refusal([&] { context->use_memory(room, sizeof room); }).starts_with(kGiven));
  context->run();  // in its own
  context->set_memory_allocator([](size_t) { return std::shared_ptr<void>(room, [](void*) {}); });
  constexpr std::string_view kAllocated = "memory of the allocator for 'activations' is host memory; ";
  for (int turn = 0; turn < 2; ++turn) CHECK(refusal([&] { context->run(); }).starts_with(kAllocated));
  context->set_memory_allocator({});
  context->run();
  CHECK(y[5] == doctest::Approx(std::tanh(1.0 / 64)));
}

TEST_CASE("addresses: memory for weights has to be the device's, and is counted while it is held") {
  constexpr std::string_view kProduct = R"(graph "g" {
  %x: f32[2, 8] = input
  %w: f32[8, 4] = random(1)
  %y = MatMul(%x, %w)
  return %y
})";
  alignas(256) static std::byte room[256];
  alignas(64) float x[16] = {}, y[8];
  plan::Plan plan;
  plan.graph = ops::parse_graph(std::string(kProduct));
  plan.profiles = {builder::default_profile(plan.graph)};
  runtime::EngineOptions options{&backend(), 1, [](size_t) { return std::shared_ptr<void>(room, [](void*) {}); }};
  auto engine = runtime::Engine::create(std::move(plan), options);
  auto context = engine->create_context();
  context->set_address(0, x);
  context->set_address(1, y);
  CHECK(engine->weight_bytes() == 0);
  {
    const Foreign foreign(room);
    CHECK(refusal([&] { context->run(); }).find("allocator's memory for weights is host memory") != std::string::npos);
    CHECK(engine->weight_bytes() == 0);
  }
  context->run();
  CHECK(engine->weight_bytes() == 8 * 4 * 4);
}

TEST_CASE("addresses: few integers may lie on either side, and are values like others where no size depends on them") {
  const auto context = engine_of(R"(graph "g" {
  %x: f32[4, 3] = input
  %rows: i64[2] = input
  %y = Gather(%x, %rows) {axis = 0}
  return %y
})")
                           ->create_context();
  CHECK(context->engine().shape_inputs().empty());
  CHECK(context->engine().small_inputs() == std::vector<size_t>{1});
  alignas(64) float x[12], y[6];
  alignas(64) int64_t rows[2] = {1, 3}, on_host[2] = {2, 3};
  for (int i = 0; i < 12; ++i) x[i] = float(i);
  context->set_address(0, x);
  context->set_address(1, rows);
  context->set_address(2, y);
  context->run();
  CHECK(y[0] == 3.0F);
  const runtime::Program* program = &context->prepare();
  rows[0] = 0;  // other values need no other program
  context->run();
  CHECK(y[0] == 0.0F);
  const Foreign foreign(on_host);
  context->set_address(1, on_host);
  const int asked = later_device().asked();
  for (int64_t row : {2, 1, 3}) {
    on_host[0] = row;
    context->run();
    CHECK(y[0] == float(3 * row));
  }
  CHECK(later_device().asked() == asked);
  context->set_address(1, rows);
  context->run();
  CHECK(y[0] == 0.0F);
  CHECK(&context->prepare() == program);
}

TEST_CASE("addresses: sizes that kernels read as well may lie on either side") {
  plan::Profile profile;
  profile.inputs = {{{12}, {12}, {12}}, {{2}, {2}, {2}}};
  profile.values["sizes"] = {{1, 1}, {3, 4}, {12, 12}};
  const auto engine = engine_of(R"(graph "g" {
  %x: f32[12] = input
  %sizes: i64[2] = input
  %a = Reshape(%x, %sizes)
  %s = Cast(%sizes) {to = f32}
  %r = Reduce(%s) {kind = sum, axes = [0], keepdims = false}
  %y = Add(%a, %r)
  return %y
})",
                                &profile);
  CHECK(engine->shape_inputs() == std::vector<size_t>{1});
  const auto context = engine->create_context();
  alignas(64) float x[12], y[12];
  for (int i = 0; i < 12; ++i) x[i] = float(i);
  int64_t sizes[2] = {3, 4};
  const Foreign foreign(sizes);
  context->set_address(0, x);
  context->set_address(1, sizes);
  context->set_address(2, y);
  const int asked = later_device().asked();
  for (int turn = 0; turn < 4; ++turn) {
    std::fill(y, y + 12, 0.0F);
    context->run();
    CHECK(y[11] == 11.0F + 7.0F);
  }
  const int first = later_device().asked() - asked;
  sizes[0] = 6, sizes[1] = 2;
  context->run();
  CHECK(y[11] == 11.0F + 8.0F);
  CHECK(context->output_dims(0) == ir::Dims{6, 2});
  CHECK(first <= 2);  // to read them for the one program, not at each run
}

TEST_CASE("addresses: shapes that were seen need nothing of the engine") {
  const auto engine = engine_of(R"(graph "g" {
  %x: f32[n, 8] = input
  %a = Relu(%x)
  %y = Tanh(%a)
  return %y
})");
  const auto context = engine->create_context(), other = engine->create_context();
  std::vector<const runtime::Program*> programs;
  for (int turn = 0; turn < 3; ++turn)
    for (int64_t n : {1, 3, 5}) {
      context->set_input_dims(0, {n, 8});
      const runtime::Program* p = &context->prepare();
      CHECK(p->input_dims[0] == ir::Dims{n, 8});
      if (turn == 0) programs.push_back(p);
      CHECK(p == programs[size_t(n / 2)]);
    }
  // The engine forgets them when another context asks for many; this one does not.
  for (int64_t n = 1; n < 40; ++n) {
    other->set_input_dims(0, {n + 10, 8});
    other->prepare();
  }
  for (int64_t n : {5, 1, 3}) {
    context->set_input_dims(0, {n, 8});
    CHECK(&context->prepare() == programs[size_t(n / 2)]);
  }
}

TEST_CASE("addresses: shapes that the device computes are read when the stream has come to them") {
  const auto context = engine_of(R"(graph "g" {
  %x: f32[12] = input
  %s: i64[2] = input
  %y = Reshape(%x, %s)
  return %y
})")
                           ->create_context();
  alignas(64) float x[12] = {}, y[12];
  alignas(64) int64_t s[2] = {2, 6};
  later_device().set_own(s);
  context->set_address(0, x);
  context->set_address(1, s);
  ir::Dims seen;
  context->set_output_allocator(0, [&](const ir::Dims& dims, int64_t) { return seen = dims, y; });
  const auto stream = later_device().new_stream();
  for (int64_t rows : {3, 4, 2, 6, 1, 12, 3, 4}) {
    later_device().later(stream.get(), [&s, rows] { s[0] = rows, s[1] = 12 / rows; });
    context->enqueue(stream.get());
    CHECK(seen == ir::Dims{rows, 12 / rows});
  }
  later_device().synchronize(nullptr);
  later_device().set_own(nullptr);
}
