// A TensorRT 11 program over the layers of language models: attention, rotary embedding, cache, experts, block scales.
#include <cmath>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

std::vector<float> numbers(size_t count, unsigned state) {
  std::vector<float> out(count);
  for (float& v : out) {
    state = state * 1103515245U + 12345U;
    v = static_cast<float>((state >> 16) % 200) / 100.0F - 1.0F;
  }
  return out;
}

std::vector<std::vector<float>> run(IBuilder& builder, INetworkDefinition& network, std::vector<void*> bindings,
                                    std::vector<size_t> const& sizes) {
  std::vector<std::vector<float>> outputs;
  for (size_t size : sizes) {
    outputs.emplace_back(size, -9.0F);
  }
  for (std::vector<float>& output : outputs) {
    bindings.push_back(output.data());
  }
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<IRuntime> runtime(createInferRuntime(*builder.getLogger()));
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(network, *config));
  EXPECT(plan != nullptr);
  std::unique_ptr<ICudaEngine> engine(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  std::unique_ptr<IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
  EXPECT(context && context->executeV2(bindings.data()));
  return outputs;
}

void expect_near(std::vector<float> const& got, std::vector<double> const& wanted) {
  EXPECT(got.size() == wanted.size());
  for (size_t i = 0; i < wanted.size() && i < got.size(); ++i) {
    EXPECT(std::fabs(got[i] - wanted[i]) < 1e-5 * (1.0 + std::fabs(wanted[i])));
  }
}

void output(INetworkDefinition& network, ITensor* tensor, char const* name) {
  tensor->setName(name);
  network.markOutput(*tensor);
}

constexpr int kHeads = 2, kQueries = 3, kKeys = 4, kSize = 2;

