// A TensorRT 10 program: a network by hand, built, saved, loaded and run by tensor names.
#include <cmath>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

struct Model {
  std::vector<float> kernel = std::vector<float>(2 * 1 * 3 * 3, 0.0F);
  std::vector<float> bias = {0.5F, -0.25F};
  std::vector<float> head = {1.0F, -1.0F, 2.0F, 0.5F};
};

// y = softmax(reshape(max_pool(relu(conv(x)))) * head)
void describe(INetworkDefinition& network, Model& model) {
  model.kernel[4] = 1.0F;
  model.kernel[9 + 4] = -2.0F;
  ITensor* x = network.addInput("x", DataType::kFLOAT, Dims4{-1, 1, 4, 4});
  EXPECT(x != nullptr);
  IConvolutionLayer* conv =
      network.addConvolutionNd(*x, 2, DimsHW{3, 3}, Weights{DataType::kFLOAT, model.kernel.data(), 18},
                               Weights{DataType::kFLOAT, model.bias.data(), 2});
  conv->setName("conv");
  conv->setPaddingNd(DimsHW{1, 1});
  EXPECT(conv->getPrePadding().nbDims == 2 && conv->getPrePadding().d[0] == 1);
  EXPECT(conv->getNbOutputMaps() == 2 && conv->getType() == LayerType::kCONVOLUTION);
  Dims const dims = conv->getOutput(0)->getDimensions();
  EXPECT(dims.nbDims == 4 && dims.d[0] == -1 && dims.d[1] == 2 && dims.d[2] == 4);
  IActivationLayer* relu = network.addActivation(*conv->getOutput(0), ActivationType::kRELU);
  IPoolingLayer* pool = network.addPoolingNd(*relu->getOutput(0), PoolingType::kMAX, DimsHW{4, 4});
  EXPECT(pool->getOutput(0)->getDimensions().d[3] == 1);
  IShuffleLayer* shuffle = network.addShuffle(*pool->getOutput(0));
  shuffle->setReshapeDimensions(Dims2{-1, 2});
  IConstantLayer* head = network.addConstant(Dims2{2, 2}, Weights{DataType::kFLOAT, model.head.data(), 4});
  IMatrixMultiplyLayer* product = network.addMatrixMultiply(*shuffle->getOutput(0), MatrixOperation::kNONE,
                                                            *head->getOutput(0), MatrixOperation::kTRANSPOSE);
  ISoftMaxLayer* softmax = network.addSoftMax(*product->getOutput(0));
  softmax->setAxes(1U << 1);
  softmax->getOutput(0)->setName("y");
  network.markOutput(*softmax->getOutput(0));
  EXPECT(network.getNbLayers() == 7 && network.getNbInputs() == 1 && network.getNbOutputs() == 1);
  EXPECT(network.getLayer(0) == conv && network.getOutput(0) == softmax->getOutput(0));
}

std::vector<float> expected(Model const& m, std::vector<float> const& x, int batch) {
  std::vector<float> y;
  for (int n = 0; n < batch; ++n) {
    float best[2] = {0.0F, 0.0F};
    for (int i = 0; i < 16; ++i) {
      best[0] = std::fmax(best[0], x[n * 16 + i] + m.bias[0]);
      best[1] = std::fmax(best[1], -2.0F * x[n * 16 + i] + m.bias[1]);
    }
    float const a = best[0] * m.head[0] + best[1] * m.head[1];
    float const b = best[0] * m.head[2] + best[1] * m.head[3];
    y.push_back(1.0F / (1.0F + std::exp(b - a)));
    y.push_back(1.0F / (1.0F + std::exp(a - b)));
  }
  return y;
}

bool near(std::vector<float> const& a, std::vector<float> const& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) < 1e-5F)) {
      return false;
    }
  }
  return a.size() == b.size();
}

void run(ICudaEngine& engine, Model const& model) {
  EXPECT(engine.getNbIOTensors() == 2 && std::string(engine.getIOTensorName(0)) == "x");
  EXPECT(engine.getTensorIOMode("y") == TensorIOMode::kOUTPUT && engine.getTensorShape("x").d[0] == -1);
  EXPECT(engine.getProfileShape("x", 0, OptProfileSelector::kMAX).d[0] == 4);
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  for (int batch = 1; batch <= 3; batch += 2) {
    std::vector<float> x(batch * 16), y(batch * 2);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>((i * 7) % 11) * 0.1F - 0.4F;
    }
    EXPECT(context->setInputShape("x", Dims4{batch, 1, 4, 4}));
    EXPECT(context->getTensorShape("y").d[0] == batch);
    EXPECT(context->setTensorAddress("x", x.data()) && context->setTensorAddress("y", y.data()));
    EXPECT(context->enqueueV3(nullptr));
    EXPECT(near(y, expected(model, x, batch)));
    void* bindings[] = {x.data(), y.data()};
    std::fill(y.begin(), y.end(), 0.0F);
    EXPECT(context->executeV2(bindings));
    EXPECT(near(y, expected(model, x, batch)));
  }
  std::unique_ptr<IEngineInspector> inspector(engine.createEngineInspector());
  EXPECT(std::string(inspector->getEngineInformation(LayerInformationFormat::kJSON)).find("Layers") !=
         std::string::npos);
}

