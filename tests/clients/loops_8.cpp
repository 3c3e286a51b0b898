// A program of the years of TensorRT 7 and 8 with loops by boundary layers, in explicit-batch networks.
#include "loops.h"

using namespace nvinfer1;

namespace {

using Outputs = std::vector<std::vector<float>>;

Outputs run(INetworkDefinition& network, IBuilder& builder, std::vector<void*> const& inputs,
            std::vector<size_t> const& sizes) {
  Outputs outputs;
  std::vector<void*> bindings = inputs;
  for (size_t size : sizes) {
    outputs.emplace_back(size, -1.0F);
  }
  for (std::vector<float>& output : outputs) {
    bindings.push_back(output.data());
  }
  IBuilderConfig* config = builder.createBuilderConfig();
  ICudaEngine* engine = builder.buildEngineWithConfig(network, *config);
  EXPECT(engine != nullptr);
  if (engine) {
    IExecutionContext* context = engine->createExecutionContext();
    EXPECT(context->executeV2(bindings.data()));
    context->destroy();
    engine->destroy();
  }
  config->destroy();
  return outputs;
}

}  // namespace

int main() {
  KeepingLogger logger;
  loops::Values const values;
  IBuilder* builder = createInferBuilder(logger);
  uint32_t const explicit_batch = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch);
  loops::recur(*network, values);
  std::vector<float> x(12);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((i * 7) % 5) - 1.75F;
  }
  loops::expect_near(run(*network, *builder, {x.data()}, {3, 12, 12, 18}), loops::recur_expected(x));
  network->destroy();
  for (float bound : {1.0F, 20.0F}) {
    network = builder->createNetworkV2(explicit_batch);
    loops::nested(*network, values);
    loops::expect_near(run(*network, *builder, {&bound}, {1, 1}), loops::nested_expected(bound));
    network->destroy();
  }
  builder->destroy();
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
