// Dynamic shapes with two optimization profiles: binding indices count on over the profiles, dims are set by index.
#include "common.h"

using namespace nvinfer1;

namespace {

IOptimizationProfile* range(IBuilder& builder, int least, int best, int most) {
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{least, 4}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{best, 4}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{most, 4}));
  EXPECT(profile->isValid());
  return profile;
}

void run(ICudaEngine& engine, int profile, int rows) {
  IExecutionContext* context = engine.createExecutionContext();
  EXPECT(context->setOptimizationProfile(profile));
  EXPECT(context->getOptimizationProfile() == profile);
  int const input = profile * 2;
  EXPECT(!context->allInputDimensionsSpecified());
  EXPECT(context->setBindingDimensions(input, Dims2{rows, 4}));
  EXPECT(context->allInputDimensionsSpecified() && context->allInputShapesSpecified());
  EXPECT(context->getBindingDimensions(input + 1).d[0] == rows);
  std::vector<float> const x = noise(static_cast<size_t>(rows) * 4, 5);
  Buffers buffers({x.size(), static_cast<size_t>(rows)});
  buffers.upload(0, x);
  std::vector<void*> bindings(engine.getNbBindings(), nullptr);
  bindings[input] = buffers.bindings()[0];
  bindings[input + 1] = buffers.bindings()[1];
  EXPECT(context->enqueueV2(bindings.data(), buffers.stream(), nullptr));
  std::vector<double> expected;
  for (int r = 0; r < rows; ++r) {
    double sum = 0.0;
    for (int i = 0; i < 4; ++i) {
      sum += static_cast<double>(x[r * 4 + i]) * x[r * 4 + i];
    }
    expected.push_back(std::sqrt(sum));
  }
  EXPECT(error(buffers.download(1), expected) < 1e-6);
  context->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{-1, 4});
  IElementWiseLayer* square = network->addElementWise(*x, *x, ElementWiseOperation::kPROD);
  IReduceLayer* sum = network->addReduce(*square->getOutput(0), ReduceOperation::kSUM, 1U << 1, false);
  IUnaryLayer* root = network->addUnary(*sum->getOutput(0), UnaryOperation::kSQRT);
  root->getOutput(0)->setName("norm");
  network->markOutput(*root->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  EXPECT(config->addOptimizationProfile(range(*builder, 1, 2, 4)) == 0);
  EXPECT(config->addOptimizationProfile(range(*builder, 5, 16, 64)) == 1);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr && engine->getNbOptimizationProfiles() == 2 && engine->getNbBindings() == 4);
  EXPECT(std::string(engine->getBindingName(2)) == "x [profile 1]" && engine->bindingIsInput(2));
  EXPECT(engine->getBindingIndex("x [profile 1]") == 2 && engine->getBindingIndex("x [profile 7]") == -1);
  EXPECT(engine->getBindingDimensions(0).d[0] == -1);
  EXPECT(engine->getProfileDimensions(0, 0, OptProfileSelector::kMAX).d[0] == 4);
  EXPECT(engine->getProfileDimensions(2, 1, OptProfileSelector::kOPT).d[0] == 16);
  run(*engine, 0, 3);
  run(*engine, 1, 5);
  run(*engine, 1, 64);
  EXPECT(logger.errors.empty());
  // Outside of the profile, an error and false.
  IExecutionContext* context = engine->createExecutionContext();
  EXPECT(context->setOptimizationProfile(0) && !context->setBindingDimensions(0, Dims2{5, 4}));
  EXPECT(!context->setOptimizationProfile(2));
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger, 2);
}
