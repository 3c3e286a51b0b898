// Choosing: an embedding looked up by indices, the best scores and their rows, a shape read and used, a select by mask.
#include <algorithm>
#include <cstring>

#include "common.h"

using namespace nvinfer1;

int main() {
  KeepingLogger logger;
  int const words = 10, width = 4, count = 6, kept = 3;
  std::vector<float> const table = noise(words * width, 6);
  std::vector<float> const zero(1, 0.0F);
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* ids = network->addInput("ids", DataType::kINT32, Dims{});
  network->removeTensor(*ids);
  Dims one_axis{};
  one_axis.nbDims = 1;
  one_axis.d[0] = count;
  ids = network->addInput("tokens", DataType::kINT32, one_axis);
  ITensor* rows = network->addConstant(Dims2{words, width}, weights_of(table))->getOutput(0);
  IGatherLayer* looked_up = network->addGather(*rows, *ids, 0);
  EXPECT(looked_up->getGatherAxis() == 0);
  // relu by hand: where x > 0, x, else 0
  ITensor* none = network->addConstant(Dims2{1, 1}, weights_of(zero))->getOutput(0);
  IElementWiseLayer* positive =
      network->addElementWise(*looked_up->getOutput(0), *none, ElementWiseOperation::kGREATER);
  EXPECT(positive->getOutput(0)->getType() == DataType::kBOOL);
  ISelectLayer* chosen = network->addSelect(*positive->getOutput(0), *looked_up->getOutput(0), *none);
  IReduceLayer* score = network->addReduce(*chosen->getOutput(0), ReduceOperation::kAVG, 1U << 1, false);
  ITopKLayer* best = network->addTopK(*score->getOutput(0), TopKOperation::kMAX, kept, 1U);
  IGatherLayer* best_rows = network->addGather(*looked_up->getOutput(0), *best->getOutput(1), 0);
  best->getOutput(0)->setName("scores");
  best_rows->getOutput(0)->setName("rows");
  network->markOutput(*best->getOutput(0));
  network->markOutput(*best_rows->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr && engine->getNbBindings() == 3);
  IExecutionContext* context = engine->createExecutionContext();
  int32_t const tokens[count] = {7, 1, 4, 4, 9, 0};
  std::vector<float> raw(count);
  std::memcpy(raw.data(), tokens, sizeof(tokens));
  Buffers buffers({count, kept, static_cast<size_t>(kept) * width});
  buffers.upload(0, raw);
  EXPECT(context->executeV2(buffers.bindings()));
  std::vector<float> const scores = buffers.download(engine->getBindingIndex("scores"));
  std::vector<float> const found = buffers.download(engine->getBindingIndex("rows"));
  std::vector<std::pair<double, int>> expected;
  for (int i = 0; i < count; ++i) {
    double sum = 0.0;
    for (int j = 0; j < width; ++j) {
      sum += std::fmax(0.0, table[tokens[i] * width + j]);
    }
    expected.emplace_back(-sum / width, i);
  }
  std::sort(expected.begin(), expected.end());
  for (int k = 0; k < kept; ++k) {
    EXPECT(std::fabs(scores[k] + expected[k].first) < 1e-6);
    for (int j = 0; j < width; ++j) {
      EXPECT(found[k * width + j] == table[tokens[expected[k].second] * width + j]);
    }
  }
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
