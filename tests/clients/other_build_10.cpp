// A machine with a GPU whose libtenon_cuda is of another build than libtenon (other_build.cpp): one warning says so,
// and the engine is built for the processor and runs there.
#include <memory>

#include "NvInfer.h"
#include "client.h"

using namespace nvinfer1;

namespace {

class Warnings : public ILogger {
 public:
  std::vector<std::string> said;
  void log(Severity severity, char const* message) noexcept override {
    if (severity <= Severity::kWARNING) {
      said.push_back(message);
    }
  }
};

void expect_warning(Warnings const& logger, size_t count) {
  EXPECT(logger.said.size() == count);
  if (logger.said.size() == count) {
    EXPECT(logger.said.back().find("the GPU is not used") != std::string::npos);
    EXPECT(logger.said.back().find("of build 0.0.0-other") != std::string::npos);
    EXPECT(logger.said.back().find("libtenon.so.1 of build ") != std::string::npos);
  }
}

}  // namespace

int main() {
  Warnings logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(2, 2));
  IActivationLayer* relu = network->addActivation(*x, ActivationType::kRELU);
  relu->getOutput(0)->setName("y");
  network->markOutput(*relu->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr);
  expect_warning(logger, 1);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  expect_warning(logger, 2);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  float in[4] = {-1.0F, 2.0F, -3.0F, 4.0F}, out[4];
  EXPECT(context->setTensorAddress("x", in) && context->setTensorAddress("y", out) && context->enqueueV3(nullptr));
  EXPECT(out[0] == 0.0F && out[1] == 2.0F && out[2] == 0.0F && out[3] == 4.0F);
  EXPECT(logger.said.size() == 2);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
