// Objects that are used after what they refer to has been deleted, at every level: an error, null or false, and no
// touch of the memory that is gone.
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "NvInfer.h"
#include "NvOnnxParser.h"
#include "client.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;

/// One more error that says what is gone.
bool told(char const* words) {
  bool const once = logger.errors.size() == 1 && logger.errors[0].find("deleted") != std::string::npos &&
                    logger.errors[0].find(words) != std::string::npos;
  if (!once) {
    for (std::string const& error : logger.errors) {
      std::fprintf(stderr, "%s\n", error.c_str());
    }
  }
  logger.errors.clear();
  return once;
}

INetworkDefinition* new_network(IBuilder& builder) {
#if NV_TENSORRT_MAJOR < 10
  return builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#else
  return builder.createNetworkV2(0U);
#endif
}

float const kScale[] = {2, 3};

struct Things {
  std::unique_ptr<IBuilder> builder{createInferBuilder(logger)};
  std::unique_ptr<INetworkDefinition> network{new_network(*builder)};
  std::unique_ptr<IBuilderConfig> config{builder->createBuilderConfig()};

  Things() {
    ITensor* x = network->addInput("x", DataType::kFLOAT, Dims4(1, 2, 2, 2));
    IScaleLayer* scale = network->addScale(*x, ScaleMode::kCHANNEL, Weights{DataType::kFLOAT, nullptr, 0},
                                           Weights{DataType::kFLOAT, kScale, 2}, Weights{DataType::kFLOAT, nullptr, 0});
    scale->setName("scale");
    scale->getOutput(0)->setName("y");
    network->markOutput(*scale->getOutput(0));
    config->setFlag(BuilderFlag::kREFIT);
  }

  ICudaEngine* engine() {
#if NV_TENSORRT_MAJOR < 10
    return builder->buildEngineWithConfig(*network, *config);
#else
    std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    return runtime->deserializeCudaEngine(plan->data(), plan->size());
#endif
  }
};

/// A logger is the process's first one as long as something uses it; its user may delete it then.
void use_logger() {
  {
    std::unique_ptr<KeepingLogger> short_lived(new KeepingLogger);
    std::unique_ptr<IRuntime> runtime(createInferRuntime(*short_lived));
    EXPECT(getLogger() == short_lived.get());
    runtime.reset();
  }
  EXPECT(getLogger() == nullptr);
  KeepingLogger next;
  std::unique_ptr<IBuilder> builder(createInferBuilder(next));
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  EXPECT(getLogger() == &next);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  builder.reset();
  EXPECT(getLogger() == &next);  // its config may have something to say
}

void use_builder_and_parts() {
  Things things;
  INetworkDefinition* network = new_network(*things.builder);
  std::unique_ptr<INetworkDefinition> other(new_network(*things.builder));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  delete network;
  EXPECT(!parser->parseFromFile("any.onnx", 0) && parser->getNbErrors() == 1);
  logger.errors.clear();
  char const model[] = "model";
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(!parser->parse(model, sizeof(model), nullptr));
#else
  EXPECT(!parser->parse(model, sizeof(model)));
#endif
  EXPECT(parser->getNbErrors() == 2);
  logger.errors.clear();

  // A network or configuration that is gone is not built, nor looked at.
  IBuilderConfig* config = things.builder->createBuilderConfig();
  delete config;
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(things.builder->buildSerializedNetwork(*network, *things.config) == nullptr && told("'network'"));
  EXPECT(things.builder->buildSerializedNetwork(*things.network, *config) == nullptr && told("'config'"));
#endif
#if NV_TENSORRT_MAJOR < 10
  EXPECT(things.builder->buildEngineWithConfig(*network, *things.config) == nullptr && told("'network'"));
  EXPECT(things.builder->buildEngineWithConfig(*things.network, *config) == nullptr && told("'config'"));
#endif
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(!things.builder->isNetworkSupported(*network, *things.config) && told("'network'"));
#endif
  EXPECT(things.builder->createOptimizationProfile() != nullptr);

  // Profiles end with their builder; what it made else goes on.
  Things left;
  IOptimizationProfile* profile = left.builder->createOptimizationProfile();
#if NV_TENSORRT_MAJOR < 11
  left.config->setFlag(BuilderFlag::kINT8);
  EXPECT(left.config->setCalibrationProfile(profile));
#endif
  left.builder.reset();
  EXPECT(left.config->addOptimizationProfile(profile) == -1 && told("'profile'"));
#if NV_TENSORRT_MAJOR < 11
  EXPECT(!left.config->setCalibrationProfile(profile) && told("'profile'"));
#endif
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(left.network->getNbLayers() == 1 && logger.errors.empty());
  left.network->getBuilder();
  EXPECT(told("builder"));
#endif
}

