// A TensorRT 10 program with loops and conditionals by boundary layers.
#include "loops.h"

#include <memory>

using namespace nvinfer1;

namespace {

using Outputs = std::vector<std::vector<float>>;

Outputs run(INetworkDefinition& network, IBuilder& builder, std::vector<void*> const& inputs,
            std::vector<size_t> const& sizes) {
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<IRuntime> runtime(createInferRuntime(*builder.getLogger()));
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(network, *config));
  EXPECT(plan != nullptr);
  if (!plan) {
    return Outputs(sizes.size());
  }
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  Outputs outputs;
  std::vector<void*> bindings = inputs;
  for (size_t size : sizes) {
    outputs.emplace_back(size, -1.0F);
  }
  for (std::vector<float>& output : outputs) {
    bindings.push_back(output.data());
  }
  EXPECT(context->executeV2(bindings.data()));
  return outputs;
}

void test_loops(IBuilder& builder, KeepingLogger& logger) {
  loops::Values const values;
  {
    std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
    loops::recur(*network, values);
    std::vector<float> x(12);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>((i * 7) % 5) - 1.75F;
    }
    loops::expect_near(run(*network, builder, {x.data()}, {3, 12, 12, 18}), loops::recur_expected(x));
  }
  for (float x : {1.0F, 20.0F}) {
    std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
    loops::nested(*network, values);
    loops::expect_near(run(*network, builder, {&x}, {1, 1}), loops::nested_expected(x));
  }
  EXPECT(logger.errors.empty());
}

/// y = flag ? relu(x) + 1 : a loop that doubles -x three times; z = flag ? x : x * x
void conditional(INetworkDefinition& network, loops::Values const& v) {
  ITensor* flag = network.addInput("flag", DataType::kBOOL, loops::dims({}));
  ITensor* x = network.addInput("x", DataType::kFLOAT, Dims2{2, 2});
  IIfConditional* branch = network.addIfConditional();
  branch->setName("branch");
  IConditionLayer* condition = branch->setCondition(*flag);
  IIfConditionalInputLayer* in = branch->addInput(*x);
  EXPECT(condition->getConditional() == branch && in->getConditional() == branch && in->getOutput(0) != nullptr);
  ITensor* unit = loops::constant(network, Dims2{1, 1}, v.unit);
  ITensor* relu = network.addActivation(*in->getOutput(0), ActivationType::kRELU)->getOutput(0);
  ITensor* when_true = network.addElementWise(*relu, *unit, ElementWiseOperation::kSUM)->getOutput(0);
  ITensor* minus = network.addUnary(*in->getOutput(0), UnaryOperation::kNEG)->getOutput(0);
  ILoop* loop = network.addLoop();
  loop->addTripLimit(*loops::number(network, v.three), TripLimit::kCOUNT);
  IRecurrenceLayer* state = loop->addRecurrence(*minus);
  state->setInput(1, *network
                          .addElementWise(*state->getOutput(0), *loops::constant(network, Dims2{1, 1}, v.double_it),
                                          ElementWiseOperation::kPROD)
                          ->getOutput(0));
  ITensor* when_false = loop->addLoopOutput(*state->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0);
  ITensor* square =
      network.addElementWise(*in->getOutput(0), *in->getOutput(0), ElementWiseOperation::kPROD)->getOutput(0);
  IIfConditionalOutputLayer* y = branch->addOutput(*when_true, *when_false);
  IIfConditionalOutputLayer* z = branch->addOutput(*in->getOutput(0), *square);
  EXPECT(y->getType() == LayerType::kCONDITIONAL_OUTPUT && y->getOutput(0)->getDimensions().nbDims == 2);
  loops::output(network, y->getOutput(0), "y");
  loops::output(network, z->getOutput(0), "z");
}

void test_conditional(IBuilder& builder, KeepingLogger& logger) {
  loops::Values const values;
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  conditional(*network, values);
  std::vector<float> x = {0.5F, -1.5F, 2.0F, -0.25F};
  for (bool flag : {true, false}) {
    std::vector<double> y, z;
    for (float e : x) {
      y.push_back(flag ? std::fmax(e, 0.0) + 1.0 : -8.0 * e);
      z.push_back(flag ? e : static_cast<double>(e) * e);
    }
    loops::expect_near(run(*network, builder, {&flag, x.data()}, {4, 4}), {y, z});
  }
  EXPECT(logger.errors.empty());
}

void test_mistakes(IBuilder& builder, KeepingLogger& logger) {
  loops::Values const values;
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{2, 2});
  ILoop* loop = network->addLoop();
  IRecurrenceLayer* state = loop->addRecurrence(*x);
  state->setName("endless");
  ITensor* next = network->addUnary(*state->getOutput(0), UnaryOperation::kABS)->getOutput(0);
  loops::output(*network, loop->addLoopOutput(*state->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0), "y");
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  EXPECT(builder.buildSerializedNetwork(*network, *config) == nullptr);  // neither a limit nor a next value
  EXPECT(!logger.errors.empty() && logger.errors.back().find("trip limit") != std::string::npos);
  loop->addTripLimit(*loops::number(*network, values.two), TripLimit::kCOUNT);
  EXPECT(builder.buildSerializedNetwork(*network, *config) == nullptr);
  EXPECT(logger.errors.back().find("endless") != std::string::npos);
  state->setInput(1, *next);
  network->markOutput(*next);  // read outside without an output layer
  EXPECT(builder.buildSerializedNetwork(*network, *config) == nullptr);
  EXPECT(logger.errors.back().find("read outside") != std::string::npos);
  network->unmarkOutput(*next);
  std::vector<float> data = {-1.0F, 2.0F, -3.0F, 4.0F};
  loops::expect_near(run(*network, builder, {data.data()}, {4}), {{1.0, 2.0, 3.0, 4.0}});
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  test_loops(*builder, logger);
  test_conditional(*builder, logger);
  test_mistakes(*builder, logger);
  for (std::string const& error : logger.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
