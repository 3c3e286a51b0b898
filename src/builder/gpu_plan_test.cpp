// Planning for GPUs that are not there: every kernel answers, and a plan made for a GPU runs on the CPU.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "backends/device.h"
#include "builder/builder.h"
#include "import/onnx/import.h"
#include "ir/sample.h"
#include "onnx/load.h"
#include "ops/nn/conv.h"
#include "ops/op.h"
#include "ops/parse.h"
#include "runtime/engine.h"
#include "select/select.h"

using namespace tenon;

namespace {

ir::Graph digits() { return importer::import_onnx(onnx::load(TENON_SOURCE_DIR "/samples/digits/digits.onnx")); }

ir::Tensor scan(const ir::Graph& network) {
  ir::Dims dims;
  for (ir::Dim d : network.value(network.inputs[0]).shape) dims.push_back(d.is_const() ? d.constant() : 1);
  ir::Tensor t(ir::DType::kF32, dims);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, std::sin(double(i) * 0.7));
  return t;
}

}  // namespace

TEST_CASE("plans for GPUs that are not there") {
  const ir::Graph network = digits();
  const std::vector<ir::Tensor> inputs{scan(network)};
  const auto want = ops::eval_graph(network, inputs, true);
  for (int sm : {75, 86, 90}) {
    std::string why;
    const Backend* gpu = cuda_description(sm, &why);
    if (!gpu) {
      MESSAGE("CUDA: not built (", why, ")");
      return;
    }
    CAPTURE(sm);
    REQUIRE(gpu->device() != nullptr);
    CHECK(!gpu->device()->present());
    for (bool half : {false, true}) {
      builder::BuildOptions options;
      options.backend = gpu;
      options.allow_fp16 = half;
      builder::BuildReport report;
      plan::Plan plan = builder::build(network, options, &report);
      CHECK(plan.device == gpu->fingerprint());
      size_t nodes = 0;
      for (const auto& node : report.nodes.at(0)) {
        CAPTURE(node.name);
        size_t chosen = 0;
        for (const auto& c : node.candidates) {
          chosen += c.chosen;
          CHECK((c.refusal.empty() ? c.cost_us > 0 : c.cost_us == 0));
        }
        CHECK(chosen == 1);
        ++nodes;
      }
      CHECK(nodes >= 4);
      const auto got = runtime::Engine::create(std::move(plan))->create_context()->run(inputs);
      CHECK(ir::relative_error(got[0], want[0]) < (half ? 1e-2 : 1e-5));
    }
  }
  CHECK(cuda_description(61, nullptr) == nullptr);
}

