// Where shapes depend on data, the device goes on with what the processor has found.
#include "runtime/step_device.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "builder/builder.h"
#include "ir/sample.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "runtime/later_device.h"

using namespace tenon;

namespace {

/// Rows of a table that are chosen by their marks, and a product of them with weights; how many there are decides a
/// reshape, and a sum beside it has a known shape.
constexpr std::string_view kNet = R"(graph "net" {
  %x: f32[300, 64] = input
  %marks: f32[300] = input
  %zero: f32[] = {0}
  %w: f32[64, 32] = random(1)
  %a = Relu(%x) "a"
  %chosen = Greater(%marks, %zero) "chosen"
  %n = NonZero(%chosen) "n"
  %t = Transpose(%n) {perm = [1, 0]} "t"
  %rows = GatherND(%a, %t) "rows"
  %p = MatMul(%rows, %w) "p"
  %all: i64[2] = {-1, 16}
  %y = Reshape(%p, %all) "y"
  %z = Neg(%a) "z"
  return %y, %z, %t
}
)";

std::shared_ptr<runtime::Engine> make(const Backend* backend, std::string_view text = kNet) {
  plan::Plan plan;
  plan.graph = ops::parse_graph(text);
  plan.profiles = {builder::default_profile(plan.graph)};
  return runtime::Engine::create(std::move(plan), {backend, 1});
}

std::vector<ir::Tensor> inputs(int chosen) {
  Xorshift random(uint64_t(chosen) + 1);
  ir::Tensor marks(ir::DType::kF32, {300});
  for (int i = 0; i < chosen; ++i) marks.set(i * 7 % 300, 1);
  return {ir::random_tensor(ir::DType::kF32, {300, 64}, random), marks};
}

/// A run on the device's stream, with memory of the caller's for inputs and allocators for outputs.
std::vector<ir::Tensor> enqueue(runtime::Context& context, const std::vector<ir::Tensor>& in) {
  const auto& io = context.engine().io();
  std::vector<ir::Tensor> out(io.size() - in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    context.set_input_dims(i, in[i].dims());
    context.set_address(i, const_cast<std::byte*>(in[i].data().data()));
  }
  for (size_t i = 0; i < out.size(); ++i)
    context.set_output_allocator(i, [&, i](const ir::Dims& dims, int64_t) -> void* {
      out[i] = ir::Tensor(io[in.size() + i].dtype, dims);
      return out[i].mutable_data();
    });
  context.enqueue(nullptr);
  for (size_t i = 0; i < out.size(); ++i) context.set_output_allocator(i, nullptr);
  return out;
}

}  // namespace

TEST_CASE("what depends on data runs on the device") {
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend);
  const auto context = engine->create_context();
  const auto reference = make(nullptr)->create_context();
  for (int chosen : {200, 3, 0, 300, 200}) {
    CAPTURE(chosen);
    std::map<std::string, std::string> kernels;
    context->set_profiler([&](const std::string& name, const std::string& kernel, double) { kernels[name] = kernel; });
    const auto in = inputs(chosen);
    const auto want = reference->run(in);
    CHECK(want[0].dims() == ir::Dims{2 * chosen, 16});
    const auto check = [&](const std::vector<ir::Tensor>& got) {
      REQUIRE(got.size() == want.size());
      for (size_t i = 0; i < got.size(); ++i) {
        CHECK(got[i].dims() == want[i].dims());
        CHECK(got[i] == want[i]);
      }
    };
    check(context->run(in));
    if (chosen > 0) {
      CHECK(kernels["rows"] == "later");
      CHECK(kernels["p"] == "later");
    }
    CHECK(kernels["n"] == "reference");  // of marks that are small
    CHECK(kernels["z"] == "later");

    check(enqueue(*context, in));
    context->set_profiler(nullptr);
    check(enqueue(*context, in));
  }
}

