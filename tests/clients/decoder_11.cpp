// A TensorRT 11 program that decodes token by token: strongly typed, keys and values in caches that the engine updates
// in place, a mask from the position. The plan goes through a stream writer and reader; a second one is stored without
// its weights, which a refitter puts back by name.
#include <cmath>
#include <cstring>
#include <memory>

#include "named/common.h"

using namespace nvinfer1;

namespace {

constexpr int kHeads = 2, kSize = 4, kWidth = kHeads * kSize, kTokens = 6;

/// A plan in pieces, as a network filesystem gives it.
class Pieces : public IStreamWriter {
 public:
  int64_t write(void const* data, int64_t bytes) override {
    int64_t const taken = bytes < 1000 ? bytes : 1000;  // a short write: the rest is offered again
    plan.insert(plan.end(), static_cast<char const*>(data), static_cast<char const*>(data) + taken);
    return taken;
  }
  std::vector<char> plan;
};

class Reader : public IStreamReaderV2 {
 public:
  explicit Reader(std::vector<char> const& plan) : plan_(plan) {}
  int64_t read(void* to, int64_t bytes, cudaStream_t stream) override {
    int64_t const left = static_cast<int64_t>(plan_.size()) - at_, taken = bytes < left ? bytes : left;
    EXPECT(cudaMemcpyAsync(to, plan_.data() + at_, static_cast<size_t>(taken), cudaMemcpyDefault, stream) ==
           cudaSuccess);
    at_ += taken;
    return taken;
  }
  bool seek(int64_t offset, SeekPosition where) override {
    at_ = offset + (where == SeekPosition::kCUR   ? at_
                    : where == SeekPosition::kEND ? static_cast<int64_t>(plan_.size())
                                                  : 0);
    return at_ >= 0 && at_ <= static_cast<int64_t>(plan_.size());
  }

 private:
  std::vector<char> const& plan_;
  int64_t at_ = 0;
};

struct Weighted {
  std::vector<float> query = noise(kWidth * kWidth, 1), key = noise(kWidth * kWidth, 2),
                     value = noise(kWidth * kWidth, 3), project = noise(kWidth * kWidth, 4);
};

ITensor& product(INetworkDefinition& network, ITensor& x, std::vector<float> const& weights, char const* name) {
  ITensor& matrix = constant(network, {1, kWidth, kWidth}, weights);
  EXPECT(network.setWeightsName(weights_of(weights), name));
  return *network.addMatrixMultiply(x, MatrixOperation::kNONE, matrix, MatrixOperation::kNONE)->getOutput(0);
}

/// [1, 1, width] as [1, heads, 1, size].
ITensor& heads(INetworkDefinition& network, ITensor& x) {
  IShuffleLayer* shuffle = network.addShuffle(x);
  shuffle->setReshapeDimensions(dims_of({1, kHeads, 1, kSize}));
  return *shuffle->getOutput(0);
}

void describe(Project& p, Weighted const& w) {
  INetworkDefinition& network = *p.network;
  ITensor* x = network.addInput("token", DataType::kFLOAT, dims_of({1, 1, kWidth}));
  ITensor* at = network.addInput("at", DataType::kINT64, dims_of({1}));
  ITensor* keys = network.addInput("keys", DataType::kFLOAT, dims_of({1, kHeads, kTokens, kSize}));
  ITensor* values = network.addInput("values", DataType::kFLOAT, dims_of({1, kHeads, kTokens, kSize}));
  ITensor& q = heads(network, product(network, *x, w.query, "query"));
  ITensor& k = heads(network, product(network, *x, w.key, "key"));
  ITensor& v = heads(network, product(network, *x, w.value, "value"));
  ITensor* all_keys = network.addKVCacheUpdate(*keys, k, *at, KVCacheMode::kLINEAR)->getOutput(0);
  ITensor* all_values = network.addKVCacheUpdate(*values, v, *at, KVCacheMode::kLINEAR)->getOutput(0);
  output(network, *all_keys, "keys_now");
  output(network, *all_values, "values_now");
  static int64_t const places[kTokens] = {0, 1, 2, 3, 4, 5};
  ITensor* place =
      network.addConstant(dims_of({1, 1, 1, kTokens}), Weights{DataType::kINT64, places, kTokens})->getOutput(0);
  IShuffleLayer* limit = network.addShuffle(*at);
  limit->setReshapeDimensions(dims_of({1, 1, 1, 1}));
  ITensor* beyond = network.addElementWise(*place, *limit->getOutput(0), ElementWiseOperation::kGREATER)->getOutput(0);
  ITensor* seen = network.addUnary(*beyond, UnaryOperation::kNOT)->getOutput(0);
  IAttention* attention =
      network.addAttentionV2(q, *all_keys, *all_values, AttentionNormalizationOp::kSOFTMAX, CausalMaskKind::kNONE);
  EXPECT(attention != nullptr && attention->setMask(*seen) && attention->setDecomposable(true));
  IShuffleLayer* joined = network.addShuffle(*attention->getOutput(0));
  joined->setReshapeDimensions(dims_of({1, 1, kWidth}));
  output(network, product(network, *joined->getOutput(0), w.project, "project"), "next");
}

std::vector<double> times(std::vector<double> const& x, std::vector<float> const& w) {
  std::vector<double> y(kWidth, 0.0);
  for (int i = 0; i < kWidth; ++i) {
    for (int j = 0; j < kWidth; ++j) {
      y[j] += x[i] * w[i * kWidth + j];
    }
  }
  return y;
}

/// Decodes kTokens tokens, each from what came before, and compares each with double precision.
void decode(ICudaEngine& engine, Weighted const& w) {
  char const* const aliased = engine.getAliasedInputTensor("keys_now");
  EXPECT(aliased && std::strcmp(aliased, "keys") == 0 && engine.getAliasedInputTensor("next") == nullptr);
  Session s(engine);
  std::vector<float> const empty(kHeads * kTokens * kSize);
  s.set("keys", empty);
  s.set("values", empty);
  for (char const* name : {"keys", "values"}) {  // the caches are updated where they are
    EXPECT(s.context->setTensorAddress((std::string(name) + "_now").c_str(),
                                       const_cast<void*>(s.context->getTensorAddress(name))));
  }
  s.expect("next", kWidth * sizeof(float));
  std::vector<float> token = noise(kWidth, 9);
  std::vector<std::vector<double>> keys, values;
  for (int64_t t = 0; t < kTokens; ++t) {
    s.set("token", token);
    s.set("at", std::vector<int64_t>(1, t));
    EXPECT(s.run());
    std::vector<float> const next = s.get<float>("next", kWidth);
    std::vector<double> const x(token.begin(), token.end()), q = times(x, w.query);
    keys.push_back(times(x, w.key));
    values.push_back(times(x, w.value));
    std::vector<double> mixed(kWidth, 0.0);
    for (int h = 0; h < kHeads; ++h) {
      std::vector<double> score;
      double total = 0.0;
      for (std::vector<double> const& key : keys) {
        double dot = 0.0;
        for (int i = h * kSize; i < (h + 1) * kSize; ++i) {
          dot += q[i] * key[i];
        }
        score.push_back(std::exp(dot));
        total += score.back();
      }
      for (size_t j = 0; j < keys.size(); ++j) {
        for (int i = h * kSize; i < (h + 1) * kSize; ++i) {
          mixed[i] += score[j] / total * values[j][i];
        }
      }
    }
    EXPECT(error(next, times(mixed, w.project)) < 1e-4);
    for (int i = 0; i < kWidth; ++i) {
      token[i] = std::tanh(next[i]);
    }
  }
}

}  // namespace

