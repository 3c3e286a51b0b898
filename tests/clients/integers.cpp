// A model with 64-bit integers, as each release has them: 32 bits up to 8, where the type has no name, 64 bits from 10
// on. A client of level 8 that names the type itself, as 9 has it, gets it.
#include "parsed.h"

#if NV_TENSORRT_MAJOR < 10
using Integer = int32_t;
static nvinfer1::DataType const kInteger = nvinfer1::DataType::kINT32;
#else
using Integer = int64_t;
static nvinfer1::DataType const kInteger = nvinfer1::DataType::kINT64;
#endif

static std::vector<Integer> expected(std::vector<Integer> const& ids) {
  std::vector<Integer> largest;
  for (Integer id : ids) {
    int best = 0;
    for (int i = 1; i < 4; ++i) {
      int const at = static_cast<int>(id) * 4;
      best = (at + i) * 37 % 41 > (at + best) * 37 % 41 ? i : best;
    }
    largest.push_back(best);
  }
  return largest;
}

static nvinfer1::DataType type_of(nvinfer1::ICudaEngine const& engine, int index) {
#if NV_TENSORRT_MAJOR < 10
  return engine.getBindingDataType(index);
#else
  return engine.getTensorDataType(engine.getIOTensorName(index));
#endif
}

static void parsed_model(KeepingLogger& log, std::vector<char> const& model) {
  ParsedModel const parsed(log, model, 0);
  EXPECT(parsed.network->getInput(0)->getType() == kInteger);
  EXPECT(parsed.network->getOutput(0)->getType() == kInteger);
  BuiltEngine const built(parsed);
  EXPECT(type_of(*built.engine, 0) == kInteger && type_of(*built.engine, 1) == kInteger);
  nvinfer1::IExecutionContext* context = built.engine->createExecutionContext();
  std::vector<Integer> ids{6, 0, 3, 2, 5, 1}, largest(6, -1);
  void* bindings[2] = {};
  size_t const bytes = 6 * sizeof(Integer);
  EXPECT(cudaMalloc(&bindings[0], bytes) == cudaSuccess && cudaMalloc(&bindings[1], bytes) == cudaSuccess);
  EXPECT(cudaMemcpy(bindings[0], ids.data(), bytes, cudaMemcpyHostToDevice) == cudaSuccess);
  EXPECT(context->executeV2(bindings));
  EXPECT(cudaMemcpy(largest.data(), bindings[1], bytes, cudaMemcpyDeviceToHost) == cudaSuccess);
  EXPECT(largest == expected(ids));
  cudaFree(bindings[0]);
  cudaFree(bindings[1]);
  end(context);
}

#if NV_TENSORRT_MAJOR == 8
static void named_type(KeepingLogger& log) {
  nvinfer1::IBuilder* builder = nvinfer1::createInferBuilder(log);
  nvinfer1::INetworkDefinition* network =
      builder->createNetworkV2(1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
  nvinfer1::ITensor* x = network->addInput("x", nvinfer1::DataType::kINT64, nvinfer1::Dims{1, {2}});
  nvinfer1::ITensor* y = network->addElementWise(*x, *x, nvinfer1::ElementWiseOperation::kSUM)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  EXPECT(x->getType() == nvinfer1::DataType::kINT64 && y->getType() == nvinfer1::DataType::kINT64);
  nvinfer1::IBuilderConfig* config = builder->createBuilderConfig();
  nvinfer1::ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine && type_of(*engine, 0) == nvinfer1::DataType::kINT64 && type_of(*engine, 1) == type_of(*engine, 0));
  end(engine);
  end(config);
  end(network);
  end(builder);
}
#endif

int main(int, char** arguments) {
  KeepingLogger log;
  parsed_model(log, read_file(std::string(arguments[1]) + "/tokens.onnx"));
#if NV_TENSORRT_MAJOR == 8
  named_type(log);
#endif
  EXPECT(log.errors.empty());
  return failures() != 0;
}
