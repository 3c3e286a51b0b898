// A plugin whose kernel traps: the GPU's context is lost, and every later call says so and fails.
#include "NvInferRuntime.h"
#include "named/common.h"

using namespace nvinfer1;

namespace {

__global__ void trap_kernel(float const* x, float* y) {
  if (*x > 1.0F) {
    __trap();
  }
  *y = *x;
}

/// y = x for numbers up to 1.
class Trap : public IPluginV2DynamicExt {
 public:
  IPluginV2DynamicExt* clone() const noexcept override { return new Trap(*this); }
  DimsExprs getOutputDimensions(int32_t, DimsExprs const* in, int32_t, IExprBuilder&) noexcept override {
    return in[0];
  }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].type == DataType::kFLOAT && all[pos].format == TensorFormat::kLINEAR;
  }
  void configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                       int32_t) noexcept override {}
  size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) const noexcept override {
    return 0;
  }
  int32_t enqueue(PluginTensorDesc const*, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    trap_kernel<<<1, 1, 0, stream>>>(static_cast<float const*>(in[0]), static_cast<float*>(out[0]));
    return 0;
  }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  char const* getPluginType() const noexcept override { return "Trap"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }
};

}  // namespace

int main() {
  Project project;
  ITensor* x = project.network->addInput("x", DataType::kFLOAT, dims_of({1}));
  ITensor* twice = project.network->addElementWise(*x, *x, ElementWiseOperation::kSUM)->getOutput(0);
  Trap plugin;
  ITensor* same = project.network->addPluginV2(&twice, 1, plugin)->getOutput(0);
  output(*project.network, *project.network->addElementWise(*same, *x, ElementWiseOperation::kSUM)->getOutput(0), "y");
  Owned<ICudaEngine> engine(project.builder->buildEngineWithConfig(*project.network, *project.config));
  EXPECT(engine != nullptr);
  Session session(*engine);
  session.set("x", std::vector<float>(1, 0.25F));
  session.expect("y", sizeof(float));
  EXPECT(session.run() && session.get<float>("y", 1)[0] == 0.75F);
  EXPECT(project.logger.errors.empty());

  float const large = 4.0F;
  EXPECT(cudaMemcpyAsync(const_cast<void*>(session.context->getTensorAddress("x")), &large, sizeof(large),
                         cudaMemcpyHostToDevice, session.stream) == cudaSuccess);
  session.run();  // the kernel is on its way: an error may show now or later
  EXPECT(cudaStreamSynchronize(session.stream) != cudaSuccess);
  size_t const before = project.logger.errors.size();
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT(!session.run());
  }
  EXPECT(project.logger.errors.size() == before + 3);
  for (size_t i = before; i < project.logger.errors.size(); ++i) {
    EXPECT(project.logger.errors[i].find("context is lost") != std::string::npos);
  }
  for (std::string const& error : project.logger.errors) {
    std::printf("expected error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
