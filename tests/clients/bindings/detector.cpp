// The blocks of a YOLO-like detector made by hand: convolution, batch norm as a scale layer, SiLU or leaky ReLU, a
// residual sum, upsampling by a deconvolution with fixed weights, concatenation, and a decoding of the boxes.
#include "common.h"

using namespace nvinfer1;

namespace {

struct BatchNorm {
  std::vector<float> gamma, beta, mean, var;
};

struct Block {
  std::vector<float> kernel;
  BatchNorm bn;
  std::vector<float> scale, shift, power;
};

Block block_of(int out, int in, int size, uint32_t seed) {
  Block b;
  b.kernel = noise(static_cast<size_t>(out) * in * size * size, seed);
  b.bn.gamma = noise(out, seed + 1);
  b.bn.beta = noise(out, seed + 2);
  b.bn.mean = noise(out, seed + 3);
  b.bn.var = noise(out, seed + 4);
  for (int i = 0; i < out; ++i) {
    b.bn.var[i] = 1.5F + b.bn.var[i];
    float const scale = b.bn.gamma[i] / std::sqrt(b.bn.var[i] + 1e-5F);
    b.scale.push_back(scale);
    b.shift.push_back(b.bn.beta[i] - b.bn.mean[i] * scale);
    b.power.push_back(1.0F);
  }
  return b;
}

IScaleLayer* add_batch_norm(INetworkDefinition* network, ITensor& input, Block const& b) {
  IScaleLayer* layer =
      network->addScale(input, ScaleMode::kCHANNEL, weights_of(b.shift), weights_of(b.scale), weights_of(b.power));
  EXPECT(layer != nullptr);
  return layer;
}

ITensor* conv_block(INetworkDefinition* network, ITensor& input, Block const& b, int out, int size, int stride) {
  IConvolutionLayer* conv =
      network->addConvolutionNd(input, out, DimsHW{size, size}, weights_of(b.kernel), no_weights());
  conv->setStrideNd(DimsHW{stride, stride});
  conv->setPaddingNd(DimsHW{size / 2, size / 2});
  IScaleLayer* bn = add_batch_norm(network, *conv->getOutput(0), b);
  IActivationLayer* sigmoid = network->addActivation(*bn->getOutput(0), ActivationType::kSIGMOID);
  IElementWiseLayer* silu =
      network->addElementWise(*bn->getOutput(0), *sigmoid->getOutput(0), ElementWiseOperation::kPROD);
  return silu->getOutput(0);
}

Maps conv_block(Maps const& x, Block const& b, int out, int size, int stride) {
  Maps y = conv(x, b.kernel, {}, out, size, stride, size / 2);
  for (int c = 0; c < out; ++c) {
    for (int i = 0; i < y.h * y.w; ++i) {
      double& v = y.at(0, c, i / y.w, i % y.w);
      v = (v - b.bn.mean[c]) / std::sqrt(b.bn.var[c] + 1e-5) * b.bn.gamma[c] + b.bn.beta[c];
      v = v / (1.0 + std::exp(-v));
    }
  }
  return y;
}

}  // namespace

int main() {
  KeepingLogger logger;
  Block const stem = block_of(8, 3, 3, 10);
  Block const down = block_of(16, 8, 3, 20);
  Block const res1 = block_of(16, 16, 1, 30);
  Block const res2 = block_of(16, 16, 3, 40);
  Block const head = block_of(6, 24, 1, 50);
  std::vector<float> const ones(16 * 2 * 2, 1.0F);

  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* data = network->addInput("images", DataType::kFLOAT, Dims4{1, 3, 16, 16});
  ITensor* a = conv_block(network, *data, stem, 8, 3, 1);
  ITensor* b = conv_block(network, *a, down, 16, 3, 2);
  ITensor* c = conv_block(network, *conv_block(network, *b, res1, 16, 1, 1), res2, 16, 3, 1);
  IElementWiseLayer* sum = network->addElementWise(*b, *c, ElementWiseOperation::kSUM);
  IDeconvolutionLayer* up =
      network->addDeconvolutionNd(*sum->getOutput(0), 16, DimsHW{2, 2}, weights_of(ones), no_weights());
  up->setStrideNd(DimsHW{2, 2});
  up->setNbGroups(16);
  ITensor* both[] = {up->getOutput(0), a};
  IConcatenationLayer* cat = network->addConcatenation(both, 2);
  EXPECT(cat->getAxis() == 1 && cat->getOutput(0)->getDimensions().d[1] == 24);
  ITensor* out = conv_block(network, *cat->getOutput(0), head, 6, 1, 1);
  IShuffleLayer* rows = network->addShuffle(*out);
  rows->setReshapeDimensions(Dims3{1, 6, 256});
  rows->setSecondTranspose(Permutation{{0, 2, 1}});
  rows->getOutput(0)->setName("boxes");
  network->markOutput(*rows->getOutput(0));

  IBuilderConfig* config = builder->createBuilderConfig();
  config->setMaxWorkspaceSize(1ULL << 28);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  Dims const dims = engine->getBindingDimensions(engine->getBindingIndex("boxes"));
  EXPECT(dims.nbDims == 3 && dims.d[1] == 256 && dims.d[2] == 6);
  IExecutionContext* context = engine->createExecutionContext();
  std::vector<float> const image = noise(3 * 256, 77);
  Buffers buffers({image.size(), 6 * 256});
  buffers.upload(0, image);
  EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));
  std::vector<float> const boxes = buffers.download(1);

  Maps const ra = conv_block(maps_of(image, 1, 3, 16, 16), stem, 8, 3, 1);
  Maps rb = conv_block(ra, down, 16, 3, 2);
  Maps const rc = conv_block(conv_block(rb, res1, 16, 1, 1), res2, 16, 3, 1);
  Maps joined(1, 24, 16, 16);
  for (int k = 0; k < 24; ++k) {
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 16; ++j) {
        joined.at(0, k, i, j) = k < 16 ? rb.at(0, k, i / 2, j / 2) + rc.at(0, k, i / 2, j / 2) : ra.at(0, k - 16, i, j);
      }
    }
  }
  Maps const ry = conv_block(joined, head, 6, 1, 1);
  std::vector<double> expected(6 * 256);
  for (int k = 0; k < 6; ++k) {
    for (int i = 0; i < 256; ++i) {
      expected[static_cast<size_t>(i) * 6 + k] = ry.at(0, k, i / 16, i % 16);
    }
  }
  EXPECT(error(boxes, expected) < 1e-5);
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