std::vector<double> attention(std::vector<float> const& q, std::vector<float> const& k, std::vector<float> const& v,
                              int shift, bool softmax) {
  std::vector<double> y;
  for (int h = 0; h < kHeads; ++h) {
    for (int i = 0; i < kQueries; ++i) {
      std::vector<double> score(kKeys);
      double total = 0.0;
      for (int j = 0; j < kKeys; ++j) {
        double dot = 0.0;
        for (int d = 0; d < kSize; ++d) {
          dot += static_cast<double>(q[(h * kQueries + i) * kSize + d]) * k[j * kSize + d];
        }
        bool const seen = j <= i + shift;
        score[j] = softmax ? (seen ? std::exp(dot) : 0.0) : (seen ? dot : 0.0);
        total += score[j];
      }
      for (int d = 0; d < kSize; ++d) {
        double sum = 0.0;
        for (int j = 0; j < kKeys; ++j) {
          sum += score[j] / (softmax ? total : 1.0) * v[j * kSize + d];
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

void test_attention(IBuilder& builder) {
  std::vector<float> q = numbers(kHeads * kQueries * kSize, 1), k = numbers(kKeys * kSize, 2),
                     v = numbers(kKeys * kSize, 3);
  struct Case {
    CausalMaskKind kind;
    int shift;
    bool softmax;
  };
  for (Case const& c :
       {Case{CausalMaskKind::kNONE, kKeys, true}, Case{CausalMaskKind::kUPPER_LEFT, 0, true},
        Case{CausalMaskKind::kLOWER_RIGHT, kKeys - kQueries, true}, Case{CausalMaskKind::kUPPER_LEFT, 0, false}}) {
    std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
    ITensor* tq = network->addInput("q", DataType::kFLOAT, Dims4{1, kHeads, kQueries, kSize});
    ITensor* tk = network->addInput("k", DataType::kFLOAT, Dims4{1, 1, kKeys, kSize});
    ITensor* tv = network->addInput("v", DataType::kFLOAT, Dims4{1, 1, kKeys, kSize});
    IAttention* layer = network->addAttentionV2(
        *tq, *tk, *tv, c.softmax ? AttentionNormalizationOp::kSOFTMAX : AttentionNormalizationOp::kNONE, c.kind);
    EXPECT(layer != nullptr && layer->getNbInputs() == 3 && layer->getInput(1) == tk &&
           layer->getCausalKind() == c.kind);
    EXPECT(layer->setName("attention") && layer->setDecomposable(true) && layer->getDecomposable());
    output(*network, layer->getOutput(0), "y");
    expect_near(run(builder, *network, {q.data(), k.data(), v.data()}, {q.size()})[0],
                attention(q, k, v, c.shift, c.softmax));
  }
}

void test_rotary_and_cache(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{1, 1, 2, 4});
  ITensor* cos = network->addInput("cos", DataType::kFLOAT, Dims2{8, 2});
  ITensor* sin = network->addInput("sin", DataType::kFLOAT, Dims2{8, 2});
  ITensor* positions = network->addInput("positions", DataType::kINT64, Dims2{1, 2});
  ITensor* cache = network->addInput("cache", DataType::kFLOAT, Dims4{1, 1, 5, 4});
  Dims one{};
  one.nbDims = 1;
  one.d[0] = 1;
  ITensor* at = network->addInput("at", DataType::kINT64, one);
  IRotaryEmbeddingLayer* rotary = network->addRotaryEmbedding(*x, *cos, *sin, false, 0);
  rotary->setInput(3, *positions);
  EXPECT(!rotary->getInterleaved() && rotary->getRotaryEmbeddingDim() == 0);
  IKVCacheUpdateLayer* update = network->addKVCacheUpdate(*cache, *rotary->getOutput(0), *at, KVCacheMode::kLINEAR);
  EXPECT(update != nullptr && update->getCacheMode() == KVCacheMode::kLINEAR);
  output(*network, update->getOutput(0), "y");
  std::vector<float> data = numbers(8, 4), c = numbers(16, 5), s = numbers(16, 6), old = numbers(20, 7);
  int64_t position[2] = {3, 6}, first = 2;
  std::vector<double> wanted(old.begin(), old.end());
  for (int t = 0; t < 2; ++t) {
    for (int d = 0; d < 2; ++d) {
      double const a = data[t * 4 + d], b = data[t * 4 + 2 + d], co = c[position[t] * 2 + d],
                   si = s[position[t] * 2 + d];
      wanted[(2 + t) * 4 + d] = a * co - b * si;
      wanted[(2 + t) * 4 + 2 + d] = a * si + b * co;
    }
  }
  expect_near(run(builder, *network, {data.data(), c.data(), s.data(), position, old.data(), &first}, {20})[0], wanted);
}

void test_experts(IBuilder& builder) {
  constexpr int kTokens = 3, kHidden = 2, kInner = 3, kExperts = 4, kChosen = 2;
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{kTokens, kHidden});
  ITensor* chosen = network->addInput("chosen", DataType::kINT32, Dims2{kTokens, kChosen});
  ITensor* scores = network->addInput("scores", DataType::kFLOAT, Dims2{kTokens, kChosen});
  std::vector<float> const gate = numbers(kExperts * kHidden * kInner, 8), up = numbers(gate.size(), 9),
                           down = numbers(gate.size(), 10);
  auto constant = [&](std::vector<float> const& values, Dims const& dims) {
    return network->addConstant(dims, Weights{DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())})
        ->getOutput(0);
  };
  IMoELayer* experts = network->addMoE(*x, *chosen, *scores);
  EXPECT(experts != nullptr);
  experts->setGatedWeights(*constant(gate, Dims3{kExperts, kHidden, kInner}),
                           *constant(up, Dims3{kExperts, kHidden, kInner}),
                           *constant(down, Dims3{kExperts, kInner, kHidden}), MoEActType::kSILU);
  EXPECT(experts->getActivationType() == MoEActType::kSILU);
  output(*network, experts->getOutput(0), "y");
  std::vector<float> data = numbers(kTokens * kHidden, 11), weight = {0.25F, 0.75F, 0.5F, 0.5F, 1.0F, 0.0F};
  std::vector<int32_t> choice = {0, 3, 2, 1, 3, 0};
  std::vector<double> wanted(kTokens * kHidden);
  for (int t = 0; t < kTokens; ++t) {
    for (int j = 0; j < kChosen; ++j) {
      int const e = choice[t * kChosen + j];
      for (int i = 0; i < kInner; ++i) {
        double g = 0.0, u = 0.0;
        for (int h = 0; h < kHidden; ++h) {
          g += static_cast<double>(data[t * kHidden + h]) * gate[(e * kHidden + h) * kInner + i];
          u += static_cast<double>(data[t * kHidden + h]) * up[(e * kHidden + h) * kInner + i];
        }
        for (int h = 0; h < kHidden; ++h) {
          wanted[t * kHidden + h] +=
              weight[t * kChosen + j] * (g / (1.0 + std::exp(-g)) * u) * down[(e * kInner + i) * kHidden + h];
        }
      }
    }
  }
  expect_near(run(builder, *network, {data.data(), choice.data(), weight.data()}, {wanted.size()})[0], wanted);
}

/// FP8 values with a power of two a block of four; dequantized they are within half a step of what they were.
void test_dynamic_quantize(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{2, 8});
  IDynamicQuantizeLayer* layer = network->addDynamicQuantize(*x, 1, 4, DataType::kFP8, DataType::kE8M0);
  EXPECT(layer != nullptr && layer->getBlockSize() == 4 && layer->getAxis() == 1 && layer->getNbOutputs() == 2);
  EXPECT(layer->getOutput(0)->getType() == DataType::kFP8 && layer->getOutput(1)->getDimensions().d[1] == 2);
  output(*network, network->addCast(*layer->getOutput(0), DataType::kFLOAT)->getOutput(0), "y");
  output(*network, network->addCast(*layer->getOutput(1), DataType::kFLOAT)->getOutput(0), "scale");
  std::vector<float> data = numbers(16, 12);
  data[5] = 300.0F;
  auto const got = run(builder, *network, {data.data()}, {16, 4});
  for (int b = 0; b < 4; ++b) {
    float most = 0.0F;
    for (int i = 0; i < 4; ++i) {
      most = std::fmax(most, std::fabs(data[b * 4 + i]));
    }
    EXPECT(got[1][b] == std::exp2(std::ceil(std::log2(most / 448.0))));
    for (int i = 0; i < 4; ++i) {
      double const back = static_cast<double>(got[0][b * 4 + i]) * got[1][b];
      EXPECT(std::fabs(back - data[b * 4 + i]) <= std::fabs(data[b * 4 + i]) / 16.0 + got[1][b] * 0.001);
    }
  }
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  test_attention(*builder);
  test_rotary_and_cache(*builder);
  test_experts(*builder);
  test_dynamic_quantize(*builder);
  EXPECT(logger.errors.empty());
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{2, 8});
  EXPECT(network->addDistCollective(*x, CollectiveOperation::kALL_REDUCE, ReduceOperation::kSUM, -1, nullptr, 0) ==
         nullptr);
  EXPECT(logger.errors.size() == 1 && logger.errors[0].find("NCCL") != std::string::npos);
  for (std::string const& error : logger.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
