#include "runtime/failures.h"

#include <doctest/doctest.h>

#include <future>

#include "backends/device.h"
#include "builder/builder.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/later_device.h"

using namespace tenon;

namespace {

using runtime::testing::later_device;

/// A square that works on the host and refuses numbers below 0.
class HostSquare final : public Kernel {
 public:
  explicit HostSquare(const Problem& p) : count_(p.outputs[0].count()) {}
  int64_t host_workspace_bytes() const override { return 8; }
  void run(const RunArgs& args) const override {
    const auto* x = static_cast<const float*>(args.inputs[0]);
    auto* y = static_cast<float*>(args.outputs[0]);
    auto* failed = static_cast<int64_t*>(args.host_workspace);
    later_device().later(args.stream, [=, count = count_] {
      *failed = 0;
      for (int64_t i = 0; i < count; ++i) y[i] = x[i] * x[i], *failed |= x[i] < 0;
    });
  }
  void check_ran(const void* host_workspace) const override {
    require(*static_cast<const int64_t*>(host_workspace) == 0, ErrorCode::kInvalidArgument, "a number is below 0");
  }

 private:
  int64_t count_;
};

KernelDef host_square() {
  return {"host_square", "Neg", [](const Problem&) { return Support::yes(1); },
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<HostSquare>(p); }};
}

constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[4] = input
  %y = Neg(%x) "square"
  return %y
}
)";

struct Session {
  std::shared_ptr<runtime::Engine> engine;
  std::unique_ptr<runtime::Context> context;
  alignas(16) float x[4] = {1, 2, 3, 4};
  alignas(16) float y[4] = {};

  Session() {
    static const runtime::testing::LaterBackend backend(host_square());
    plan::Plan plan;
    plan.graph = ops::parse_graph(kNet);
    plan.profiles = {builder::default_profile(plan.graph)};
    plan.choices = {{{"host_square", 0}}};
    engine = runtime::Engine::create(std::move(plan), {&backend, 1});
    context = engine->create_context();
    context->set_address(0, x);
    context->set_address(1, y);
  }
};

}  // namespace

TEST_CASE("a failure on the device's thread reaches the listener and the next call, once") {
  Session s;
  std::vector<std::string> told;
  s.context->set_failure_listener([&](const Error& e) { told.emplace_back(e.what()); });
  for (int round = 0; round < 3; ++round) {  // launched, recorded, replayed
    s.x[2] = -1;
    s.context->enqueue(nullptr);
    CHECK(told.size() == size_t(round));
    later_device().synchronize(nullptr);
    REQUIRE(told.size() == size_t(round) + 1);
    CHECK(told.back() == "layer 'square' (host_square): a number is below 0");
    s.x[2] = 3;
    CHECK_THROWS_WITH_AS(s.context->enqueue(nullptr),
                         "an earlier run of this context: layer 'square' (host_square): a number is below 0", Error);
    s.context->enqueue(nullptr);
    later_device().synchronize(nullptr);
    CHECK(s.y[2] == 9);
    CHECK_NOTHROW(s.context->run());
  }
  CHECK(told.size() == 3);
}

TEST_CASE("a run that waits throws its own failure and tells no listener") {
  Session s;
  int told = 0;
  s.context->set_failure_listener([&](const Error&) { ++told; });
  s.x[0] = -1;
  CHECK_THROWS_WITH_AS(s.context->run(), "layer 'square' (host_square): a number is below 0", Error);
  s.x[0] = 1;
  CHECK_NOTHROW(s.context->run());
  ir::Tensor bad(ir::DType::kF32, {4});
  bad.set(1, -2);
  CHECK_THROWS_AS(s.context->run({bad}), Error);
  CHECK(told == 0);
}

TEST_CASE("a failure belongs to its context: another one of the engine runs on") {
  Session s;
  auto other = s.engine->create_context();
  alignas(16) float y[4];
  s.x[0] = -1;
  s.context->enqueue(nullptr);
  later_device().synchronize(nullptr);
  s.x[0] = 2;
  other->set_address(0, s.x);
  other->set_address(1, y);
  CHECK_NOTHROW(other->run());
  CHECK(y[0] == 4);
  CHECK_THROWS_AS(s.context->run(), Error);
}

TEST_CASE("a listener that waits for whoever waits for the device does not stop it") {
  Session s;
  auto held = std::make_shared<std::mutex>();
  auto told = std::make_shared<std::promise<void>>();
  auto done = told->get_future();
  s.context->set_failure_listener([held, told](const Error&) {
    const std::lock_guard lock(*held);
    told->set_value();
  });
  std::unique_lock lock(*held);
  s.x[0] = -1;
  s.context->enqueue(nullptr);
  later_device().synchronize(nullptr);  // returns, although the listener cannot
  lock.unlock();
  CHECK(done.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
}

// On a GPU an operator without a kernel there works on the host: its failure leaves NaN behind.
TEST_CASE("on a GPU, if there is one: a host operator's failure leaves no results that look valid") {
  const Backend* gpu = cuda_backend();
  if (!gpu) return;
  const ir::Graph net = ops::parse_graph(R"(graph "net" {
  %x: f32[4] = input
  %zero: f32[] = {0}
  %fit = GreaterOrEqual(%x, %zero) "fit"
  %checked = Assert(%x, %fit) {message = "a number is below 0"} "check"
  %y = Neg(%checked) "y"
  return %y
}
)");
  builder::BuildOptions options;
  options.backend = gpu;
  auto engine = runtime::Engine::create(builder::build(net, options), {gpu, 1});
  auto context = engine->create_context();
  std::vector<std::string> told;
  context->set_failure_listener([&](const Error& e) { told.emplace_back(e.what()); });
  const Device& device = *gpu->device();
  auto x = page_locked_memory(device, 16), y = page_locked_memory(device, 16);
  auto* const xs = static_cast<float*>(x.get());
  auto* const ys = static_cast<float*>(y.get());
  context->set_address(0, xs);
  context->set_address(1, ys);
  for (int i = 0; i < 4; ++i) xs[i] = float(i + 1);
  void* stream = device.own_stream();
  for (int round = 0; round < 3; ++round) {
    xs[1] = -1;
    context->enqueue(stream);
    device.synchronize(stream);
    REQUIRE(told.size() == size_t(round) + 1);
    CHECK(told.back().find("layer 'check' (host)") != std::string::npos);
    for (int k = 0; k < 4; ++k) CHECK(ys[k] != ys[k]);
    CHECK_THROWS_AS(context->enqueue(stream), Error);
    xs[1] = 6;
    context->enqueue(stream);
    device.synchronize(stream);
    CHECK(ys[1] == -6);
    CHECK(ys[2] == -3);
  }
  xs[0] = -7;
  CHECK_THROWS_AS(context->run(), Error);
  xs[0] = 0;
  CHECK_NOTHROW(context->run());
}

TEST_CASE("a context that goes waits for what it has put on a stream") {
  Session s;
  s.x[1] = 3;
  for (float& y : s.y) y = 0;
  s.context->enqueue(nullptr);
  CHECK(s.y[1] == 0);
  s.context.reset();
  CHECK(s.y[1] == 9);
}
