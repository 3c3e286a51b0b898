// Preparing, and what is left of it where it fails.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "backends/device.h"
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

TEST_CASE("two threads launch one kernel with different amounts of shared memory" *
          doctest::skip(!std::getenv("TENON_TEST_BACKEND"))) {
  const Backend* gpu = cuda_backend();
  REQUIRE(gpu);
  constexpr int64_t kSide = 200, kDepth = 256;  // rows enough that no block shares its columns
  std::atomic<int> failed{0}, runs{0};
  std::string reason;
  const auto work = [&](int64_t columns) {
    plan::Plan plan;
    plan.graph = ops::parse_graph(
        cat("graph \"net\" {\n  %x: f16[1, ", kSide, ", ", kSide, ", ", kDepth, "] = input\n  %w: f16[", columns, ", ",
            kDepth, ", 1, 1] = random(1)\n  %y = Conv(%x, %w) {strides = [1, 1], ",
            "pads = [0, 0, 0, 0], dilations = [1, 1], channels_last = true} \"y\"\n  return %y\n}\n"));
    plan.profiles = {builder::default_profile(plan.graph)};
    plan.choices = {{{"conv_thin_16", 0}}};
    try {
      const auto context = runtime::Engine::create(std::move(plan), {gpu})->create_context();
      const auto x = device_memory(*gpu->device(), size_t(kSide * kSide * kDepth * 2)),
                 y = device_memory(*gpu->device(), size_t(kSide * kSide * columns * 2)),
                 stream = gpu->device()->new_stream();
      context->set_address(0, x.get());
      context->set_address(1, y.get());
      // Layers are launched one by one for a profiler, which no recording has.
      context->set_profiler(
          [&](const std::string&, const std::string& kernel, double) { runs += kernel == "conv_thin_16"; });
      for (int i = 0; i < 1500; ++i) context->run(stream.get());
    } catch (const Error& e) {
      if (++failed == 1) reason = e.what();
    }
  };
  std::thread other(work, 128);  // 64 KiB of weights
  work(176);                     // 88 KiB
  other.join();
  CHECK_MESSAGE(failed == 0, reason);
  CHECK(runs == 3000);
}
