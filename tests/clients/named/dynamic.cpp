// Dynamic shapes by name: profiles, inference of shapes, strides, and what shapes outside of a profile give.
#include "common.h"

using namespace nvinfer1;

int main() {
  Project p;
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims3{-1, 4, -1});
  x->setDimensionName(0, "batch");
  EXPECT(std::string(x->getDimensionName(0)) == "batch");
  // y = x reshaped to [batch, 2, -1], its last two axes swapped, without a fixed size anywhere
  IShuffleLayer* turn = p.network->addShuffle(*x);
  turn->setReshapeDimensions(Dims3{0, 2, -1});
  turn->setSecondTranspose(Permutation{{0, 2, 1}});
  output(*p.network, *turn->getOutput(0), "y");
  // and the shape of x itself
  IShapeLayer* shape = p.network->addShape(*x);
  EXPECT(shape->getOutput(0)->getType() == DataType::kINT64);
  output(*p.network, *shape->getOutput(0), "shape");
  for (int base : {1, 8}) {
    IOptimizationProfile* profile = p.builder->createOptimizationProfile();
    EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, Dims3{base, 4, 2}));
    EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, Dims3{base + 2, 4, 4}));
    EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, Dims3{base + 4, 4, 8}));
    p.config->addOptimizationProfile(profile);
  }
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && engine->getNbOptimizationProfiles() == 2);
  EXPECT(engine->getProfileShape("x", 1, OptProfileSelector::kOPT).d[0] == 10);
  Session s(*engine);
  for (int profile = 0; profile < 2; ++profile) {
    EXPECT(s.context->setOptimizationProfileAsync(profile, s.stream));
    EXPECT(s.context->getOptimizationProfile() == profile);
    int64_t const batch = profile == 0 ? 3 : 12;
    std::vector<float> const values = noise(static_cast<size_t>(batch) * 4 * 3, 1);
    s.set("x", {batch, 4, 3}, values);
    EXPECT(s.context->allInputDimensionsSpecified());
    Dims const dims = s.context->getTensorShape("y");
    EXPECT(dims.nbDims == 3 && dims.d[0] == batch && dims.d[1] == 6 && dims.d[2] == 2);
    Dims const strides = s.context->getTensorStrides("y");
    EXPECT(strides.d[0] == 12 && strides.d[1] == 2 && strides.d[2] == 1);
    s.expect("y", values.size() * sizeof(float));
    s.expect("shape", 3 * sizeof(int64_t));
    EXPECT(s.run());
    std::vector<float> const y = s.get<float>("y");
    int wrong = 0;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < 6; ++i) {
        for (int64_t j = 0; j < 2; ++j) {
          wrong += y[static_cast<size_t>((b * 6 + i) * 2 + j)] != values[static_cast<size_t>(b * 12 + j * 6 + i)];
        }
      }
    }
    EXPECT(wrong == 0);
    EXPECT((s.get<int64_t>("shape") == std::vector<int64_t>{batch, 4, 3}));
  }
  EXPECT(p.logger.errors.empty());
  EXPECT(!s.context->setInputShape("x", Dims3{3, 4, 3}));  // profile 1 begins at a batch of 8
  EXPECT(!s.context->setInputShape("x", Dims3{9, 5, 3}));  // the second dimension is fixed
  EXPECT(!s.context->setInputShape("x", Dims2{9, 4}));     // another rank
  EXPECT(!s.context->setOptimizationProfileAsync(2, s.stream));
  return p.finish(4);
}