TEST_CASE("sizes that the device has computed are read where they decide shapes") {
  constexpr std::string_view kSizes = R"(graph "net" {
  %x: f32[100, 300] = input
  %k: i64[2] = input
  %zero: f32[] = {0}
  %big = Greater(%x, %zero) "big"
  %n = NonZero(%big) "n"
  %c = Cast(%n) {to = f32} "c"
  %one: i64[2] = {1, 1}
  %dims = Mul(%k, %one) "dims"
  %y = Expand(%c, %dims) "y"
  return %y
}
)";
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend, kSizes);
  const auto context = engine->create_context();
  const auto reference = make(nullptr, kSizes)->create_context();
  ir::Tensor x(ir::DType::kF32, {100, 300});
  for (int64_t i = 0; i < 1000; ++i) x.set(i * 17 % x.count(), 1);
  const int64_t dims[] = {2, 1};
  const std::vector<ir::Tensor> in{x, ir::Tensor::vector_i64(dims)};
  const ir::Tensor want = reference->run(in)[0];
  CHECK(want.dims() == ir::Dims{2, 1000});
  CHECK(context->run(in)[0] == want);
  CHECK(enqueue(*context, in)[0] == want);
}

TEST_CASE("the device finds sizes of results") {
  constexpr std::string_view kFind = R"(graph "net" {
  %x: f32[100, 300] = input
  %a = Relu(%x) "a"
  %n = NonZero(%a) "n"
  %t = Transpose(%n) {perm = [1, 0]} "t"
  %y = GatherND(%x, %t) "y"
  return %n, %y
}
)";
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend, kFind);
  const auto context = engine->create_context();
  const auto reference = make(nullptr, kFind)->create_context();
  for (int chosen : {1000, 0, 30000, 1, 1000}) {
    CAPTURE(chosen);
    ir::Tensor x(ir::DType::kF32, {100, 300});
    for (int64_t i = 0; i < x.count(); ++i) x.set(i * 7 % x.count(), i < chosen ? double(i + 1) : -1);
    const auto want = reference->run({x});
    CHECK(want[0].dims() == ir::Dims{2, chosen});
    std::map<std::string, std::string> kernels;
    context->set_profiler([&](const std::string& name, const std::string& kernel, double) { kernels[name] = kernel; });
    for (bool profiled : {true, false}) {
      CHECK(context->run({x}) == want);
      CHECK(enqueue(*context, {x}) == want);
      if (profiled) CHECK(kernels["n"] == "later_non_zero");
      context->set_profiler(nullptr);
    }
  }
}

TEST_CASE("the reference takes operands that the device refuses") {
  constexpr std::string_view kFind = R"(graph "net" {
  %x: f32[100, 300] = input
  %n = NonZero(%x) "n"
  return %n
}
)";
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend, kFind);
  const auto context = engine->create_context();
  std::map<std::string, std::string> kernels;
  context->set_profiler([&](const std::string& name, const std::string& kernel, double) { kernels[name] = kernel; });
  ir::Tensor x(ir::DType::kF32, {100, 300});
  x.set(301, 2);
  const int64_t first[] = {1, 1}, both[] = {1, 2, 1, 3};
  CHECK(context->run({x})[0] == ir::Tensor::vector_i64(first).reshaped({2, 1}));
  CHECK(kernels["n"] == "later_non_zero");
  x.set(603, NAN);
  CHECK(context->run({x})[0] == ir::Tensor::vector_i64(both).reshaped({2, 2}));
  CHECK(kernels["n"] == "reference");
}

TEST_CASE("on a GPU, if there is one: sizes are found there, and invalid operands by the reference") {
  const Backend* gpu = cuda_backend();
  if (!gpu) return;
  constexpr std::string_view kFind = R"(graph "net" {
  %boxes: f32[1, 6000, 4] = input
  %scores: f32[1, 2, 6000] = input
  %overlap: f32[1] = input
  %marks: bool[6001] = input
  %most: i64[1] = {50}
  %column: i64[1] = {2}
  %end: i64[1] = {3}
  %one: i64[1] = {1}
  %flat: i64[1] = {-1}
  %taken = NonMaxSuppression(%boxes, %scores, %most, %overlap) {center_point_box = true} "taken"
  %which = Slice(%taken, %column, %end, %one) "which"
  %index = Reshape(%which, %flat) "index"
  %best = Gather(%boxes, %index) {axis = 1} "best"
  %some = Compress(%boxes, %marks) {axis = 1, flatten = false} "some"
  %places = NonZero(%some) "places"
  return %best, %some, %places
}
)";
  const auto context = make(gpu, kFind)->create_context();
  const auto reference = make(nullptr, kFind)->create_context();
  Xorshift random(3);
  ir::Tensor marks(ir::DType::kBool, {6001}), overlap(ir::DType::kF32, {1});
  for (int64_t i = 0; i < 6000; ++i) marks.set_int(i, i * i % 7 < 2);
  overlap.set(0, 0.25);
  std::vector<ir::Tensor> in{ir::random_tensor(ir::DType::kF32, {1, 6000, 4}, random),
                             ir::random_tensor(ir::DType::kF32, {1, 2, 6000}, random), overlap, marks};
  std::map<std::string, std::string> kernels;
  context->set_profiler([&](const std::string& name, const std::string& kernel, double) { kernels[name] = kernel; });
  const auto want = reference->run(in);
  CHECK(context->run(in) == want);
  CHECK(kernels["taken"] == "suppress_tiles");
  CHECK(kernels["some"] == "compress_ballots");
  CHECK(kernels["places"] == "non_zero_ballots");
  context->set_profiler(nullptr);
  CHECK(context->run(in) == want);

  ir::Tensor beyond = ir::Tensor(ir::DType::kF32, {1});
  beyond.set(0, 1.5);
  std::swap(in[2], beyond);
  CHECK_THROWS_WITH_AS(context->run(in), doctest::Contains("the IoU threshold is 1.5, accepted are 0 to 1"), Error);
  std::swap(in[2], beyond);
  in[3] = ir::Tensor(ir::DType::kBool, {6001});
  in[3].set_int(6000, 1);
  CHECK_THROWS_WITH_AS(context->run(in), doctest::Contains("the condition selects entry 6000 of 6000"), Error);
}

