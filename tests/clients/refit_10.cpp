// A TensorRT 10 program that gives an engine new weights: by role, by name, after stripping, from ONNX.
#include <cmath>
#include <cstring>
#include <memory>

#include "NvInferRuntime.h"
#include "NvOnnxParser.h"
#include "client.h"

using namespace nvinfer1;

namespace {

using Plan = std::unique_ptr<IHostMemory>;
using Engine = std::unique_ptr<ICudaEngine>;

struct Model {
  std::vector<float> kernel = std::vector<float>(2 * 3), bias = std::vector<float>(2), scale = std::vector<float>(2),
                     head = std::vector<float>(2);
  explicit Model(float seed) {
    for (std::vector<float>* all : {&kernel, &bias, &scale, &head}) {
      for (float& w : *all) {
        w = seed = std::fmod(seed * 1.7F + 0.31F, 2.0F) - 0.8F;
      }
    }
  }
  static Weights weights(std::vector<float> const& values) {
    return {DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
  }
};

/// y = (scale * conv1x1(x)) * head, which optimisation folds into less.
std::unique_ptr<INetworkDefinition> describe(IBuilder& builder, Model const& m) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4{1, 3, 2, 2});
  IConvolutionLayer* conv =
      network->addConvolutionNd(*x, 2, Dims2{1, 1}, Model::weights(m.kernel), Model::weights(m.bias));
  conv->setName("conv");
  Weights const none{DataType::kFLOAT, nullptr, 0};
  IScaleLayer* scale = network->addScale(*conv->getOutput(0), ScaleMode::kCHANNEL, none, Model::weights(m.scale), none);
  scale->setName("scale");
  IConstantLayer* head = network->addConstant(Dims4{1, 2, 1, 1}, Model::weights(m.head));
  head->setName("head");
  ITensor* y =
      network->addElementWise(*scale->getOutput(0), *head->getOutput(0), ElementWiseOperation::kPROD)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  EXPECT(network->setWeightsName(Model::weights(m.kernel), "the kernel"));
  return network;
}

std::vector<double> expected(Model const& m, std::vector<float> const& x) {
  std::vector<double> y(8);
  for (int c = 0; c < 2; ++c) {
    for (int i = 0; i < 4; ++i) {
      double sum = m.bias[c];
      for (int k = 0; k < 3; ++k) {
        sum += static_cast<double>(m.kernel[c * 3 + k]) * x[k * 4 + i];
      }
      y[c * 4 + i] = sum * m.scale[c] * m.head[c];
    }
  }
  return y;
}

std::vector<float> input() {
  std::vector<float> x(12);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((i * 5) % 7) * 0.5F - 1.0F;
  }
  return x;
}

bool gives(IExecutionContext& context, Model const& m) {
  std::vector<float> x = input(), y(8);
  void* bindings[] = {x.data(), y.data()};
  if (!context.executeV2(bindings)) {
    return false;
  }
  std::vector<double> const wanted = expected(m, x);
  for (size_t i = 0; i < y.size(); ++i) {
    if (!(std::fabs(y[i] - wanted[i]) < 1e-5)) {
      return false;
    }
  }
  return true;
}

bool gives(ICudaEngine& engine, Model const& m) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  return context && gives(*context, m);
}

Plan build(IBuilder& builder, Model const& m, BuilderFlag flag) {
  std::unique_ptr<INetworkDefinition> network = describe(builder, m);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(flag);
  return Plan(builder.buildSerializedNetwork(*network, *config));
}

