#include "runtime/weight_streaming.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include "backends/device_weights.h"
#include "builder/builder.h"
#include "ops/parse.h"
#include "runtime/engine.h"

using namespace tenon;

namespace {

/// A device in the host's memory that counts what is allocated. Work is done at once, in the order of the calls.
class CountingDevice final : public Device {
 public:
  bool present() const override { return true; }
  void* allocate(size_t bytes) const override {
    used += int64_t(bytes);
    most = std::max(most, used);
    auto* memory = static_cast<int64_t*>(std::aligned_alloc(256, (bytes + 511) / 256 * 256)) + 32;
    memory[-1] = int64_t(bytes);
    std::memset(memory, 0x7f, bytes);
    return memory;
  }
  void release(void* memory) const noexcept override {
    if (!memory) return;
    used -= static_cast<int64_t*>(memory)[-1];
    std::free(static_cast<int64_t*>(memory) - 32);
  }
  void* allocate_host(size_t bytes) const override { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
  void release_host(void* memory) const noexcept override { std::free(memory); }
  void copy(void* to, const void* from, size_t bytes, void* stream) const override {
    std::memcpy(to, from, bytes);
    if (stream == &copies) streamed += int64_t(bytes);
  }
  void fill(void* to, int byte, size_t bytes, void*) const override { std::memset(to, byte, bytes); }
  void synchronize(void*) const override {}
  void finish() const noexcept override {}
  void call_host(void*, void (*function)(void*), void* data) const override { function(data); }
  void follow(void* stream, void* other) const override {
    order += stream == &copies ? "c" : other == &copies ? "m" : "?";
  }
  void* own_stream() const override { return nullptr; }
  std::shared_ptr<void> new_stream() const override {
    return {&copies, [](void*) {}};
  }
  bool recording(void*) const override { return false; }
  std::unique_ptr<Recording> record(const Work& work) const override {
    struct Again final : Recording {
      Work work;
      void replay(void* stream) const override { work(stream); }
    };
    auto again = std::make_unique<Again>();
    again->work = work;
    return again;
  }
  float milliseconds(void* stream, const Work& work) const override { return work(stream), 1; }
  float time_us(const Work&, double, double) const override { return 1; }
  bool reaches(const void*) const override { return true; }
  bool host_reaches(const void*) const override { return true; }
  void activate() const override {}

  mutable int64_t used = 0, most = 0, streamed = 0;
  mutable std::string order;
  mutable char copies = 0;
};

CountingDevice& the_device() {
  static CountingDevice device;
  return device;
}

/// Adds a constant that it reads as an operand.
class Plain final : public Kernel {
 public:
  explicit Plain(const Problem& p) : count_(p.outputs[0].count()) {}
  void run(const RunArgs& args) const override {
    const auto *x = static_cast<const float*>(args.inputs[0]), *w = static_cast<const float*>(args.inputs[1]);
    for (int64_t i = 0; i < count_; ++i) static_cast<float*>(args.outputs[0])[i] = x[i] + w[i];
  }

 private:
  int64_t count_;
};

/// Multiplies by a constant that it keeps in a form of its own, back to front.
class Packed final : public Kernel {
 public:
  explicit Packed(const Problem& p) : count_(p.outputs[0].count()) {
    const ir::Tensor& source = *p.constants[1];
    packed_ = p.weights->get(source, "cuda/0/reversed", [&]() -> std::shared_ptr<const void> {
      auto memory = weight_memory(p.weights, the_device(), size_t(source.bytes()));
      for (int64_t i = 0; i < count_; ++i) static_cast<float*>(memory.get())[i] = float(source.get(count_ - 1 - i));
      return memory;
    });
  }
  bool reads_constant(size_t input) const override { return input != 1; }
  void run(const RunArgs& args) const override {
    const auto *x = static_cast<const float*>(args.inputs[0]), *w = static_cast<const float*>(packed_.get());
    for (int64_t i = 0; i < count_; ++i) static_cast<float*>(args.outputs[0])[i] = x[i] * w[count_ - 1 - i];
  }

 private:
  int64_t count_;
  std::shared_ptr<const void> packed_;
};

class CountingBackend final : public Backend {
 public:
  std::string_view name() const override { return "counting"; }
  std::string fingerprint() const override { return "counting"; }
  std::span<const KernelDef> kernels() const override { return kernels_; }
  const Device* device() const override { return &the_device(); }

 private:
  template <class K>
  static std::unique_ptr<Kernel> make(const Problem& p) {
    return std::make_unique<K>(p);
  }
  static Support yes(const Problem&) { return Support::yes(1); }
  std::vector<KernelDef> kernels_{{"plain", "Add", yes, make<Plain>}, {"packed", "Mul", yes, make<Packed>}};
};

// Weights of 8192, 4096, 4096 and 4096 bytes.
constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[2048] = input
  %z: f32[1024] = input
  %a: f32[2048] = random(1)
  %b: f32[1024] = random(2)
  %c: f32[1024] = random(3)
  %d: f32[1024] = random(4)
  %y = Mul(%x, %a) "first"
  %p = Mul(%z, %b) "second"
  %q = Add(%p, %c) "third"
  %r = Mul(%q, %d) "fourth"
  return %y, %r
}
)";
constexpr int64_t kWeights = 8192 + 3 * 4096;

