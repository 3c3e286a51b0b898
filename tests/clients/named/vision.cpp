// Convolutions with groups, pooling, resizing and a deconvolution, in FP16 where the release has the flag for it.
#include "common.h"

using namespace nvinfer1;

int main() {
  Project p;
  std::vector<float> const depth = noise(4 * 9, 1), point = noise(8 * 4, 2), bias = noise(8, 3), ones(8 * 4, 0.25F);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims4{2, 4, 8, 8});
  IConvolutionLayer* dw = p.network->addConvolutionNd(*x, 4, DimsHW{3, 3}, weights_of(depth), no_weights());
  dw->setNbGroups(4);
  dw->setPaddingNd(DimsHW{1, 1});
  dw->setStrideNd(DimsHW{2, 2});
  IConvolutionLayer* pw =
      p.network->addConvolutionNd(*dw->getOutput(0), 8, DimsHW{1, 1}, weights_of(point), weights_of(bias));
  IActivationLayer* clip = p.network->addActivation(*pw->getOutput(0), ActivationType::kCLIP);
  clip->setAlpha(0.0F);
  clip->setBeta(6.0F);
  IResizeLayer* up = p.network->addResize(*clip->getOutput(0));
  up->setOutputDimensions(Dims4{2, 8, 8, 8});
  up->setResizeMode(InterpolationMode::kNEAREST);
  up->setCoordinateTransformation(ResizeCoordinateTransformation::kASYMMETRIC);
  up->setNearestRounding(ResizeRoundMode::kFLOOR);
  IPoolingLayer* mean = p.network->addPoolingNd(*up->getOutput(0), PoolingType::kAVERAGE, DimsHW{8, 8});
  output(*p.network, *up->getOutput(0), "map");
  output(*p.network, *mean->getOutput(0), "mean");
#if NV_TENSORRT_MAJOR < 11
  EXPECT(p.builder->platformHasFastFp16());
  p.config->setFlag(BuilderFlag::kFP16);
  double const tolerance = 2e-2;
#else
  double const tolerance = 1e-5;
#endif
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  Session s(*engine);
  std::vector<float> const in = noise(2 * 4 * 64, 5);
  s.set("x", in);
  s.expect("map", 2 * 8 * 64 * sizeof(float));
  s.expect("mean", 16 * sizeof(float));
  EXPECT(s.run());
  Maps y = conv(maps_of(in, 2, 4, 8, 8), depth, {}, 4, 3, 2, 1, 4);
  y = apply(conv(y, point, bias, 8, 1, 1, 0), [](double v) { return std::fmin(6.0, std::fmax(0.0, v)); });
  Maps wide(2, 8, 8, 8);
  for (int n = 0; n < 2; ++n) {
    for (int c = 0; c < 8; ++c) {
      for (int i = 0; i < 64; ++i) {
        wide.at(n, c, i / 8, i % 8) = y.at(n, c, i / 16, i % 8 / 2);
      }
    }
  }
  EXPECT(error(s.get<float>("map"), wide.v) < tolerance);
  EXPECT(error(s.get<float>("mean"), pool(wide, 8, 1, true).v) < tolerance);
  return p.finish();
}