int main() {
  Weighted const weights;
  Project p(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED));
  describe(p, weights);
  p.config->setFlag(BuilderFlag::kREFIT);
  Pieces pieces;
  EXPECT(p.builder->buildSerializedNetworkToStream(*p.network, *p.config, pieces) && !pieces.plan.empty());
  Reader reader(pieces.plan);
  Owned<ICudaEngine> engine(p.runtime->deserializeCudaEngine(reader));
  EXPECT(engine != nullptr && engine->isRefittable());
  if (!engine) {
    return p.finish();
  }
  decode(*engine, weights);

  Owned<ISerializationConfig> config(engine->createSerializationConfig());
  EXPECT(config->setFlag(SerializationFlag::kEXCLUDE_WEIGHTS) && config->getFlag(SerializationFlag::kEXCLUDE_WEIGHTS));
  Owned<IHostMemory> stripped(engine->serializeWithConfig(*config));
  EXPECT(stripped != nullptr && stripped->size() < pieces.plan.size());
  Owned<ICudaEngine> bare(p.runtime->deserializeCudaEngine(stripped->data(), stripped->size()));
  EXPECT(bare != nullptr);
  Owned<IRefitter> refitter(createInferRefitter(*bare, p.logger));
  char const* missing[8] = {};
  EXPECT(refitter->getMissingWeights(8, missing) == 4);
  Weighted other;
  for (float& v : other.project) {
    v = -v;
  }
  EXPECT(refitter->setNamedWeights("query", weights_of(other.query)));
  EXPECT(refitter->setNamedWeights("key", weights_of(other.key)));
  EXPECT(refitter->setNamedWeights("value", weights_of(other.value)));
  EXPECT(refitter->setNamedWeights("project", weights_of(other.project)));
  EXPECT(refitter->getMissingWeights(0, nullptr) == 0 && refitter->refitCudaEngine());
  decode(*bare, other);
  decode(*engine, weights);  // the first engine keeps its own
  return p.finish();
}
