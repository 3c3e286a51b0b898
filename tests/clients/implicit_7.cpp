// A TensorRT 7 program: implicit batch, settings on the builder, bindings by index, destroy().
#include <cmath>

#include "client.h"

using namespace nvinfer1;

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetwork();
  EXPECT(network->hasImplicitBatchDimension());
  float kernel[4] = {1.0F, 2.0F, -1.0F, 0.5F};
  float bias[2] = {0.0F, 1.0F};
  float scale[2] = {2.0F, -1.0F};
  ITensor* data = network->addInput("data", DataType::kFLOAT, DimsCHW{2, 3, 3});
  EXPECT(data->getDimensions().nbDims == 3 && data->getDimensions().d[0] == 2);
  IConvolutionLayer* conv = network->addConvolution(*data, 2, DimsHW{1, 1}, Weights{DataType::kFLOAT, kernel, 4},
                                                    Weights{DataType::kFLOAT, bias, 2});
  conv->setStride(DimsHW{1, 1});
  EXPECT(conv->getStride().h() == 1 && conv->getOutput(0)->getDimensions().d[1] == 3);
  IScaleLayer* scaled =
      network->addScale(*conv->getOutput(0), ScaleMode::kCHANNEL, Weights{DataType::kFLOAT, nullptr, 0},
                        Weights{DataType::kFLOAT, scale, 2}, Weights{DataType::kFLOAT, nullptr, 0});
  IPoolingLayer* pool = network->addPooling(*scaled->getOutput(0), PoolingType::kAVERAGE, DimsHW{3, 3});
  ITensor* parts[] = {pool->getOutput(0), pool->getOutput(0)};
  IConcatenationLayer* concat = network->addConcatenation(parts, 2);
  EXPECT(concat->getAxis() == 0 && concat->getOutput(0)->getDimensions().d[0] == 4);
  float weights[4] = {1.0F, 1.0F, 1.0F, -1.0F};
  IFullyConnectedLayer* fc = network->addFullyConnected(*concat->getOutput(0), 1, Weights{DataType::kFLOAT, weights, 4},
                                                        Weights{DataType::kFLOAT, nullptr, 0});
  fc->getOutput(0)->setName("prob");
  network->markOutput(*fc->getOutput(0));
  EXPECT(fc->getOutput(0)->getDimensions().nbDims == 3);
  builder->setMaxBatchSize(4);
  builder->setMaxWorkspaceSize(1U << 20);
  builder->setFp16Mode(false);
  ICudaEngine* engine = builder->buildCudaEngine(*network);
  network->destroy();
  EXPECT(engine != nullptr && logger.errors.empty());
  if (engine) {
    EXPECT(engine->getNbBindings() == 2 && engine->getMaxBatchSize() == 4 && engine->hasImplicitBatchDimension());
    EXPECT(engine->getBindingIndex("prob") == 1 && engine->bindingIsInput(0) &&
           engine->getBindingDimensions(0).nbDims == 3);
    IExecutionContext* context = engine->createExecutionContext();
    float x[2 * 18], y[2] = {};
    for (int i = 0; i < 36; ++i) {
      x[i] = static_cast<float>(i % 5) - 1.5F;
    }
    void* bindings[] = {x, y};
    EXPECT(context->execute(2, bindings));
    for (int n = 0; n < 2; ++n) {
      float mean[2] = {0.0F, 0.0F};
      for (int i = 0; i < 9; ++i) {
        mean[0] += (kernel[0] * x[n * 18 + i] + kernel[1] * x[n * 18 + 9 + i]) / 9.0F;
        mean[1] += (kernel[2] * x[n * 18 + i] + kernel[3] * x[n * 18 + 9 + i] + 1.0F) / 9.0F;
      }
      float const expected = 2.0F * (scale[0] * mean[0]);
      EXPECT(std::fabs(y[n] - expected) < 1e-4F);
    }
    EXPECT(!context->execute(5, bindings));
    context->destroy();
    engine->destroy();
  }
  builder->destroy();
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
