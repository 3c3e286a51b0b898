// The memory of engines and contexts: what is reported is what is held, and no more than weights, 1.1 x what is alive
// at once, and workspace. On the GPU (TENON_TEST_BACKEND=cuda) the driver's own account is asked as well.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "backends/device.h"
#include "backends/device_weights.h"
#include "builder/builder.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"

using namespace tenon;

namespace {

const Backend& test_backend() {
  const char* wanted = std::getenv("TENON_TEST_BACKEND");
  return find_backend(wanted ? wanted : "cpu");
}

constexpr int64_t kMiB = int64_t(1) << 20;

ir::Graph dense_layers(int64_t width) {
  return ops::parse_graph(cat("graph \"dense\" {\n %x: f32[64, ", width, "] = input\n %w: f32[", width, ", ", 4 * width,
                              "] = random(1)\n %v: f32[", 4 * width, ", ", width, "] = random(2)\n %u: f32[", width,
                              ", ", 4 * width, "] = random(3)\n %t: f32[", 4 * width, ", ", width, R"(] = random(4)
 %s: f32[] = {0.02}
 %a = MatMul(%x, %w)
 %b = Mul(%a, %s)
 %c = Tanh(%b)
 %d = MatMul(%c, %v)
 %e = Mul(%d, %s)
 %f = Add(%e, %x)
 %g = MatMul(%f, %u)
 %h = Mul(%g, %s)
 %i = Tanh(%h)
 %j = MatMul(%i, %t)
 %k = Mul(%j, %s)
 %y = Add(%k, %f)
 return %y
})"));
}

ir::Graph residual_maps(int64_t batch, int64_t side) {
  std::string text = cat("graph \"maps\" {\n %x: f32[", batch, ", 3, ", side, ", ", side, "] = input\n");
  text += " %stem: f32[32, 3, 3, 3] = random(1)\n %scale: f32[] = {0.06}\n";
  for (int i = 0; i < 4; ++i) text += cat(" %w", i, ": f32[32, 32, 3, 3] = random(", i + 2, ")\n");
  constexpr std::string_view kAttributes = " {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1]}\n";
  text += cat(" %h0 = Conv(%x, %stem)", kAttributes);
  for (int i = 0; i < 4; ++i)
    text += cat(" %c", i, " = Conv(%h", i, ", %w", i, ")", kAttributes, " %m", i, " = Mul(%c", i, ", %scale)\n %a", i,
                " = Add(%m", i, ", %h", i, ")\n %h", i + 1, " = Relu(%a", i, ")\n");
  text += " %y = Pool(%h4) {kind = average}\n return %y\n}";
  return ops::parse_graph(text);
}

ir::Graph attention(int64_t batch, int64_t tokens) {
  std::string text = cat("graph \"tokens\" {\n %x: f32[", batch, ", ", tokens, ", 256] = input\n %s: f32[] = {0.06}\n");
  for (const char* name : {"q", "k", "v"}) {
    text += cat(" %w", name, ": f32[256, 256] = random(", int(*name), ")\n %p", name, " = MatMul(%x, %w", name,
                ")\n %n", name, " = Mul(%p", name, ", %s)\n %d", name, ": i64[4] = {", batch, ", ", tokens,
                ", 4, 64}\n %r", name, " = Reshape(%n", name, ", %d", name, ")\n %t", name, " = Transpose(%r", name,
                ") {perm = ", *name == 'k' ? "[0, 2, 3, 1]" : "[0, 2, 1, 3]", "}\n");
  }
  return ops::parse_graph(cat(text, R"( %scores = MatMul(%tq, %tk) {alpha = 0.125}
 %f = Softmax(%scores) {axis = -1}
 %a = MatMul(%f, %tv)
 %b = Transpose(%a) {perm = [0, 2, 1, 3]}
 %m: i64[3] = {)",
                              batch, ", ", tokens, R"(, 256}
 %c = Reshape(%b, %m)
 %y = Add(%c, %x)
 return %y
})"));
}

/// Bytes of the constants that steps of the plan may read, each once.
int64_t constant_bytes(const ir::Graph& graph) {
  std::set<const std::byte*> seen;
  int64_t bytes = 0;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v)
    if (const auto& t = graph.value(v).constant; t && !graph.users(v).empty() && seen.insert(t->data().data()).second)
      bytes += t->bytes();
  return bytes;
}

