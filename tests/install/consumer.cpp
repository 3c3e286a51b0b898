// A project of a user's: y = relu(x) built, run through the CUDA runtime's calls, compared. Compiles at every level.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <memory>

#include "NvInfer.h"
#include "NvOnnxParser.h"

using namespace nvinfer1;

namespace {

class StdoutLogger : public ILogger {
  void log(Severity severity, char const* message) noexcept override {
    if (severity <= Severity::kWARNING) {
      std::printf("%s\n", message);
    }
  }
};

bool run(IExecutionContext& context, float const* x, float* y) {
  void *in = nullptr, *out = nullptr;
  cudaStream_t stream = nullptr;
  bool good = cudaMalloc(&in, 16) == cudaSuccess && cudaMalloc(&out, 16) == cudaSuccess &&
              cudaStreamCreate(&stream) == cudaSuccess;
  good = good && cudaMemcpyAsync(in, x, 16, cudaMemcpyHostToDevice, stream) == cudaSuccess;
#if NV_TENSORRT_MAJOR >= 10
  good = good && context.setTensorAddress("x", in) && context.setTensorAddress("y", out) && context.enqueueV3(stream);
#else
  void* bindings[] = {in, out};
  good = good && context.enqueueV2(bindings, stream, nullptr);
#endif
  good = good && cudaMemcpyAsync(y, out, 16, cudaMemcpyDeviceToHost, stream) == cudaSuccess &&
         cudaStreamSynchronize(stream) == cudaSuccess;
  cudaStreamDestroy(stream);
  cudaFree(out);
  cudaFree(in);
  return good;
}

}  // namespace

int main() {
  StdoutLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(NV_TENSORRT_MAJOR < 10 ? 1U : 0U));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(1, 4));
  ITensor* y = network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
#else
  std::unique_ptr<ICudaEngine> built(builder->buildEngineWithConfig(*network, *config));
  std::unique_ptr<IHostMemory> plan(built->serialize());
#endif
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  float const in[4] = {-1.0F, 2.0F, -3.0F, 4.0F};
  float out[4] = {};
  bool const good = run(*context, in, out) && out[0] == 0.0F && out[1] == 2.0F && out[2] == 0.0F && out[3] == 4.0F;
  std::printf("TensorRT %d.%d.%d: %s\n", NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH,
              good ? "good" : "bad");
  return !good;
}
