// A TensorRT 10 program like the editable timing cache and the algorithm-free reproducibility samples: build with an
// editable cache, look at its keys, give each another time, build again from the cache alone, and once more by a cache
// that lacks an entry.
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "NvInfer.h"
#include "client.h"

using namespace nvinfer1;

namespace {

std::unique_ptr<INetworkDefinition> network_of(IBuilder& builder, int channels) {
  static std::vector<float> const kernel(64 * 64 * 9, 0.01F);
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0U));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, channels, 12, 12));
  for (int i = 0; i < 2; ++i) {
    auto* conv = network->addConvolutionNd(*x, channels, DimsHW(3, 3),
                                           Weights{DataType::kFLOAT, kernel.data(), channels * channels * 9},
                                           Weights{DataType::kFLOAT, nullptr, 0});
    conv->setPaddingNd(DimsHW(1, 1));
    x = network->addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
  }
  x->setName("y");
  network->markOutput(*x);
  return network;
}

std::unique_ptr<IHostMemory> build(IBuilder& builder, ITimingCache const* cache, int channels, bool strict) {
  std::unique_ptr<INetworkDefinition> network = network_of(builder, channels);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kEDITABLE_TIMING_CACHE);
  if (strict) {
    config->setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
  }
  EXPECT(config->setTimingCache(*cache, false));
  return std::unique_ptr<IHostMemory>(builder.buildSerializedNetwork(*network, *config));
}

}  // namespace

int main(int, char** argv) {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<ITimingCache> cache(config->createTimingCache(nullptr, 0));
  EXPECT(build(*builder, cache.get(), 16, false) != nullptr);
  int64_t const count = cache->queryKeys(nullptr, 0);
  EXPECT(count > 0);
  std::vector<TimingCacheKey> keys(static_cast<size_t>(count));
  EXPECT(cache->queryKeys(keys.data(), count) == count);
  for (TimingCacheKey const& key : keys) {
    TimingCacheValue value = cache->query(key);
    EXPECT(value.tacticHash != TimingCacheValue::kINVALID_TACTIC_HASH && value.timingMSec >= 0.0F);
    value.timingMSec *= 2.0F;
    EXPECT(cache->update(key, value));
  }
  std::string const file = std::string(argv[1]) + "/editable.cache";
  {
    std::unique_ptr<IHostMemory> blob(cache->serialize());
    std::ofstream(file, std::ios::binary)
        .write(static_cast<char const*>(blob->data()), static_cast<std::streamsize>(blob->size()));
  }
  std::ifstream in(file, std::ios::binary);
  std::string const blob((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::unique_ptr<ITimingCache> loaded(config->createTimingCache(blob.data(), blob.size()));
  EXPECT(loaded && loaded->queryKeys(nullptr, 0) == count);
  std::unique_ptr<IHostMemory> first = build(*builder, loaded.get(), 16, true),
                               second = build(*builder, loaded.get(), 16, true);
  EXPECT(first && second && first->size() == second->size() &&
         std::memcmp(first->data(), second->data(), first->size()) == 0);
  EXPECT(logger.errors.empty());
  EXPECT(build(*builder, loaded.get(), 24, true) == nullptr && !logger.errors.empty());  // not timed before
  logger.errors.clear();
  std::unique_ptr<ITimingCache> other(config->createTimingCache(nullptr, 0));
  EXPECT(build(*builder, other.get(), 24, false) != nullptr);
  EXPECT(loaded->combine(*other, false) && loaded->queryKeys(nullptr, 0) > count);
  EXPECT(build(*builder, loaded.get(), 24, true) != nullptr && logger.errors.empty());
  std::unique_ptr<ITimingCache> cut(config->createTimingCache(blob.data(), blob.size() / 2));
  EXPECT(!cut && !logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
