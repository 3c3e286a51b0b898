// Preparing, and what is left of it where it fails.
#include <doctest/doctest.h>

#include <atomic>

#include "builder/builder.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/later_device.h"

using namespace tenon;
using runtime::testing::LaterBackend;
using runtime::testing::LaterDevice;

TEST_CASE("kernels are prepared where their device is current") {
  static std::atomic<int> prepared, elsewhere;
  prepared = elsewhere = 0;
  const LaterBackend backend({"later", "*", [](const Problem&) { return Support::yes(1); },
                              [](const Problem& p) -> std::unique_ptr<Kernel> {
                                ++prepared;
                                if (!LaterDevice::active()) ++elsewhere;
                                LaterDevice::active() = false;
                                return std::make_unique<runtime::testing::LaterKernel>(p);
                              }});
  const ir::Graph net = ops::parse_graph(R"(graph "net" {
  %x: f32[4, 6] = input
  %a = Relu(%x) "a"
  %b = Neg(%a) "b"
  %c = Abs(%b) "c"
  %d = Exp(%c) "d"
  return %d
}
)");
  plan::Plan plan;
  plan.graph = net;
  plan.profiles = {builder::default_profile(plan.graph)};
  const auto engine = runtime::Engine::create(std::move(plan), {&backend, 3});
  engine->program(0, {{4, 6}});
  CHECK(prepared == 4);
  CHECK(elsewhere == 0);
}

TEST_CASE("tensors of a call that fails are not used again") {
  const ir::Graph net = ops::parse_graph(R"(graph "net" {
  %x: f32[64, 64] = input
  %w: f32[64, 64] = random(1)
  %a = MatMul(%x, %w) "a"
  %y = Softmax(%a) {axis = 1} "y"
  return %y
}
)");
  const auto context = runtime::Engine::create(builder::build(net, {}))->create_context();
  context->set_memory_allocator([](size_t) -> std::shared_ptr<void> { fail(ErrorCode::kOutOfMemory, "none is left"); });
  const ir::Tensor x(ir::DType::kF32, {64, 64});
  CHECK_THROWS_WITH_AS(context->run({x}), doctest::Contains("none is left"), Error);
  CHECK(context->address(0) == nullptr);
  context->set_memory_allocator({});
  CHECK_THROWS_WITH_AS(context->run(nullptr), doctest::Contains("input 'x'"), Error);
  CHECK(context->run({x}).size() == 1);
  CHECK(context->address(0) == nullptr);
}