void test_refit(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  Model const first(0.2F), second(0.7F);
  Plan const plan = build(builder, first, BuilderFlag::kREFIT);
  Engine engine(runtime.deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine && engine->isRefittable() && gives(*engine, first));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(gives(*context, first));
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  char const* layers[8];
  WeightsRole roles[8];
  EXPECT(refitter->getAll(8, layers, roles) == 4 && std::string(layers[0]) == "conv" &&
         roles[0] == WeightsRole::kKERNEL && refitter->getMissing(8, layers, roles) == 0);
  char const* names[8];
  EXPECT(refitter->getAllWeights(8, names) == 4 && std::string(names[0]) == "the kernel");
  EXPECT(refitter->getWeightsPrototype("the kernel").count == 6);
  EXPECT(refitter->setNamedWeights("the kernel", Model::weights(second.kernel)));
  EXPECT(refitter->getNamedWeights("the kernel").values == second.kernel.data());
  EXPECT(refitter->unsetNamedWeights("the kernel") && !refitter->unsetNamedWeights("the kernel"));
  EXPECT(refitter->setNamedWeights("the kernel", Model::weights(second.kernel), TensorLocation::kHOST));
  EXPECT(refitter->setWeights("conv", WeightsRole::kBIAS, Model::weights(second.bias)));
  EXPECT(refitter->setWeights("scale", WeightsRole::kSCALE, Model::weights(second.scale)));
  EXPECT(refitter->setWeights("head", WeightsRole::kCONSTANT, Model::weights(second.head)));
  EXPECT(logger.errors.empty());
  EXPECT(!refitter->setWeights("head", WeightsRole::kBIAS, Model::weights(second.head)) &&
         !refitter->setNamedWeights("the kernel", Model::weights(second.head)) && logger.errors.size() == 2);
  logger.errors.clear();
  EXPECT(refitter->refitCudaEngine());
  EXPECT(gives(*context, second) && gives(*engine, second));
  Plan const again(engine->serialize());
  Engine reloaded(runtime.deserializeCudaEngine(again->data(), again->size()));
  EXPECT(reloaded && gives(*reloaded, second));
  std::unique_ptr<IRefitter> other(createInferRefitter(*reloaded, logger));
  Model third = second;
  third.bias = first.bias;
  EXPECT(other->setWeights("conv", WeightsRole::kBIAS, Model::weights(first.bias)) &&
         other->refitCudaEngineAsync(nullptr) && gives(*reloaded, third));
}

void test_strip(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  Model const first(0.2F);
  Plan const plan = build(builder, first, BuilderFlag::kSTRIP_PLAN);
  Engine engine(runtime.deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine && engine->isRefittable() && logger.errors.empty());
  EXPECT(engine->createExecutionContext() == nullptr && !logger.errors.empty());
  logger.errors.clear();
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  char const* names[8];
  EXPECT(refitter->getMissingWeights(8, names) == 4);
  EXPECT(refitter->setWeights("conv", WeightsRole::kKERNEL, Model::weights(first.kernel)));
  EXPECT(refitter->getMissingWeights(8, names) == 3 && !refitter->refitCudaEngine());
  EXPECT(logger.errors.size() == 1 && logger.errors[0].find("'conv BIAS'") != std::string::npos);
  logger.errors.clear();
  EXPECT(refitter->setWeights("conv", WeightsRole::kBIAS, Model::weights(first.bias)) &&
         refitter->setWeights("scale", WeightsRole::kSCALE, Model::weights(first.scale)) &&
         refitter->setWeights("head", WeightsRole::kCONSTANT, Model::weights(first.head)));
  EXPECT(refitter->refitCudaEngine() && gives(*engine, first));
  std::unique_ptr<ISerializationConfig> config(engine->createSerializationConfig());
  config->setFlag(SerializationFlag::kEXCLUDE_WEIGHTS);
  Plan const thin(engine->serializeWithConfig(*config)), whole(engine->serialize());
  EXPECT(thin && whole);
  Engine rest(runtime.deserializeCudaEngine(thin->data(), thin->size()));
  EXPECT(rest && rest->createExecutionContext() == nullptr);
  logger.errors.clear();
  Engine full(runtime.deserializeCudaEngine(whole->data(), whole->size()));
  EXPECT(full && gives(*full, first));
}

void test_marked(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  Model const m(0.4F);
  std::unique_ptr<INetworkDefinition> network = describe(builder, m);
  EXPECT(network->markWeightsRefittable("the kernel") && network->areWeightsMarkedRefittable("the kernel"));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kREFIT_INDIVIDUAL);
  Plan const plan(builder.buildSerializedNetwork(*network, *config));
  Engine engine(runtime.deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  char const* names[8];
  EXPECT(refitter->getAllWeights(8, names) == 1 && std::string(names[0]) == "the kernel");
  EXPECT(logger.errors.empty());
  Plan const fixed = build(builder, m, BuilderFlag::kTF32);
  Engine other(runtime.deserializeCudaEngine(fixed->data(), fixed->size()));
  EXPECT(!other->isRefittable() && createInferRefitter(*other, logger) == nullptr && logger.errors.size() == 1);
  logger.errors.clear();
}

