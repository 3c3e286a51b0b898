// Plans and caches in and out: a stream writer and reader, a serialization config, a timing cache that makes a second
// build the same, and damaged plans.
#include <cstring>

#include "common.h"

using namespace nvinfer1;

namespace {

class Sink : public IStreamWriter {
 public:
  int64_t write(void const* data, int64_t count) noexcept override {
    int64_t const taken = count > 1000 ? 1000 : count;  // a writer may take less
    bytes.append(static_cast<char const*>(data), static_cast<size_t>(taken));
    return taken;
  }
  std::string bytes;
};

class Source : public IStreamReaderV2 {
 public:
  explicit Source(std::string const& bytes) : bytes_(bytes) {}
  int64_t read(void* destination, int64_t count, cudaStream_t) noexcept override {
    int64_t const rest = static_cast<int64_t>(bytes_.size()) - at_;
    int64_t const given = count < rest ? count : rest;
    std::memcpy(destination, bytes_.data() + at_, static_cast<size_t>(given));
    at_ += given;
    return given;
  }
  bool seek(int64_t offset, SeekPosition where) noexcept override {
    at_ = where == SeekPosition::kSET   ? offset
          : where == SeekPosition::kCUR ? at_ + offset
                                        : static_cast<int64_t>(bytes_.size()) + offset;
    return true;
  }

 private:
  std::string const& bytes_;
  int64_t at_ = 0;
};

std::vector<float> run(ICudaEngine& engine, std::vector<float> const& x) {
  Session s(engine);
  s.set("x", x);
  s.expect("y", 4 * 8 * 8 * sizeof(float));
  EXPECT(s.run());
  return s.get<float>("y");
}

}  // namespace

int main() {
  Project p;
  std::vector<float> const kernel = noise(4 * 3 * 9, 1), bias = noise(4, 2), image = noise(3 * 64, 3);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims4{1, 3, 8, 8});
  IConvolutionLayer* layer = p.network->addConvolutionNd(*x, 4, DimsHW{3, 3}, weights_of(kernel), weights_of(bias));
  layer->setPaddingNd(DimsHW{1, 1});
  output(*p.network, *layer->getOutput(0), "y");
  std::vector<double> const expected = conv(maps_of(image, 1, 3, 8, 8), kernel, bias, 4, 3, 1, 1).v;
  Owned<ITimingCache> cache(p.config->createTimingCache(nullptr, 0));
  EXPECT(p.config->setTimingCache(*cache, false) && p.config->getTimingCache() == cache.get());

  Sink sink;
  EXPECT(p.builder->buildSerializedNetworkToStream(*p.network, *p.config, sink));
  Source source(sink.bytes);
  Owned<ICudaEngine> engine(p.runtime->deserializeCudaEngine(source));
  EXPECT(engine != nullptr && error(run(*engine, image), expected) < 1e-5);
  Owned<ISerializationConfig> all(engine->createSerializationConfig());
  EXPECT(all->getFlags() == 0U);
  Owned<IHostMemory> again(engine->serializeWithConfig(*all));
  EXPECT(again != nullptr && again->size() == sink.bytes.size());

  // With the cache of the first build the second one is the same, byte for byte.
  Owned<IHostMemory> saved(cache->serialize());
  Owned<IBuilderConfig> config(p.builder->createBuilderConfig());
  Owned<ITimingCache> loaded(config->createTimingCache(saved->data(), saved->size()));
  EXPECT(loaded != nullptr && config->setTimingCache(*loaded, false));
  Owned<IHostMemory> first(p.builder->buildSerializedNetwork(*p.network, *config));
  EXPECT(first != nullptr && first->size() == sink.bytes.size() &&
         std::memcmp(first->data(), sink.bytes.data(), first->size()) == 0);
  Owned<ITimingCache> merged(config->createTimingCache(nullptr, 0));
  EXPECT(merged->combine(*cache, false) && merged->reset());

  EXPECT(p.logger.errors.empty());
  std::string damaged = sink.bytes;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  EXPECT(p.runtime->deserializeCudaEngine(damaged.data(), damaged.size()) == nullptr);
  EXPECT(p.runtime->deserializeCudaEngine(sink.bytes.data(), sink.bytes.size() / 2) == nullptr);
  EXPECT(p.runtime->deserializeCudaEngine(nullptr, 100) == nullptr);
  return p.finish(3);
}