TEST_CASE("memory of a stepwise run is used again in the order of the stream") {
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend);
  runtime::StepDevice device(backend, engine->weights(), 1);
  const void* first = device.memory(1000).get();
  const auto second = device.memory(600);
  CHECK(second.get() == first);
  CHECK(device.memory(1000).get() != first);
  runtime::Held value = runtime::Held::on_host(ir::Tensor::scalar_f32(3));
  device.upload(value);
  runtime::Held back{value.dtype, value.dims, {}, value.device};
  CHECK(back.on_device_alone());
  device.download({&back});
  CHECK(back.host.get(0) == 3);
}

TEST_CASE("a stepwise run gives free memory back where the device has no more") {
  const runtime::testing::LaterBackend backend;
  const auto engine = make(&backend);
  runtime::StepDevice device(backend, engine->weights(), 1);
  const auto kept = device.memory(600);
  CHECK(device.memory(1000));
  runtime::testing::later_device().refuse(1);
  CHECK(device.memory(5000));
  runtime::testing::later_device().refuse(2);
  try {
    device.memory(50000);
    FAIL("no room, but memory");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kOutOfMemory);
  }
  runtime::testing::later_device().refuse(0);
  CHECK(device.memory(50000));
}

TEST_CASE("a recording is kept for each shape") {
  constexpr std::string_view kSum = R"(graph "net" {
  %x: f32[batch, 5] = input
  %a: f32[batch, 5] = Relu(%x)
  %y: f32[batch, 5] = Add(%a, %x)
  return %y
}
)";
  const runtime::testing::LaterBackend backend;
  plan::Plan plan;
  plan.graph = ops::parse_graph(kSum);
  plan.profiles.emplace_back().inputs.push_back({{1, 5}, {4, 5}, {8, 5}});
  const auto context = runtime::Engine::create(std::move(plan), {&backend, 1})->create_context();
  alignas(16) float x[40], y[40];
  for (int i = 0; i < 40; ++i) x[i] = float(i % 7) - 3;
  context->set_address(0, x);
  context->set_address(1, y);
  const auto run = [&](int64_t batch) {
    context->set_input_dims(0, {batch, 5});
    std::fill(y, y + 40, -1.F);
    context->run();
    for (int64_t i = 0; i < 40; ++i) CHECK(y[i] == (i >= batch * 5 ? -1.F : std::max(x[i], 0.F) + x[i]));
  };
  const int before = runtime::testing::later_device().recordings();
  run(8);  // the largest first: memory does not move afterwards
  for (int round = 0; round < 4; ++round)
    for (int64_t batch : {8, 3, 5}) run(batch);
  CHECK(runtime::testing::later_device().recordings() == before + 3);
  // With other memory for activations, what was recorded is of no use.
  std::vector<std::byte> memory(size_t(context->memory_bytes()) + 256);
  auto* begin = memory.data() + (256 - reinterpret_cast<uintptr_t>(memory.data()) % 256);
  context->use_memory(begin, context->memory_bytes());
  for (int round = 0; round < 2; ++round) run(3);
  CHECK(runtime::testing::later_device().recordings() == before + 4);
}
