// A small fully convolutional segmentation net: dynamic height and width, a skip connection, upsampling by a resize
// layer, and the class of each pixel by TopK.
#include <cstring>

#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kClasses = 5;

struct Model {
  std::vector<float> first = noise(8 * 3 * 9, 1), bias = noise(8, 2), second = noise(kClasses * 8, 3);
};

void describe(INetworkDefinition& network, Model const& m) {
  ITensor* x = network.addInput("input", DataType::kFLOAT, Dims4{1, 3, -1, -1});
  IConvolutionLayer* conv = network.addConvolutionNd(*x, 8, DimsHW{3, 3}, weights_of(m.first), weights_of(m.bias));
  conv->setPaddingMode(PaddingMode::kSAME_UPPER);
  IActivationLayer* relu = network.addActivation(*conv->getOutput(0), ActivationType::kRELU);
  IPoolingLayer* pool = network.addPoolingNd(*relu->getOutput(0), PoolingType::kMAX, DimsHW{2, 2});
  pool->setStrideNd(DimsHW{2, 2});
  IConvolutionLayer* head =
      network.addConvolutionNd(*pool->getOutput(0), kClasses, DimsHW{1, 1}, weights_of(m.second), no_weights());
  IResizeLayer* up = network.addResize(*head->getOutput(0));
  float const scales[] = {1.0F, 1.0F, 2.0F, 2.0F};
  up->setScales(scales, 4);
  up->setResizeMode(ResizeMode::kNEAREST);
  ITopKLayer* best = network.addTopK(*up->getOutput(0), TopKOperation::kMAX, 1, 1U << 1);
  best->getOutput(0)->setName("score");
  best->getOutput(1)->setName("class");
  network.markOutput(*best->getOutput(0));
  network.markOutput(*best->getOutput(1));
}

}  // namespace

int main() {
  KeepingLogger logger;
  Model const model;
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  describe(*network, model);
  IBuilderConfig* config = builder->createBuilderConfig();
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  profile->setDimensions("input", OptProfileSelector::kMIN, Dims4{1, 3, 8, 8});
  profile->setDimensions("input", OptProfileSelector::kOPT, Dims4{1, 3, 16, 24});
  profile->setDimensions("input", OptProfileSelector::kMAX, Dims4{1, 3, 32, 32});
  config->addOptimizationProfile(profile);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  int const score = engine->getBindingIndex("score");
  int const label = engine->getBindingIndex("class");
  EXPECT(engine->getBindingDataType(label) == DataType::kINT32);
  for (int side : {8, 14, 32}) {
    int const width = side == 14 ? 20 : side;
    std::vector<float> const image = noise(static_cast<size_t>(3) * side * width, 9);
    EXPECT(context->setBindingDimensions(0, Dims4{1, 3, side, width}));
    Dims const dims = context->getBindingDimensions(label);
    EXPECT(dims.nbDims == 4 && dims.d[1] == 1 && dims.d[2] == side && dims.d[3] == width);
    size_t const pixels = static_cast<size_t>(side) * width;
    Buffers buffers({image.size(), pixels, pixels});
    buffers.upload(0, image);
    EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));
    std::vector<float> const best = buffers.download(static_cast<size_t>(score));
    std::vector<float> const raw = buffers.download(static_cast<size_t>(label));
    Maps y = apply(conv(maps_of(image, 1, 3, side, width), model.first, model.bias, 8, 3, 1, 1),
                   [](double v) { return std::fmax(v, 0.0); });
    y = conv(pool(y, 2, 2, false), model.second, {}, kClasses, 1, 1, 0);
    int wrong = 0;
    for (int i = 0; i < side; ++i) {
      for (int j = 0; j < width; ++j) {
        int32_t found;
        std::memcpy(&found, &raw[static_cast<size_t>(i) * width + j], sizeof(found));
        double most = -1e300;
        for (int c = 0; c < kClasses; ++c) {
          most = std::fmax(most, y.at(0, c, i / 2, j / 2));
        }
        wrong += found < 0 || found >= kClasses || std::fabs(y.at(0, found, i / 2, j / 2) - most) > 1e-4 ||
                 std::fabs(best[static_cast<size_t>(i) * width + j] - most) > 1e-4;
      }
    }
    EXPECT(wrong == 0);
  }
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