TEST_CASE("what is fused for a GPU runs on kernels of the processor as well") {
  const ir::Graph network = ops::parse_graph(R"tn(graph "net" {
  %x: f32[2, 3, 12, 12] = input
  %w: f32[16, 3, 3, 3] = random(1)
  %w1: f32[8, 16, 1, 1] = random(2)
  %b1: f32[8] = random(3)
  %w2: f32[16, 8, 1, 1] = random(4)
  %b2: f32[16] = random(5)
  %v: f32[24, 16, 1, 1] = random(6)
  %a = Conv(%x, %w) {strides = [2, 2], pads = [1, 1, 1, 1], dilations = [1, 1]} "stem"
  %r = Relu(%a) "relu"
  %m = Pool(%r) {kind = average} "mean"
  %h = Conv(%m, %w1, %b1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], epilogue = "relu(i0)"} "fc1"
  %g = Conv(%h, %w2, %b2) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], epilogue = "sigmoid(i0)"} "fc2"
  %s = Mul(%r, %g) "scale"
  %y = Conv(%s, %v) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "project"
  %k: f32[24, 1, 3, 3] = random(7)
  %kb: f32[24] = random(8)
  %u1: f32[8, 24, 1, 1] = random(9)
  %u2: f32[24, 8, 1, 1] = random(10)
  %ub: f32[24] = random(11)
  %d = Conv(%y, %k, %kb) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], group = 24} "depthwise"
  %l = Sigmoid(%d) "logistic"
  %e = Mul(%d, %l) "silu"
  %n = Pool(%e) {kind = average} "mean of silu"
  %i = Conv(%n, %u1, %b1) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], epilogue = "silu(i0)"} "fc3"
  %o = Conv(%i, %u2, %ub) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], epilogue = "sigmoid(i0)"} "fc4"
  %z = Mul(%e, %o) "scale of silu"
  return %z
}
)tn");
  std::string why;
  const Backend* gpu = cuda_description(90, &why);
  if (!gpu) {
    MESSAGE("CUDA: not built (", why, ")");
    return;
  }
  builder::BuildOptions options;
  options.backend = gpu;
  options.allow_fp16 = true;
  plan::Plan built = builder::build(network, options);
  int fused = 0;
  for (ir::NodeId n = 0; n < built.graph.node_count(); ++n) {
    const ir::Node& node = built.graph.node(n);
    fused += node.op == "SqueezeExcite" || node.op == "ConvExcite" || node.op == "ScaledConv";
    if (node.op == "Conv") fused += node.attrs.as<ops::ConvAttrs>().x_channels_first;
  }
  CHECK(fused == 4);
  const std::vector<ir::Tensor> inputs{scan(network)};
  const auto want = ops::eval_graph(network, inputs, true);
  auto engine = runtime::Engine::create(std::move(built));
  const auto got = engine->create_context()->run(inputs);
  const auto program = engine->program(0, {inputs[0].dims()});
  for (const auto& step : program->steps) CHECK(step.kernel_name != "reference");
  CHECK(ir::relative_error(got[0], want[0]) < 1e-2);
  // What the engine holds now is a plan for processors, and can be saved as one.
  auto bytes = std::make_shared<std::vector<std::byte>>(plan::serialize(engine->plan()));
  const auto again = runtime::Engine::create(plan::deserialize(bytes, *bytes))->create_context()->run(inputs);
  CHECK(ir::relative_error(again[0], got[0]) == 0);
}

TEST_CASE("operands are rounded to TF32 where that is allowed alone") {
  const ir::Graph network = ops::parse_graph(R"tn(graph "net" {
  %x: f32[8, 64, 28, 28] = input
  %w: f32[128, 64, 3, 3] = random(1)
  %v: f32[256, 128, 1, 1] = random(2)
  %u: f32[4, 256, 1, 1] = random(3)
  %a = Conv(%x, %w) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], epilogue = "relu(i0)"} "window"
  %b = Conv(%a, %v) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "pointwise"
  %m = Pool(%b) {kind = average} "mean"
  %y = Conv(%m, %u) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "small"
  return %y
}
)tn");
  for (int sm : {75, 80, 90}) {
    std::string why;
    const Backend* gpu = cuda_description(sm, &why);
    if (!gpu) {
      MESSAGE("CUDA: not built (", why, ")");
      return;
    }
    for (bool allowed : {false, true}) {
      CAPTURE(sm);
      CAPTURE(allowed);
      builder::BuildOptions options;
      options.backend = gpu;
      options.allow_tf32 = allowed;
      builder::BuildReport report;
      builder::build(network, options, &report);
      int candidates = 0, chosen = 0;
      for (const auto& node : report.nodes.at(0))
        for (const auto& c : node.candidates) {
          if (c.kernel.find("tf32") == std::string::npos || !c.refusal.empty()) continue;
          ++candidates;
          chosen += c.chosen;
        }
      CHECK((candidates > 0) == (allowed && sm >= 80));
      CHECK(chosen == (allowed && sm >= 80 ? 2 : 0));  // "small" gains nothing
    }
  }
}