void misuse(IRuntime& runtime, ICudaEngine& engine, KeepingLogger& logger) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  EXPECT(!context->setInputShape("x", Dims4{9, 1, 4, 4}) && !context->setInputShape("nothing", Dims4{}));
  EXPECT(!context->enqueueV3(nullptr) && !context->executeV2(nullptr));
  EXPECT(engine.getTensorShape("nothing").nbDims == -1 && engine.getIOTensorName(5) == nullptr);
  char const junk[] = "not a plan";
  EXPECT(runtime.deserializeCudaEngine(junk, sizeof(junk)) == nullptr);
  EXPECT(logger.errors.size() >= 6);
}

/// A condition on dims, and one on elements: where they do not hold, the run fails with the message.
void asserted(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{-1, 2});
  int64_t const zero = 0, three = 3;
  float const limit = 5.0F;
  Dims one{};
  one.nbDims = 1;
  one.d[0] = 1;
  ITensor* first = network->addConstant(one, Weights{DataType::kINT64, &zero, 1})->getOutput(0);
  ITensor* refused = network->addConstant(one, Weights{DataType::kINT64, &three, 1})->getOutput(0);
  ITensor* rows = network->addGather(*network->addShape(*x)->getOutput(0), *first, 0)->getOutput(0);
  ITensor* same = network->addElementWise(*rows, *refused, ElementWiseOperation::kEQUAL)->getOutput(0);
  network->addAssertion(*network->addUnary(*same, UnaryOperation::kNOT)->getOutput(0), "three rows are not taken");
  ITensor* bound = network->addConstant(Dims2{1, 1}, Weights{DataType::kFLOAT, &limit, 1})->getOutput(0);
  ITensor* small = network->addElementWise(*x, *bound, ElementWiseOperation::kLESS)->getOutput(0);
  IAssertionLayer* elements = network->addAssertion(*small, "elements are below 5");
  EXPECT(elements != nullptr && std::string(elements->getMessage()) == "elements are below 5");
  ITensor* y = network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, 2}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{2, 2}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{4, 2}));
  config->addOptimizationProfile(profile);
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr);
  std::unique_ptr<ICudaEngine> engine(plan ? runtime.deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  EXPECT(engine != nullptr);
  if (!engine) {
    return;
  }
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  struct Case {
    int rows;
    float value;
    char const* message;
  };
  for (Case const& c : {Case{2, 1.5F, nullptr}, Case{3, 1.5F, "three rows are not taken"}, Case{4, 2.0F, nullptr},
                        Case{4, 6.0F, "elements are below 5"}, Case{1, -1.0F, nullptr}}) {
    std::vector<float> in(c.rows * 2, c.value), out(in.size(), -9.0F);
    bool const ran = context->setInputShape("x", Dims2{c.rows, 2}) && context->setTensorAddress("x", in.data()) &&
                     context->setTensorAddress("y", out.data()) && context->enqueueV3(nullptr);
    EXPECT(ran == (c.message == nullptr));
    if (c.message) {
      EXPECT(!logger.errors.empty() && logger.errors.back().find(c.message) != std::string::npos);
    } else {
      EXPECT(out.back() == (c.value > 0.0F ? c.value : 0.0F));
    }
  }
}

}  // namespace

int main() {
  KeepingLogger logger;
  Model model;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  describe(*network, model);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, Dims4{1, 1, 4, 4}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, Dims4{2, 1, 4, 4}));
  EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, Dims4{4, 1, 4, 4}));
  EXPECT(config->addOptimizationProfile(profile) == 0);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr && plan->size() > 0);
  EXPECT(logger.errors.empty());
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  EXPECT(engine != nullptr);
  if (engine) {
    run(*engine, model);
    misuse(*runtime, *engine, logger);
  }
  asserted(*builder, *runtime, logger);
  for (std::string const& error : logger.errors) {
    std::printf("expected error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
