// A TensorRT 10 program that streams weights: it asks for sizes, sets budgets between contexts, and gets the same
// results whatever the budget. Budgets save no memory here, and the log says so.
#include <memory>

#include "NvInfer.h"
#include "client.h"

using namespace nvinfer1;

namespace {

class Logger : public KeepingLogger {
 public:
  void log(Severity severity, char const* message) noexcept override {
    KeepingLogger::log(severity, message);
    if (severity == Severity::kWARNING) {
      warnings.push_back(message);
    }
  }
  bool warned_of(char const* word) const {
    for (std::string const& warning : warnings) {
      if (warning.find(word) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
  std::vector<std::string> warnings;
};

constexpr int kWidth = 32;

std::unique_ptr<ICudaEngine> build(Logger& logger, IRuntime& runtime, bool streams) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED)));
  std::vector<float> weights(kWidth * kWidth);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(i % 13) - 6.0F;
  }
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2(1, kWidth));
  IConstantLayer* matrix = network->addConstant(
      Dims2(kWidth, kWidth), Weights{DataType::kFLOAT, weights.data(), static_cast<int64_t>(weights.size())});
  IMatrixMultiplyLayer* product =
      network->addMatrixMultiply(*x, MatrixOperation::kNONE, *matrix->getOutput(0), MatrixOperation::kNONE);
  product->getOutput(0)->setName("y");
  network->markOutput(*product->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  if (streams) {
    config->setFlag(BuilderFlag::kWEIGHT_STREAMING);
  }
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  return std::unique_ptr<ICudaEngine>(runtime.deserializeCudaEngine(plan->data(), plan->size()));
}

std::vector<float> run(IExecutionContext& context) {
  std::vector<float> x(kWidth), y(kWidth, -1e30F);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i % 5) - 2.0F;
  }
  EXPECT(context.setTensorAddress("x", x.data()) && context.setTensorAddress("y", y.data()));
  EXPECT(context.enqueueV3(nullptr));
  return y;
}

}  // namespace

int main() {
  Logger logger;
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> plain = build(logger, *runtime, false);
  EXPECT(plain->getStreamableWeightsSize() == 0 && plain->getWeightStreamingBudgetV2() == 0);
  EXPECT(!plain->setWeightStreamingBudgetV2(0) && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("kWEIGHT_STREAMING") != std::string::npos);
  logger.errors.clear();

  std::unique_ptr<ICudaEngine> engine = build(logger, *runtime, true);
  EXPECT(logger.warned_of("kWEIGHT_STREAMING"));
  int64_t const all = engine->getStreamableWeightsSize();
  EXPECT(all >= kWidth * kWidth * 4);
  EXPECT(engine->getWeightStreamingBudgetV2() == all && engine->getWeightStreamingBudget() == 0);
  EXPECT(engine->getMinimumWeightStreamingBudget() == 0 && engine->getWeightStreamingScratchMemorySize() == 0);
  EXPECT(engine->getWeightStreamingAutomaticBudget() == all);
  std::vector<float> const wanted = [&] {
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    EXPECT(!engine->setWeightStreamingBudgetV2(all / 2) && logger.errors.size() == 1);  // not beside a context
    logger.errors.clear();
    return run(*context);
  }();
  EXPECT(engine->getWeightStreamingBudgetV2() == all);
  EXPECT(engine->setWeightStreamingBudgetV2(all / 2) && engine->getWeightStreamingBudgetV2() == all / 2);
  EXPECT(logger.warned_of("setWeightStreamingBudgetV2"));
  EXPECT(engine->getWeightStreamingBudget() == all / 2);
  EXPECT(run(*std::unique_ptr<IExecutionContext>(engine->createExecutionContext())) == wanted);
  EXPECT(engine->setWeightStreamingBudgetV2(2 * all) && engine->getWeightStreamingBudgetV2() == all);
  EXPECT(engine->setWeightStreamingBudget(-1) && engine->getWeightStreamingBudget() == 0);
  EXPECT(logger.errors.empty());
  EXPECT(!engine->setWeightStreamingBudgetV2(-1) && logger.errors.size() == 1);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