TEST_CASE("tiles fit the shared memory of the GPU that they are planned for") {
  const ir::Graph network = ops::parse_graph(R"tn(graph "net" {
  %x: f32[512, 512] = input
  %w: f32[512, 512] = random(1)
  %y = MatMul(%x, %w) "product"
  return %y
}
)tn");
  for (int sm : {80, 86, 89, 90}) {
    std::string why;
    const Backend* gpu = cuda_description(sm, &why);
    if (!gpu) {
      MESSAGE("CUDA: not built (", why, ")");
      return;
    }
    for (bool narrow : {false, true}) {
      CAPTURE(sm);
      CAPTURE(narrow);
      builder::BuildOptions options;
      options.backend = gpu;
      options.allow_fp16 = narrow;
      builder::BuildReport report;
      builder::build(network, options, &report);
      int largest = 0;
      for (const auto& node : report.nodes.at(0))
        for (const auto& c : node.candidates) {
          if (c.kernel != "matmul_128x128_1") continue;
          ++largest;
          const bool fits = sm == 80 || sm == 90;
          CHECK_MESSAGE((c.refusal.find("shared memory") == std::string::npos) == fits, c.refusal);
        }
      CHECK(largest == 1);
    }
  }
}

TEST_CASE("kernels that read the bias early are for constant ones") {
  std::string why;
  const Backend* gpu = cuda_description(90, &why);
  if (!gpu) {
    MESSAGE("CUDA: not built (", why, ")");
    return;
  }
  const std::string text = R"tn(graph "net" {
  %x: f32[1, 128, 28, 28] = input
  %b: f32[128] = @
  %w: f32[128, 128, 1, 1] = random(1)
  %k: f32[128, 1, 3, 3] = random(2)
  %p = Conv(%x, %w, %b) {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1]} "product"
  %d = Conv(%p, %k, %b) {strides = [1, 1], pads = [1, 1, 1, 1], dilations = [1, 1], group = 128} "depthwise"
  return %d
}
)tn";
  for (const std::string bias : {"random(3)", "input"}) {
    CAPTURE(bias);
    std::string net = text;
    net.replace(net.find('@'), 1, bias);
    builder::BuildOptions options;
    options.backend = gpu;
    options.allow_fp16 = true;
    builder::BuildReport report;
    builder::build(ops::parse_graph(net), options, &report);
    int accepted = 0;
    for (const auto& node : report.nodes.at(0))
      for (const auto& c : node.candidates)
        accepted += c.refusal.empty() && (c.kernel.find("_split_") != std::string::npos ||
                                          c.kernel.find("depthwise_tiled") != std::string::npos);
    CHECK((accepted > 0) == (bias != "input"));
  }
}

TEST_CASE("times that were measured on a GPU choose kernels where it is not there") {
  std::string why;
  const Backend* gpu = cuda_description(90, &why);
  if (!gpu) {
    MESSAGE("CUDA: not built (", why, ")");
    return;
  }
  select::TimingCache measured, cache;
  measured.load(TENON_SOURCE_DIR "/tests/timings/digits_h200.txt");
  REQUIRE(measured.size() > 20);
  for (auto [key, time] : measured.entries()) {
    key.device = select::device_key(*gpu, 0);  // the driver's version is part of the GPU's own key
    cache.put(key, time);
  }
  auto times = [&] {  // entries for all devices are of the network's values
    const auto entries = cache.entries();
    return std::count_if(entries.begin(), entries.end(), [](const auto& e) { return e.first.device != 0; });
  };
  const auto known = times();
  for (bool half : {false, true}) {
    CAPTURE(half);
    builder::BuildOptions options;
    options.backend = gpu;
    options.allow_fp16 = half;
    options.timing_cache = &cache;
    builder::BuildReport report;
    builder::build(digits(), options, &report);
    int by_time = 0;
    for (const auto& node : report.nodes.at(0)) {
      CAPTURE(node.name);
      const select::Candidate* chosen = nullptr;
      float least = INFINITY;
      for (const auto& c : node.candidates) {
        if (c.chosen) chosen = &c;
        if (c.from_cache) least = std::min(least, c.time_us);
      }
      REQUIRE(chosen);
      if (std::isinf(least)) continue;
      CHECK(chosen->time_us == least);
      ++by_time;
    }
    CHECK(by_time >= 5);
  }
  CHECK(times() == known);
}
