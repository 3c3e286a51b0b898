// A Haar wavelet and its inverse, layer by layer: strided slices, sums and differences, a grouped deconvolution and
// paddings. The inverse of the transform is the image again.
#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kChannels = 3, kSize = 8;

ITensor* pick(INetworkDefinition* network, ITensor& x, int row, int column) {
  ISliceLayer* slice =
      network->addSlice(x, Dims4{0, 0, row, column}, Dims4{1, kChannels, kSize / 2, kSize / 2}, Dims4{1, 1, 2, 2});
  return slice->getOutput(0);
}

ITensor* combine(INetworkDefinition* network, ITensor* a, ITensor* b, ElementWiseOperation op) {
  return network->addElementWise(*a, *b, op)->getOutput(0);
}

/// Puts a quarter-size band at every second place of a full-size map.
ITensor* spread(INetworkDefinition* network, ITensor& band, int row, int column, std::vector<float> const& ones) {
  IDeconvolutionLayer* wide =
      network->addDeconvolutionNd(band, kChannels, DimsHW{1, 1}, weights_of(ones), no_weights());
  wide->setStrideNd(DimsHW{2, 2});
  wide->setNbGroups(kChannels);
  IPaddingLayer* pad = network->addPaddingNd(*wide->getOutput(0), DimsHW{row, column}, DimsHW{1 - row, 1 - column});
  return pad->getOutput(0);
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::vector<float> const two(1, 2.0F);
  std::vector<float> const ones(kChannels, 1.0F);
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* image = network->addInput("image", DataType::kFLOAT, Dims4{1, kChannels, kSize, kSize});
  ITensor* half = network->addConstant(Dims4{1, 1, 1, 1}, weights_of(two))->getOutput(0);
  ITensor* scaled = combine(network, image, half, ElementWiseOperation::kDIV);
  ITensor* x1 = pick(network, *scaled, 0, 0);
  ITensor* x2 = pick(network, *scaled, 1, 0);
  ITensor* x3 = pick(network, *scaled, 0, 1);
  ITensor* x4 = pick(network, *scaled, 1, 1);
  auto const plus = ElementWiseOperation::kSUM;
  auto const minus = ElementWiseOperation::kSUB;
  ITensor* left = combine(network, x1, x2, plus);
  ITensor* right = combine(network, x3, x4, plus);
  ITensor* left_gap = combine(network, x2, x1, minus);
  ITensor* right_gap = combine(network, x4, x3, minus);
  ITensor* bands[] = {combine(network, left, right, plus), combine(network, right, left, minus),
                      combine(network, left_gap, right_gap, plus), combine(network, right_gap, left_gap, minus)};
  IConcatenationLayer* transform = network->addConcatenation(bands, 4);
  transform->getOutput(0)->setName("bands");
  network->markOutput(*transform->getOutput(0));
  // The inverse: each pixel is half a signed sum of the four bands.
  ITensor* total = nullptr;
  for (int place = 0; place < 4; ++place) {
    int const row = place % 2;
    int const column = place / 2;
    ITensor* pixel = combine(network, bands[0], bands[1], column == 0 ? minus : plus);
    pixel = combine(network, pixel, bands[2], row == 0 ? minus : plus);
    pixel = combine(network, pixel, bands[3], row == column ? plus : minus);
    pixel = combine(network, pixel, half, ElementWiseOperation::kDIV);
    ITensor* wide = spread(network, *pixel, row, column, ones);
    total = total ? combine(network, total, wide, plus) : wide;
  }
  ISliceLayer* cut = network->addSlice(*total, Dims4{0, 0, 0, 0}, Dims4{1, kChannels, kSize, kSize}, Dims4{1, 1, 1, 1});
  cut->getOutput(0)->setName("again");
  network->markOutput(*cut->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr && engine->getNbBindings() == 3);
  IExecutionContext* context = engine->createExecutionContext();
  std::vector<float> const x = noise(kChannels * kSize * kSize, 3);
  Buffers buffers({x.size(), x.size(), x.size()});
  buffers.upload(0, x);
  EXPECT(context->executeV2(buffers.bindings()));
  EXPECT(error(buffers.download(engine->getBindingIndex("again")), x) < 1e-6);
  std::vector<float> const found = buffers.download(engine->getBindingIndex("bands"));
  double const first = (x[0] + x[1] + x[kSize] + x[kSize + 1]) / 2.0;
  EXPECT(std::fabs(found[0] - first) < 1e-6);
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