#if NV_TENSORRT_MAJOR >= 8
void use_timing_cache() {
  Things things;
  ITimingCache* cache = things.config->createTimingCache(nullptr, 0);
  std::unique_ptr<ITimingCache> other(things.config->createTimingCache(nullptr, 0));
  EXPECT(things.config->setTimingCache(*cache, false) && things.config->getTimingCache() == cache);
  delete cache;
  EXPECT(things.config->getTimingCache() == nullptr && told("timing cache"));
  EXPECT(things.builder->buildSerializedNetwork(*things.network, *things.config) == nullptr && told("timing cache"));
  EXPECT(!things.config->setTimingCache(*cache, false) && told("'cache'"));
  EXPECT(!other->combine(*cache, false) && told("'inputCache'"));
  EXPECT(things.config->setTimingCache(*other, false));
  std::unique_ptr<IHostMemory> plan(things.builder->buildSerializedNetwork(*things.network, *things.config));
  EXPECT(plan != nullptr && logger.errors.empty());
}
#endif

void use_engine_and_parts() {
  Things things;
  ICudaEngine* engine = things.engine();
  EXPECT(engine != nullptr && engine->isRefittable());
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  IExecutionContext* context = engine->createExecutionContext();
  std::vector<float> x(8, 1.0F), y(8);
  void* bindings[] = {x.data(), y.data()};
  EXPECT(context->executeV2(bindings) && y[0] == 2 && y[7] == 3);
#if NV_TENSORRT_MAJOR >= 8
  std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
  EXPECT(inspector->setExecutionContext(context));
  EXPECT(inspector->getEngineInformation(LayerInformationFormat::kONELINE) != nullptr);
  IExecutionContext* gone = engine->createExecutionContext();
  delete gone;
  EXPECT(!inspector->setExecutionContext(gone) && told("'context'"));
  IExecutionContext* second = engine->createExecutionContext();
  EXPECT(inspector->setExecutionContext(second));
  delete second;
  inspector->getLayerInformation(0, LayerInformationFormat::kJSON);
  EXPECT(told("execution context"));
#endif
#if NV_TENSORRT_MAJOR >= 10
  std::unique_ptr<nvonnxparser::IParserRefitter> model(nvonnxparser::createParserRefitter(*refitter, logger));
#endif
  things.network.reset();
  things.config.reset();
  things.builder.reset();
  EXPECT(context->executeV2(bindings) && logger.errors.empty());

  delete engine;
  EXPECT(told("execution contexts"));  // the deletion itself warns of the contexts that are left
  EXPECT(!context->executeV2(bindings) && told("engine"));
#if NV_TENSORRT_MAJOR >= 8
  EXPECT(!context->setTensorAddress("x", x.data()) && told("engine"));
  EXPECT(!context->enqueueV3(nullptr) && told("engine"));
  EXPECT(context->getTensorShape("x").nbDims == -1 && told("engine"));
  EXPECT(inspector->getEngineInformation(LayerInformationFormat::kJSON) == nullptr && told("engine"));
  EXPECT(inspector->getLayerInformation(0, LayerInformationFormat::kONELINE) == nullptr && told("engine"));
#endif
#if NV_TENSORRT_MAJOR < 10
  EXPECT(!context->enqueueV2(bindings, nullptr, nullptr) && told("engine"));
  EXPECT(context->getBindingDimensions(0).nbDims == -1 && told("engine"));
#endif
  context->getEngine();
  EXPECT(told("engine"));
  delete context;
  EXPECT(logger.errors.empty());
  EXPECT(!refitter->setWeights("scale", WeightsRole::kSCALE, Weights{DataType::kFLOAT, kScale, 2}) && told("engine"));
  EXPECT(!refitter->refitCudaEngine() && told("engine"));
  EXPECT(refitter->getAll(0, nullptr, nullptr) == 0 && told("engine"));
  EXPECT(createInferRefitter(*engine, logger) == nullptr && told("'engine'"));
#if NV_TENSORRT_MAJOR >= 10
  refitter.reset();
  EXPECT(!model->refitFromFile("any.onnx"));
  logger.errors.clear();
#endif
}

#if NV_TENSORRT_MAJOR >= 10
/// A model's refitter whose refitter is gone finds out before it reads weights.
void use_refitter(char const* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> const bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT(!bytes.empty());
  Things things;
  std::unique_ptr<ICudaEngine> engine(things.engine());
  IRefitter* refitter = createInferRefitter(*engine, logger);
  std::unique_ptr<nvonnxparser::IParserRefitter> model(nvonnxparser::createParserRefitter(*refitter, logger));
  delete refitter;
  EXPECT(!model->refitFromBytes(bytes.data(), bytes.size(), nullptr) && told("refitter"));
  EXPECT(model->getNbErrors() == 1);
}
#endif

}  // namespace

int main(int, char** argv) {
  use_logger();
  use_builder_and_parts();
#if NV_TENSORRT_MAJOR >= 8
  use_timing_cache();
#endif
  use_engine_and_parts();
#if NV_TENSORRT_MAJOR >= 10
  use_refitter(argv[1]);
#else
  (void)argv;
#endif
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
