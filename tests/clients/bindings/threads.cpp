// One engine, a context for each of several threads, each with a stream and buffers of its own.
#include <thread>

#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kThreads = 4, kRounds = 20;

void work(ICudaEngine* engine, std::vector<float> const* weights, int thread, int* bad) {
  IExecutionContext* context = engine->createExecutionContext();
  Buffers buffers({32, 16});
  for (int round = 0; round < kRounds; ++round) {
    std::vector<float> const x = noise(32, static_cast<uint32_t>(thread * 1000 + round));
    buffers.upload(0, x);
    bool const ran = context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr);
    std::vector<double> const wide(x.begin(), x.end());
    std::vector<double> expected = dense(wide, 1, *weights, {}, 16);
    for (double& v : expected) {
      v = 1.0 / (1.0 + std::exp(-v));
    }
    *bad += !ran || error(buffers.download(1), expected) > 1e-5;
  }
  context->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::vector<float> const weights = noise(16 * 32, 8);
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{1, 32});
  ITensor* w = network->addConstant(Dims2{16, 32}, weights_of(weights))->getOutput(0);
  IMatrixMultiplyLayer* product =
      network->addMatrixMultiply(*x, MatrixOperation::kNONE, *w, MatrixOperation::kTRANSPOSE);
  IActivationLayer* sigmoid = network->addActivation(*product->getOutput(0), ActivationType::kSIGMOID);
  network->markOutput(*sigmoid->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  network->destroy();
  config->destroy();
  builder->destroy();  // the engine outlives what made it
  EXPECT(engine != nullptr);
  int bad[kThreads] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(work, engine, &weights, i, &bad[i]);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (int count : bad) {
    EXPECT(count == 0);
  }
  engine->destroy();
  return finish(logger);
}
