// Planning for GPUs that are not there: every kernel answers, and a plan made for a GPU runs on the CPU.
#include <doctest/doctest.h>

#include <cmath>

#include "backends/device.h"
#include "builder/builder.h"
#include "import/onnx/import.h"
#include "onnx/load.h"
#include "ops/op.h"
#include "runtime/engine.h"

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
      double error = 0, size = 0;
      for (int64_t i = 0; i < got[0].count(); ++i) {
        error += std::pow(got[0].get(i) - want[0].get(i), 2);
        size += std::pow(want[0].get(i), 2);
      }
      CHECK(std::sqrt(error / size) < (half ? 1e-2 : 1e-5));
    }
  }
  CHECK(cuda_description(61, nullptr) == nullptr);
}
