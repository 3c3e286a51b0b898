// A Haar wavelet and its inverse by slices, sums, differences and a grouped deconvolution, on images of any even size.
#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kChannels = 2;

/// Every second pixel from (row, column) on; the size follows from the input's shape at run time.
ITensor& pick(INetworkDefinition& n, ITensor& x, ITensor& halves, int row, int column) {
  ISliceLayer* slice = n.addSlice(x, Dims4{0, 0, row, column}, Dims4{}, Dims4{1, 1, 2, 2});
  slice->setInput(2, halves);
  return *slice->getOutput(0);
}

}  // namespace

int main() {
  Project p;
  INetworkDefinition& n = *p.network;
  ITensor& x = *n.addInput("x", DataType::kFLOAT, Dims4{1, kChannels, -1, -1});
  int64_t static const two[4] = {1, 1, 2, 2};
  ITensor& divide = *n.addConstant(dims_of({4}), Weights{DataType::kINT64, two, 4})->getOutput(0);
  ITensor& halves =
      *n.addElementWise(*n.addShape(x)->getOutput(0), divide, ElementWiseOperation::kFLOOR_DIV)->getOutput(0);
  auto binary = [&](ITensor& a, ITensor& b, ElementWiseOperation op) -> ITensor& {
    return *n.addElementWise(a, b, op)->getOutput(0);
  };
  std::vector<float> const half(1, 0.5F);
  ITensor& scaled = binary(x, constant(n, {1, 1, 1, 1}, half), ElementWiseOperation::kPROD);
  ITensor* corners[4];
  for (int i = 0; i < 4; ++i) {
    corners[i] = &pick(n, scaled, halves, i % 2, i / 2);
  }
  // Band b has sign (-1)^popcount(b & i) at corner i: a 2 x 2 Hadamard transform, which is its own inverse.
  auto transform = [&](ITensor* const* in, ITensor** out) {
    for (int b = 0; b < 4; ++b) {
      out[b] = in[0];
      for (int i = 1; i < 4; ++i) {
        bool const minus = __builtin_popcount(static_cast<unsigned>(b & i)) % 2;
        out[b] = &binary(*out[b], *in[i], minus ? ElementWiseOperation::kSUB : ElementWiseOperation::kSUM);
      }
    }
  };
  ITensor* bands[4];
  ITensor* pixels[4];
  transform(corners, bands);
  transform(bands, pixels);
  // Each pixel back to its place: a deconvolution with a kernel that is 1 at that place.
  ITensor* total = nullptr;
  std::vector<std::vector<float>> kernels(4, std::vector<float>(kChannels * 4, 0.0F));
  for (int i = 0; i < 4; ++i) {
    for (int c = 0; c < kChannels; ++c) {
      kernels[static_cast<size_t>(i)][static_cast<size_t>(c * 4 + i % 2 * 2 + i / 2)] = 0.5F;
    }
    IDeconvolutionLayer* spread = n.addDeconvolutionNd(*pixels[i], kChannels, DimsHW{2, 2},
                                                       weights_of(kernels[static_cast<size_t>(i)]), no_weights());
    spread->setStrideNd(DimsHW{2, 2});
    spread->setNbGroups(kChannels);
    total = total ? &binary(*total, *spread->getOutput(0), ElementWiseOperation::kSUM) : spread->getOutput(0);
  }
  output(n, *bands[3], "diagonal");
  output(n, *total, "again");
  IOptimizationProfile* profile = p.builder->createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims4{1, kChannels, 2, 2});
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims4{1, kChannels, 8, 8});
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims4{1, kChannels, 16, 16});
  p.config->addOptimizationProfile(profile);
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  Session s(*engine);
  for (int64_t side : {2, 8, 14}) {
    std::vector<float> const image = noise(static_cast<size_t>(kChannels * side * side), 4);
    s.set("x", {1, kChannels, side, side}, image);
    s.expect("again", image.size() * sizeof(float));
    s.expect("diagonal", image.size() * sizeof(float));
    EXPECT(s.run());
    // pixels are 2 x / 2, the kernels halve them again, so the transform pair doubles and the kernel halves
    EXPECT(error(s.get<float>("again"), image) < 1e-5);
    EXPECT(s.get<float>("diagonal").size() == image.size() / 4);
  }
  return p.finish();
}
