// A TensorRT 7 program as the Caffe converters wrote it: output dims of windows come from a formula of its own.
#include <cmath>
#include <cstring>

#include "client.h"

using namespace nvinfer1;

namespace {

/// Rounds up, as Caffe's pooling does.
class RoundUp : public IOutputDimensionsFormula {
 public:
  DimsHW compute(DimsHW input, DimsHW kernel, DimsHW stride, DimsHW padding, DimsHW dilation,
                 char const* name) const override {
    ++calls;
    EXPECT(name != nullptr && dilation.h() == 1 && dilation.w() == 1);
    DimsHW out;
    for (int i = 0; i < 2; ++i) {
      double const steps = (input.d[i] + 2 * padding.d[i] - kernel.d[i]) / static_cast<double>(stride.d[i]);
      out.d[i] = static_cast<int>(std::ceil(steps)) + 1;
    }
    return out;
  }
  mutable int calls = 0;
};

/// Twice the input.
class Twice : public IOutputDimensionsFormula {
 public:
  DimsHW compute(DimsHW input, DimsHW, DimsHW, DimsHW, DimsHW, char const*) const override {
    return DimsHW(2 * input.h(), 2 * input.w());
  }
};

bool is(Dims const& dims, int c, int h, int w) {
  return dims.nbDims == 3 && dims.d[0] == c && dims.d[1] == h && dims.d[2] == w;
}

constexpr int kSize = 6;

}  // namespace

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  builder->setMaxBatchSize(1);
  INetworkDefinition* network = builder->createNetwork();
  RoundUp round_up;
  Twice twice;
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims3(1, kSize, kSize));
  float const ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  Weights const kernel{DataType::kFLOAT, ones, 9}, none{DataType::kFLOAT, nullptr, 0};

  IPoolingLayer* pool = network->addPooling(*x, PoolingType::kMAX, DimsHW(3, 3));
  pool->setStride(DimsHW(2, 2));
  IConvolutionLayer* conv = network->addConvolution(*x, 1, DimsHW(3, 3), kernel, none);
  conv->setStride(DimsHW(2, 2));
  IDeconvolutionLayer* deconv = network->addDeconvolution(*x, 1, DimsHW(3, 3), kernel, none);
  deconv->setStride(DimsHW(2, 2));
  EXPECT(is(pool->getOutput(0)->getDimensions(), 1, 2, 2) && is(conv->getOutput(0)->getDimensions(), 1, 2, 2));
  EXPECT(is(deconv->getOutput(0)->getDimensions(), 1, 13, 13));
  DimsHW const own = network->getPoolingOutputDimensionsFormula().compute(DimsHW(6, 6), DimsHW(3, 3), DimsHW(2, 2),
                                                                          DimsHW(0, 0), DimsHW(1, 1), "pool");
  EXPECT(own.h() == 2 && own.w() == 2);

  network->setPoolingOutputDimensionsFormula(&round_up);
  network->setConvolutionOutputDimensionsFormula(&round_up);
  network->setDeconvolutionOutputDimensionsFormula(&twice);
  EXPECT(&network->getPoolingOutputDimensionsFormula() == &round_up);
  EXPECT(is(pool->getOutput(0)->getDimensions(), 1, 3, 3) && is(conv->getOutput(0)->getDimensions(), 1, 3, 3));
  EXPECT(is(deconv->getOutput(0)->getDimensions(), 1, 12, 12) && round_up.calls >= 2);
  char const* const names[] = {"pool", "conv", "deconv"};
  ILayer* const layers[] = {pool, conv, deconv};
  for (int i = 0; i < 3; ++i) {
    layers[i]->getOutput(0)->setName(names[i]);
    network->markOutput(*layers[i]->getOutput(0));
  }
  ICudaEngine* engine = builder->buildCudaEngine(*network);
  EXPECT(engine != nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  std::vector<float> in(kSize * kSize), pooled(9), convolved(9), widened(144);
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = static_cast<float>((i * 5) % 11) - 5.0F;
  }
  void* bindings[4] = {};
  bindings[engine->getBindingIndex("x")] = in.data();
  bindings[engine->getBindingIndex("pool")] = pooled.data();
  bindings[engine->getBindingIndex("conv")] = convolved.data();
  bindings[engine->getBindingIndex("deconv")] = widened.data();
  EXPECT(context->execute(1, bindings));
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      double most = -1e30, sum = 0;
      for (int i = 2 * r; i < 2 * r + 3 && i < kSize; ++i) {
        for (int j = 2 * c; j < 2 * c + 3 && j < kSize; ++j) {
          most = std::fmax(most, in[i * kSize + j]);
          sum += in[i * kSize + j];
        }
      }
      EXPECT(pooled[r * 3 + c] == static_cast<float>(most) && std::fabs(convolved[r * 3 + c] - sum) < 1e-5);
    }
  }
  std::vector<double> expected(144, 0.0);
  for (int i = 0; i < kSize * kSize; ++i) {
    for (int k = 0; k < 9; ++k) {
      int const r = 2 * (i / kSize) + k / 3, c = 2 * (i % kSize) + k % 3;
      if (r < 12 && c < 12) {
        expected[r * 12 + c] += in[i];
      }
    }
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT(std::fabs(widened[i] - expected[i]) < 1e-5);
  }
  network->setPoolingOutputDimensionsFormula(nullptr);
  EXPECT(is(pool->getOutput(0)->getDimensions(), 1, 2, 2));
  context->destroy();
  engine->destroy();
  network->destroy();
  builder->destroy();
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