std::shared_ptr<runtime::Engine> engine_of() {
  static const CountingBackend backend;
  plan::Plan plan;
  plan.graph = ops::parse_graph(kNet);
  plan.profiles = {builder::default_profile(plan.graph)};
  return runtime::Engine::create(std::move(plan), {&backend, 1});
}

struct Run {
  std::vector<float> x, z, y, r;
  std::unique_ptr<runtime::Context> context;
  explicit Run(runtime::Engine& engine, float first)
      : x(2048, first), z(1024), y(2048), r(1024), context(engine.create_context()) {
    for (size_t i = 0; i < z.size(); ++i) z[i] = first + float(i % 7);
    context->set_address(0, x.data());
    context->set_address(1, z.data());
    context->set_address(2, y.data());
    context->set_address(3, r.data());
  }
  std::vector<float> operator()() {
    std::fill(y.begin(), y.end(), 0.0f);
    std::fill(r.begin(), r.end(), 0.0f);
    context->enqueue(nullptr);
    std::vector<float> all = y;
    all.insert(all.end(), r.begin(), r.end());
    return all;
  }
};

}  // namespace

TEST_CASE("streamed weights: any budget gives the same results and holds at most what it allows") {
  auto engine = engine_of();
  CHECK(engine->streamable_bytes() == kWeights);
  CHECK(engine->streaming_scratch_bytes() == 0);
  std::vector<float> wanted;
  int64_t whole = 0;
  {
    Run run(*engine, 2);
    wanted = run();
    whole = the_device().used;
    CHECK(whole >= kWeights);
  }
  for (const int64_t budget : {kWeights, int64_t{16384}, int64_t{12288}, int64_t{8192}, int64_t{5000}, int64_t{0}}) {
    CAPTURE(budget);
    engine->set_weight_budget(budget);
    CHECK(engine->streams() == (budget < kWeights));
    const int64_t before = the_device().used;
    the_device().most = before;
    Run run(*engine, 2);
    the_device().streamed = 0;
    for (int round = 0; round < 3; ++round) CHECK(run() == wanted);  // launched, recorded, replayed
    const int64_t resident = std::min(budget, kWeights) / 4096 * 4096;
    CHECK(the_device().streamed == 3 * (kWeights - resident));
    CHECK(the_device().used - before <= resident + engine->streaming_scratch_bytes() + 8192 /* activations */);
    CHECK(the_device().most - before <= resident + engine->streaming_scratch_bytes() + 8192 + 8192 /* one, packed */);
  }
}

TEST_CASE("streamed weights: contexts have scratch of their own, and give it back") {
  auto engine = engine_of();
  std::vector<float> first_wanted, second_wanted;
  {
    Run first(*engine, 2), second(*engine, 3);
    first_wanted = first(), second_wanted = second();
  }
  engine->set_weight_budget(0);
  const int64_t before = the_device().used;
  {
    Run first(*engine, 2), second(*engine, 3);
    for (int round = 0; round < 3; ++round) {
      CHECK(first() == first_wanted);
      CHECK(second() == second_wanted);
    }
    CHECK(first.context->prepare().steps[0].loads[0].to != second.context->prepare().steps[0].loads[0].to);
  }
  CHECK(the_device().used == before);
}

TEST_CASE("streamed weights: the next step's travel while a step computes, into the other half") {
  auto engine = engine_of();
  engine->set_weight_budget(0);
  Run run(*engine, 1);
  the_device().order.clear();
  run();
  // The copies of four steps; each goes once the steps before the last one have been put on the stream.
  CHECK(the_device().order == "cmcmcmcm");
  const auto& steps = run.context->prepare().steps;
  REQUIRE(steps.size() == 4);
  for (size_t s = 0; s + 1 < steps.size(); ++s) {
    REQUIRE(steps[s].loads.size() == 1);
    const auto* here = static_cast<const std::byte*>(steps[s].loads[0].to);
    const auto* next = static_cast<const std::byte*>(steps[s + 1].loads[0].to);
    CHECK((here + steps[s].loads[0].bytes <= next || next + steps[s + 1].loads[0].bytes <= here));
  }
}

TEST_CASE("streamed weights: a profile has a time for each layer; a negative budget is refused") {
  auto engine = engine_of();
  engine->set_weight_budget(4096);
  Run run(*engine, 2);
  const std::vector<float> wanted = run();
  int layers = 0;
  run.context->set_profiler([&](const std::string&, const std::string&, double) { ++layers; });
  CHECK(run() == wanted);
  CHECK(layers == 4);
  CHECK_THROWS_AS(engine->set_weight_budget(-1), Error);
}