/// An engine with a context that runs on memory of the device, which others allocated.
struct Running {
  Running(const plan::Plan& plan, const Backend& backend, const std::vector<std::shared_ptr<void>>& memory)
      : engine(runtime::Engine::create(plan, {&backend, 0, {}})), context(engine->create_context()) {
    for (size_t io = 0; io < memory.size(); ++io) context->set_address(io, memory[io].get());
    for (int turn = 0; turn < 3; ++turn) context->run();  // launched, recorded, replayed
  }
  std::shared_ptr<runtime::Engine> engine;
  std::unique_ptr<runtime::Context> context;
};

void check_footprint(const std::string& name, const ir::Graph& network, bool half) {
  CAPTURE(name);
  CAPTURE(half);
  const Backend& backend = test_backend();
  const Device* device = backend.device();
  builder::BuildOptions options;
  options.backend = &backend;
  options.allow_fp16 = half && device;
  const plan::Plan plan = builder::build(network, options);
  std::vector<std::shared_ptr<void>> memory;
  for (const auto* list : {&plan.graph.inputs, &plan.graph.outputs})
    for (ir::ValueId v : *list) {
      int64_t bytes = ir::bits(plan.graph.value(v).dtype) / 8;
      for (int64_t d : ir::static_dims(plan.graph.value(v).shape)) bytes *= d;
      if (device)
        memory.push_back(device_memory(*device, size_t(bytes)));
      else
        memory.emplace_back(std::aligned_alloc(64, size_t(bytes + 63) / 64 * 64), std::free);
      if (device)
        device->fill(memory.back().get(), 0, size_t(bytes), device->own_stream());
      else
        std::fill_n(static_cast<std::byte*>(memory.back().get()), bytes, std::byte{0});
    }
  int64_t by_driver = INT64_MAX;  // the least of several turns: others may use the device meanwhile
  for (int turn = 0; device && turn < 3; ++turn) {
    device->synchronize(device->own_stream());
    const auto before = free_memory(*device);
    const Running engine(plan, backend, memory);
    const auto after = free_memory(*device);
    REQUIRE((before && after));
    if (turn > 0)
      by_driver = std::min(by_driver, int64_t(*before) - int64_t(*after));  // libraries are loaded in the first
  }
  const Running running(plan, backend, memory);
  const int64_t held = running.engine->weight_bytes() + running.context->memory_bytes();

  const plan::MemoryPlan& placed = running.context->prepare().memory;
  const int64_t weights = constant_bytes(plan.graph);
  MESSAGE(name, half ? " f16" : " f32", ": weights ", weights, ", held ", running.engine->weight_bytes(),
          "; alive at once ", placed.peak_live_bytes, ", held ", running.context->memory_bytes(), "; by the driver ",
          device ? by_driver : 0);
  CHECK(running.context->memory_bytes() == std::max<int64_t>(placed.arena_bytes, 64));
  CHECK(double(running.context->memory_bytes()) <= 1.1 * double(placed.peak_live_bytes) + 256);
  CHECK(double(held) <= double(device ? weights : 0) * 1.01 + 1.1 * double(placed.peak_live_bytes) + 64 * 1024);
  if (device) CHECK(running.engine->weight_bytes() >= weights / 4);

  // A second context has activations of its own and no weights.
  const auto second = running.engine->create_context();
  for (size_t io = 0; io < memory.size(); ++io) second->set_address(io, memory[io].get());
  second->run();
  CHECK(running.engine->weight_bytes() + running.context->memory_bytes() == held);
  CHECK(second->memory_bytes() == running.context->memory_bytes());
  if (!device) return;
  // The driver gives out 2 MiB at a time; recordings take some of that.
  CHECK(by_driver <= held + 16 * kMiB);
  CHECK(by_driver >= held / 2);
}

}  // namespace

TEST_CASE("footprint: engines and contexts hold weights and what is alive at once") {
  const bool large = test_backend().device() != nullptr;
  for (bool half : {false, true}) {
    if (half && !large) continue;
    check_footprint("dense layers", dense_layers(large ? 2048 : 64), half);
    check_footprint("residual maps", residual_maps(large ? 32 : 2, large ? 128 : 24), half);
    check_footprint("attention", attention(large ? 8 : 1, large ? 512 : 16), half);
  }
}
