// A recurrent layer is given a length that its input does not have, which shows only while it runs. On a GPU the call
// has returned by then: the error recorder hears of it, the output is not a number, the next call fails, the one after
// runs.
#include <cmath>

#include "common.h"

using namespace nvinfer1;

namespace {

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(errors.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].first; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].second.c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { errors.clear(); }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override {
    errors.emplace_back(code, text);
    return false;
  }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  std::vector<std::pair<ErrorCode, std::string>> errors;
  int references = 0;
};

void set(IRNNv2Layer& rnn, std::vector<float> const& one, std::vector<float> const& zero) {
  rnn.setWeightsForGate(0, RNNGateType::kINPUT, true, weights_of(one));
  rnn.setWeightsForGate(0, RNNGateType::kINPUT, false, weights_of(zero));
  rnn.setBiasForGate(0, RNNGateType::kINPUT, true, weights_of(zero));
  rnn.setBiasForGate(0, RNNGateType::kINPUT, false, weights_of(zero));
}

}  // namespace

int main() {
  KeepingLogger logger;
  Recorder recorder;
  IBuilder* builder = createInferBuilder(logger);
  builder->setMaxBatchSize(1);
  INetworkDefinition* network = builder->createNetworkV2(0U);
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(3, 1));
  Dims scalar{};
  ITensor* lengths = network->addInput("lengths", DataType::kINT32, scalar);
  std::vector<float> const one{1.0F}, zero{0.0F};
  IRNNv2Layer* rnn = network->addRNNv2(*x, 1, 1, 3, RNNOperation::kRELU);
  set(*rnn, one, zero);
  rnn->setSequenceLengths(*lengths);
  network->markOutput(*rnn->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  EXPECT(engine != nullptr);
  if (engine == nullptr) {
    return finish(logger);
  }
  IExecutionContext* context = engine->createExecutionContext();
  context->setErrorRecorder(&recorder);
  Buffers buffers({3, 1, 3});
  size_t errors = 0;
  for (int round = 0; round < 3; ++round) {  // launched, recorded, replayed
    buffers.upload(0, {1.0F, 2.0F, 3.0F});
    int32_t length = 7;
    EXPECT(cudaMemcpyAsync(buffers.bindings()[1], &length, sizeof(length), cudaMemcpyHostToDevice, buffers.stream()) ==
           cudaSuccess);
    bool const later = context->enqueue(1, buffers.bindings(), buffers.stream(), nullptr);
    std::vector<float> y = buffers.download(2);
    EXPECT(recorder.errors.size() > errors);
    EXPECT(recorder.errors.back().second.find("sequence_lens[0] is 7") != std::string::npos);
    if (later) {
      EXPECT(std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2]));
      EXPECT(!context->enqueue(1, buffers.bindings(), buffers.stream(), nullptr));
    }
    errors = recorder.errors.size();
    length = 2;
    EXPECT(cudaMemcpyAsync(buffers.bindings()[1], &length, sizeof(length), cudaMemcpyHostToDevice, buffers.stream()) ==
           cudaSuccess);
    EXPECT(context->enqueue(1, buffers.bindings(), buffers.stream(), nullptr));
    y = buffers.download(2);
    EXPECT(y[0] == 1.0F && y[1] == 2.0F && y[2] == 0.0F);
    EXPECT(recorder.errors.size() == errors);
  }
  context->setErrorRecorder(nullptr);
  EXPECT(recorder.references == 0);
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger, logger.errors.size());
}