/// y = x w + b by Gemm with transB, weights named w [2, 3] and b [2]: the model's bytes, with weights at known places.
std::string model_bytes(std::vector<float> const& w, std::vector<float> const& b) {
  std::string bytes(
      "\x08\x08:\x8e\x01\x0a'\x0a\x01x\x0a\x01w\x0a\x01"
      "b\x12\x01y\x1a\x04gemm\x22\x04Gemm*\x0d\x0a\x06transB\x18\x01\xa0\x01\x02\x12\x01g*#\x08\x02\x08\x03\x10\x01"
      "B\x01wJ\x18wwwwwwwwwwwwwwwwwwwwwwww*\x11\x08\x02\x10\x01"
      "B\x01"
      "bJ\x08"
      "bbbbbbbbZ\x13\x0a\x01x\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x03"
      "b\x13\x0a\x01y\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x02"
      "B\x04\x0a\x00\x10\x11",
      153);
  std::memcpy(&bytes[62], w.data(), 24);
  std::memcpy(&bytes[97], b.data(), 8);
  return bytes;
}

bool gives_gemm(ICudaEngine& engine, std::vector<float> const& w, std::vector<float> const& b) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  std::vector<float> x = {1.0F, -2.0F, 0.5F}, y(2);
  void* bindings[] = {x.data(), y.data()};
  bool good = context && context->executeV2(bindings);
  for (int i = 0; i < 2; ++i) {
    double const wanted = static_cast<double>(w[i * 3]) * x[0] + static_cast<double>(w[i * 3 + 1]) * x[1] +
                          static_cast<double>(w[i * 3 + 2]) * x[2] + b[i];
    good = good && std::fabs(y[i] - wanted) < 1e-5;
  }
  return good;
}

void test_onnx(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  std::vector<float> const w1 = {1, 2, 3, 4, 5, 6}, b1 = {0.5F, -0.5F}, w2 = {-1, 0.25F, 2, 3, -2, 1}, b2 = {2, 1};
  std::string const one = model_bytes(w1, b1), two = model_bytes(w2, b2);
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->parse(one.data(), one.size()));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kSTRIP_PLAN);
  Plan const plan(builder.buildSerializedNetwork(*network, *config));
  Engine engine(runtime.deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine != nullptr);
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  std::unique_ptr<nvonnxparser::IParserRefitter> from_onnx(nvonnxparser::createParserRefitter(*refitter, logger));
  EXPECT(from_onnx->refitFromBytes(one.data(), one.size()) && refitter->refitCudaEngine());
  EXPECT(gives_gemm(*engine, w1, b1));
  EXPECT(from_onnx->refitFromBytes(two.data(), two.size()) && refitter->refitCudaEngine());
  EXPECT(gives_gemm(*engine, w2, b2) && logger.errors.empty());
  EXPECT(!from_onnx->refitFromBytes("junk", 4) && from_onnx->getNbErrors() == 1);
  from_onnx->clearErrors();
  EXPECT(from_onnx->getNbErrors() == 0);
  logger.errors.clear();
}

/// y = relu(x): an engine that has no weights is refitted with none.
void test_no_weights(IBuilder& builder, IRuntime& runtime, KeepingLogger& logger) {
  std::string const model(
      "\x08\x08:"
      "3\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x12\x01gZ\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02"
      "b\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02"
      "B\x04\x0a\x00\x10\x11",
      61);
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->parse(model.data(), model.size()));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kREFIT);
  Plan const plan(builder.buildSerializedNetwork(*network, *config));
  Engine engine(runtime.deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  std::unique_ptr<nvonnxparser::IParserRefitter> from_onnx(nvonnxparser::createParserRefitter(*refitter, logger));
  EXPECT(from_onnx->refitFromBytes(model.data(), model.size()) && refitter->refitCudaEngine());
  EXPECT(logger.errors.empty());
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  test_refit(*builder, *runtime, logger);
  test_strip(*builder, *runtime, logger);
  test_marked(*builder, *runtime, logger);
  test_onnx(*builder, *runtime, logger);
  test_no_weights(*builder, *runtime, logger);
  for (std::string const& error : logger.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
