// A plugin whose kernel traps: the GPU's context is lost, and every later call says so and fails.
#include "gpu/same_shape.h"
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
class Trap : public SameShapeV2<Trap> {
 public:
  Trap() : SameShapeV2("Trap") {}
  int32_t enqueue(PluginTensorDesc const*, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    trap_kernel<<<1, 1, 0, stream>>>(static_cast<float const*>(in[0]), static_cast<float*>(out[0]));
    return 0;
  }
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
