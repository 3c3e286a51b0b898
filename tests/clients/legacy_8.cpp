// The parts of TensorRT 8 that are gone later: weight utilities, Caffe and UFF parsers, safety runtime, consistency.
#include <cstdint>

#include "NvCaffeParser.h"
#include "NvInferConsistency.h"
#include "NvInferSafeRuntime.h"
#include "NvUffParser.h"
#include "NvUtils.h"
#include "client.h"

using namespace nvinfer1;

namespace {

void reshape_weights() {
  float in[24], out[24];
  for (int i = 0; i < 24; ++i) {
    in[i] = static_cast<float>(i);
  }
  int32_t const shape[] = {2, 3, 4}, order[] = {2, 0, 1};
  Weights const weights{DataType::kFLOAT, in, 24};
  EXPECT(utils::reshapeWeights(weights, shape, order, out, 3));
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 2; ++b) {
      for (int c = 0; c < 3; ++c) {
        EXPECT(out[a * 6 + b * 3 + c] == in[b * 12 + c * 4 + a]);
      }
    }
  }
  int32_t const twice[] = {0, 0, 1};
  EXPECT(!utils::reshapeWeights(weights, shape, twice, out, 3));
  EXPECT(!utils::reshapeWeights(Weights{DataType::kFLOAT, in, 23}, shape, order, out, 3));
}

void sub_buffers() {
  int16_t gates[] = {10, 11, 20, 21, 30, 31};
  int32_t const order[] = {2, 0, 1};
  EXPECT(utils::reorderSubBuffers(gates, order, 3, 2 * sizeof(int16_t)));
  EXPECT(gates[0] == 30 && gates[1] == 31 && gates[2] == 10 && gates[5] == 21);
  int8_t matrices[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT(utils::transposeSubBuffers(matrices, DataType::kINT8, 2, 2, 3));
  int8_t const expected[] = {1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12};
  for (int i = 0; i < 12; ++i) {
    EXPECT(matrices[i] == expected[i]);
  }
  int32_t const outside[] = {0, 3, 1};
  EXPECT(!utils::reorderSubBuffers(gates, outside, 3, 4));
  EXPECT(!utils::transposeSubBuffers(nullptr, DataType::kINT8, 2, 2, 3));
}

// Neither format is read, and the error says so.
void old_parsers(KeepingLogger& logger) {
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(0);
  nvcaffeparser1::ICaffeParser* caffe = nvcaffeparser1::createCaffeParser();
  caffe->setPluginNamespace("");
  size_t before = logger.errors.size();
  EXPECT(caffe->parse("deploy.prototxt", "net.caffemodel", *network, DataType::kFLOAT) == nullptr);
  EXPECT(caffe->parseBinaryProto("mean.binaryproto") == nullptr);
  EXPECT(logger.errors.size() == before + 2);
  EXPECT(logger.errors.back().find("Caffe") != std::string::npos);
  caffe->destroy();
  nvuffparser::IUffParser* uff = nvuffparser::createUffParser();
  EXPECT(uff->registerInput("in", Dims3(1, 28, 28), nvuffparser::UffInputOrder::kNCHW) && uff->registerOutput("out"));
  EXPECT(!uff->parse("lenet.uff", *network, DataType::kFLOAT));
  EXPECT(logger.errors.back().find("UFF") != std::string::npos);
  EXPECT(uff->getUffRequiredVersionMajor() == 0);
  uff->destroy();
  nvcaffeparser1::shutdownProtobufLibrary();
  delete network;
  delete builder;
}

void uncertified(KeepingLogger& logger) {
  size_t const before = logger.errors.size();
  EXPECT(safe::createInferRuntime(logger) == nullptr);
  EXPECT(consistency::createConsistencyChecker(logger, "plan", 4) == nullptr);
  EXPECT(logger.errors.size() == before + 2);
  EXPECT(getSafePluginRegistry() != nullptr);
}

}  // namespace

int main() {
  KeepingLogger logger;
  reshape_weights();
  sub_buffers();
  old_parsers(logger);
  uncertified(logger);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
