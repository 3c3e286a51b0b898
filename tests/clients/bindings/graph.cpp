// Inference recorded into a CUDA graph once and launched many times, timed with events.
#include "common.h"

using namespace nvinfer1;

int main() {
  KeepingLogger logger;
  std::vector<float> const weights = noise(8 * 8, 4);
  IBuilder* builder = createInferBuilder(logger);
  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{4, 8});
  ITensor* w = network->addConstant(Dims2{8, 8}, weights_of(weights))->getOutput(0);
  IMatrixMultiplyLayer* product =
      network->addMatrixMultiply(*x, MatrixOperation::kNONE, *w, MatrixOperation::kTRANSPOSE);
  IActivationLayer* act = network->addActivation(*product->getOutput(0), ActivationType::kLEAKY_RELU);
  act->setAlpha(0.1F);
  EXPECT(act->getAlpha() == 0.1F);
  network->markOutput(*act->getOutput(0));
  IBuilderConfig* config = builder->createBuilderConfig();
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  IExecutionContext* context = engine->createExecutionContext();
  Buffers buffers({32, 32});
  EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));  // settles the shapes
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  EXPECT(cudaStreamBeginCapture(buffers.stream(), cudaStreamCaptureModeGlobal) == cudaSuccess);
  EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));
  EXPECT(cudaStreamEndCapture(buffers.stream(), &graph) == cudaSuccess);
  EXPECT(cudaGraphInstantiate(&instance, graph, 0) == cudaSuccess);
  cudaEvent_t start = nullptr, end = nullptr;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  for (uint32_t round = 0; round < 5; ++round) {
    std::vector<float> const in = noise(32, round);
    buffers.upload(0, in);
    EXPECT(cudaEventRecord(start, buffers.stream()) == cudaSuccess);
    EXPECT(cudaGraphLaunch(instance, buffers.stream()) == cudaSuccess);
    EXPECT(cudaEventRecord(end, buffers.stream()) == cudaSuccess && cudaEventSynchronize(end) == cudaSuccess);
    float ms = -1.0F;
    EXPECT(cudaEventElapsedTime(&ms, start, end) == cudaSuccess && ms >= 0.0F);
    std::vector<double> expected = dense(std::vector<double>(in.begin(), in.end()), 4, weights, {}, 8);
    for (double& v : expected) {
      v = v > 0.0 ? v : 0.1 * v;
    }
    EXPECT(error(buffers.download(1), expected) < 1e-6);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  cudaGraphExecDestroy(instance);
  cudaGraphDestroy(graph);
  context->destroy();
  engine->destroy();
  config->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
