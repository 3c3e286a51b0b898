// A TensorRT 10 program with plugins: by hand, from ONNX, in plans, from a library, of both interfaces.
#include <dlfcn.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>

#include "NvInferRuntime.h"
#include "NvOnnxParser.h"
#include "client.h"
#include "stretch_plugin.h"

using namespace nvinfer1;

REGISTER_TENSORRT_PLUGIN(StretchCreator);

namespace {

/// Keeps the positive elements of a vector; how many those are is its second output.
class Positive : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
 public:
  explicit Positive(float margin) : margin_(margin) { ++alive(); }
  ~Positive() override { --alive(); }
  static int& alive() {
    static int count = 0;
    return count;
  }
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    if (type == PluginCapabilityType::kBUILD) {
      return static_cast<IPluginV3OneBuild*>(this);
    }
    return type == PluginCapabilityType::kRUNTIME
               ? static_cast<IPluginCapability*>(static_cast<IPluginV3OneRuntime*>(this))
               : static_cast<IPluginV3OneCore*>(this);
  }
  IPluginV3* clone() noexcept override { return new Positive(margin_); }
  char const* getPluginName() const noexcept override { return "Positive"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return "acme"; }
  int32_t configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    return 0;
  }
  int32_t getOutputDataTypes(DataType* out, int32_t, DataType const* in, int32_t) const noexcept override {
    out[0] = in[0];
    out[1] = DataType::kINT32;
    return 0;
  }
  int32_t getOutputShapes(DimsExprs const* in, int32_t inputs, DimsExprs const*, int32_t, DimsExprs* out, int32_t,
                          IExprBuilder& builder) noexcept override {
    if (inputs != 1 || in[0].nbDims != 1) {
      return -1;
    }
    IDimensionExpr const* half = builder.operation(DimensionOperation::kFLOOR_DIV, *in[0].d[0], *builder.constant(2));
    out[0].nbDims = 1;
    out[0].d[0] = builder.declareSizeTensor(1, *half, *in[0].d[0]);
    out[1].nbDims = 0;
    return out[0].d[0]->isSizeTensor() ? 0 : -1;
  }
  bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].desc.format == TensorFormat::kLINEAR &&
           all[pos].desc.type == (pos == 2 ? DataType::kINT32 : DataType::kFLOAT);
  }
  int32_t getNbOutputs() const noexcept override { return 2; }
  int32_t getNbTactics() noexcept override { return 1; }
  int32_t getValidTactics(int32_t* ids, int32_t) noexcept override { return ids[0] = 7, 0; }
  int32_t setTactic(int32_t tactic) noexcept override { return tactic == 7 ? 0 : 1; }
  int32_t onShapeChange(PluginTensorDesc const* in, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    length_ = static_cast<int>(in[0].dims.d[0]);
    return 0;
  }
  int32_t enqueue(PluginTensorDesc const*, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t) noexcept override {
    float const* x = static_cast<float const*>(in[0]);
    int32_t kept = 0;
    for (int i = 0; i < length_; ++i) {
      if (x[i] > margin_) {
        static_cast<float*>(out[0])[kept++] = x[i];
      }
    }
    *static_cast<int32_t*>(out[1]) = kept;
    return 0;
  }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override {
    field_ = {"margin", &margin_, PluginFieldType::kFLOAT32, 1};
    fields_ = {1, &field_};
    return &fields_;
  }

 private:
  float margin_;
  int length_ = 0;
  PluginField field_;
  PluginFieldCollection fields_{};
};

class PositiveCreator : public IPluginCreatorV3One {
 public:
  IPluginV3* createPlugin(char const*, PluginFieldCollection const* fields, TensorRTPhase phase) noexcept override {
    last_phase = phase;
    return new Positive(fields->nbFields == 1 ? *static_cast<float const*>(fields->fields[0].data) : 0.0F);
  }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  char const* getPluginName() const noexcept override { return "Positive"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return "acme"; }
  TensorRTPhase last_phase = TensorRTPhase::kBUILD;

 private:
  PluginFieldCollection none_{0, nullptr};
};

using Plan = std::unique_ptr<IHostMemory>;

void expect_stretched(std::vector<float> const& x, std::vector<float> const& y, double factor, double offset,
                      size_t row) {
  for (size_t r = 0; r < x.size() / row; ++r) {
    for (size_t i = 0; i < row; ++i) {
      double const wanted = factor * x[r * row + i] + offset;
      EXPECT(std::fabs(y[2 * r * row + i] - std::fmax(wanted, 0.0)) < 1e-5);
      EXPECT(std::fabs(y[(2 * r + 1) * row + i] - std::fmax(x[r * row + i], 0.0F)) < 1e-5);
    }
  }
}

/// relu(stretch(x)) at batches 1 and 3, in two contexts.
void run_stretch(ICudaEngine& engine, char const* output, double factor, double offset) {
  std::unique_ptr<IExecutionContext> first(engine.createExecutionContext()), second(engine.createExecutionContext());
  EXPECT(first != nullptr && second != nullptr);
  for (int batch = 1; batch <= 3; batch += 2) {
    for (IExecutionContext* context : {first.get(), second.get()}) {
      std::vector<float> x(static_cast<size_t>(batch) * 3), y(x.size() * 2);
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>((i * 5) % 7) - 3.0F;
      }
      EXPECT(context->setInputShape("x", Dims2{batch, 3}));
      EXPECT(context->getTensorShape(output).d[1] == 6);
      EXPECT(context->setTensorAddress("x", x.data()) && context->setTensorAddress(output, y.data()));
      EXPECT(context->enqueueV3(nullptr));
      expect_stretched(x, y, factor, offset, 3);
    }
  }
}

IOptimizationProfile* profile_for(IBuilder& builder) {
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, Dims2{1, 3});
  profile->setDimensions("x", OptProfileSelector::kOPT, Dims2{2, 3});
  profile->setDimensions("x", OptProfileSelector::kMAX, Dims2{4, 3});
  return profile;
}

Plan build_stretch(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{-1, 3});
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator("Stretch", "3", "");
  EXPECT(creator != nullptr && getPluginRegistry()->getPluginCreator("Stretch", "4", "") == nullptr);
  float const factor = 1.5F;
  int32_t const offset = -2;
  PluginField const fields[] = {{"factor", &factor, PluginFieldType::kFLOAT32, 1},
                                {"offset", &offset, PluginFieldType::kINT32, 1}};
  PluginFieldCollection const collection{2, fields};
  IPluginV2* plugin = creator->createPlugin("stretch", &collection);
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, *plugin);
  plugin->destroy();
  EXPECT(layer != nullptr && layer->getType() == LayerType::kPLUGIN_V2);
  EXPECT(std::string(layer->getPlugin().getPluginType()) == "Stretch");
  layer->setName("stretch");
  Dims const dims = layer->getOutput(0)->getDimensions();
  EXPECT(dims.nbDims == 2 && dims.d[0] == -1 && dims.d[1] == 6);
  ITensor* y = network->addActivation(*layer->getOutput(0), ActivationType::kRELU)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  config->addOptimizationProfile(profile_for(builder));
  std::unique_ptr<ICudaEngine> live(builder.buildEngineWithConfig(*network, *config));
  EXPECT(live != nullptr);
  run_stretch(*live, "y", 1.5, -2.0);
  std::unique_ptr<IEngineInspector> inspector(live->createEngineInspector());
  std::string const text = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  EXPECT(text.find("\"PluginV2\"") != std::string::npos &&
         text.find("\"PluginType\": \"Stretch\"") != std::string::npos);
  return Plan(builder.buildSerializedNetwork(*network, *config));
}

void test_by_hand(KeepingLogger& logger) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  Plan const plan = build_stretch(*builder);
  EXPECT(plan != nullptr);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  {
    std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    EXPECT(engine != nullptr && stretch_counts().alive > 0);
    run_stretch(*engine, "y", 1.5, -2.0);
  }
  StretchCounts const& counts = stretch_counts();
  EXPECT(counts.alive == 0 && counts.initialized == counts.terminated && counts.initialized == 2);
  EXPECT(counts.attached == counts.detached && counts.attached >= 4 && counts.enqueued >= 8);
  EXPECT(logger.errors.empty());
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator("Stretch", "3", "");
  EXPECT(getPluginRegistry()->deregisterCreator(*creator));
  EXPECT(runtime->deserializeCudaEngine(plan->data(), plan->size()) == nullptr);
  EXPECT(!logger.errors.empty() && logger.errors.back().find("'Stretch'") != std::string::npos &&
         logger.errors.back().find("stretch") != std::string::npos);
  logger.errors.clear();
  EXPECT(getPluginRegistry()->registerCreator(*creator, ""));
}

/// The plan brings the library that its plugin needs, to runtimes that allow it.
class Shared : public IPluginResource {
 public:
  explicit Shared(bool clones) : clones_(clones) {}
  int32_t release() noexcept override { return ++released, 0; }
  IPluginResource* clone() noexcept override { return clones_ ? this : nullptr; }
  int released = 0;

 private:
  bool clones_;
};

/// What cannot be acquired leaves nothing behind; the last user releases.
void test_resources(KeepingLogger& logger) {
  IPluginRegistry& registry = *getPluginRegistry();
  Shared resource(true), no_clone(false);
  logger.errors.clear();
  EXPECT(registry.acquirePluginResource("shared", nullptr) == nullptr);
  EXPECT(registry.acquirePluginResource("shared", &no_clone) == nullptr);
  EXPECT(registry.acquirePluginResource(nullptr, &resource) == nullptr);
  EXPECT(registry.releasePluginResource("shared") == -1 && logger.errors.size() == 4);
  EXPECT(registry.acquirePluginResource("shared", &resource) == &resource);
  EXPECT(registry.acquirePluginResource("shared", nullptr) == &resource);
  EXPECT(registry.releasePluginResource("shared") == 0 && resource.released == 0);
  EXPECT(registry.releasePluginResource("shared") == 0 && resource.released == 1);
  logger.errors.clear();
}

void test_library_in_plan(KeepingLogger& logger, IHostMemory const& plan) {
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  EXPECT(!runtime->getEngineHostCodeAllowed());
  EXPECT(runtime->deserializeCudaEngine(plan.data(), plan.size()) == nullptr && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("setEngineHostCodeAllowed") != std::string::npos);
  runtime->setEngineHostCodeAllowed(true);
  TempfileControlFlags const files = runtime->getTempfileControlFlags();
  runtime->setTempfileControlFlags(0);
  EXPECT(runtime->deserializeCudaEngine(plan.data(), plan.size()) == nullptr && logger.errors.size() == 2);
  logger.errors.clear();
  for (TempfileControlFlag flag :
       {TempfileControlFlag::kALLOW_TEMPORARY_FILES, TempfileControlFlag::kALLOW_IN_MEMORY_FILES}) {
    EXPECT((files >> static_cast<uint32_t>(flag)) & 1U);
    runtime->setTempfileControlFlags(1U << static_cast<uint32_t>(flag));
    {
      std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
      EXPECT(engine != nullptr);
      if (engine) {
        run_stretch(*engine, "z", 2.5, 1.0);
      }
    }
    for (char const* space : {"acme", "other"}) {
      IPluginCreator* creator = getPluginRegistry()->getPluginCreator("Stretch", "3", space);
      EXPECT(creator != nullptr && getPluginRegistry()->deregisterCreator(*creator));
    }
  }
  EXPECT(logger.errors.empty());
}

void test_v3(KeepingLogger& logger) {
  PositiveCreator creator;
  EXPECT(getPluginRegistry()->registerCreator(creator, "acme"));
  EXPECT(getPluginRegistry()->getCreator("Positive", "1", "acme") == &creator);
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims{1, {6}});
  std::unique_ptr<Positive> plugin(new Positive(0.25F));
  IPluginV3Layer* layer = network->addPluginV3(&x, 1, nullptr, 0, *plugin);
  plugin.reset();
  EXPECT(layer != nullptr && layer->getType() == LayerType::kPLUGIN_V3 && layer->getNbOutputs() == 2);
  EXPECT(layer->getOutput(0)->getDimensions().d[0] == -1 && layer->getOutput(1)->getType() == DataType::kINT32);
  layer->getOutput(0)->setName("kept");
  layer->getOutput(1)->setName("count");
  network->markOutput(*layer->getOutput(0));
  network->markOutput(*layer->getOutput(1));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  Plan const plan(builder->buildSerializedNetwork(*network, *config));
  network.reset();
  EXPECT(plan != nullptr && Positive::alive() == 0);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine != nullptr && creator.last_phase == TensorRTPhase::kRUNTIME);
  {
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    float in[6] = {0.5F, -1.0F, 0.2F, 2.0F, 0.3F, 0.0F}, out[6] = {};
    int32_t count = 0;
    EXPECT(context->setTensorAddress("x", in) && context->setTensorAddress("kept", out) &&
           context->setTensorAddress("count", &count));
    EXPECT(context->enqueueV3(nullptr));
    EXPECT(count == 3 && out[0] == 0.5F && out[1] == 2.0F && out[2] == 0.3F);
  }
  engine.reset();
  EXPECT(Positive::alive() == 0);
  EXPECT(getPluginRegistry()->deregisterCreator(creator));
}

/// relu(acme.Stretch(x) {factor = 2.5, offset = [1], plugin_version = "3", plugin_namespace = "acme"}), x: [n, 3]
std::string const kModel(
    "\x08\x08:\xae\x01\nt\n\x01x\x12\x01y\x1a\x07stretch\"\x07Stretch*\x10\n\x06"
    "factor\x15\x00\x00 @\xa0\x01\x01*\r\n\x06"
    "offset@\x01\xa0\x01\x07*\x1b\n\x10plugin_namespace\"\x04"
    "acme\xa0\x01\x03*\x16\n\x0eplugin_version\"\x01"
    "3\xa0\x01\x03:\x04"
    "acme\n\x12\n\x01y\x12\x01z\x1a\x04relu\"\x04Relu\x12\x01gZ\x14\n\x01x\x12\x0f\n\r\x08\x01\x12\t\n\x03\x12\x01n\n"
    "\x02"
    "\x08\x03"
    "b\t\n\x01z\x12\x04\n\x02\x08\x01"
    "B\x04\n\x00\x10\x11"
    "B\x08\n\x04"
    "acme\x10\x01",
    195);

std::string read_file(std::string const& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Weights of a model with a plugin, which nobody looks for when the engine is refitted; attributes that do not fit.
void test_models(KeepingLogger& logger, std::string const& folder) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0)), other(builder->createNetworkV2(0));
  std::string model = read_file(folder + "/stretched.onnx");
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->parse(model.data(), model.size()));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->addOptimizationProfile(profile_for(*builder));
  config->setFlag(BuilderFlag::kREFIT);
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine, logger));
  std::unique_ptr<nvonnxparser::IParserRefitter> weights(nvonnxparser::createParserRefitter(*refitter, logger));
  for (float const factor : {2.0F, 3.0F}) {
    std::vector<float> const old(6, 2.0F), given(6, factor);
    size_t const at = model.find(std::string(reinterpret_cast<char const*>(old.data()), 24));
    EXPECT(at != std::string::npos);
    model.replace(at, 24, reinterpret_cast<char const*>(given.data()), 24);
    EXPECT(weights->refitFromBytes(model.data(), model.size()) && refitter->refitCudaEngine());
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    std::vector<float> x{1, -2, 3}, y(6);
    EXPECT(context->setInputShape("x", Dims2{1, 3}) && context->setTensorAddress("x", x.data()));
    EXPECT(context->setTensorAddress("y", y.data()) && context->enqueueV3(nullptr));
    EXPECT(y[0] == factor * 3.5F && y[1] == factor * -4.0F && y[5] == factor * 3.0F);
  }
  EXPECT(logger.errors.empty());
  std::string const far = read_file(folder + "/stretched_far.onnx");
  std::unique_ptr<nvonnxparser::IParser> second(nvonnxparser::createParser(*other, logger));
  EXPECT(!second->parse(far.data(), far.size()) && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("32 bits does not hold it") != std::string::npos);
  logger.errors.clear();
}

void test_parser(KeepingLogger& logger, char const* library, char const* other, char const* folder) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  {
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    EXPECT(!parser->parse(kModel.data(), kModel.size()) && parser->getNbErrors() == 1);
    EXPECT(parser->getError(0)->node() == 0 &&
           parser->getError(0)->code() == nvonnxparser::ErrorCode::kUNSUPPORTED_NODE);
    logger.errors.clear();
  }
  {  // a parser that outlives its network says so
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    network.reset();
    EXPECT(!parser->parse(kModel.data(), kModel.size()) && logger.errors.back().find("deleted") != std::string::npos);
    logger.errors.clear();
  }
  Plan with_library;
  void* handle = getPluginRegistry()->loadLibrary(library);  // its Stretch is in namespace acme
  EXPECT(handle != nullptr && getPluginRegistry()->getPluginCreator("Stretch", "3", "acme") != nullptr);
  {
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
    EXPECT(parser->parse(kModel.data(), kModel.size()));
    EXPECT(network->getNbLayers() == 2 && network->getLayer(0)->getType() == LayerType::kPLUGIN_V2);
    EXPECT(std::string(static_cast<IPluginV2Layer*>(network->getLayer(0))->getPlugin().getPluginNamespace()) == "acme");
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    config->addOptimizationProfile(profile_for(*builder));
    Plan const plan(builder->buildSerializedNetwork(*network, *config));
    EXPECT(plan != nullptr);
    char const* const libraries[] = {other, library};
    config->setPluginsToSerialize(libraries, 2);
    with_library.reset(builder->buildSerializedNetwork(*network, *config));
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
    EXPECT(engine != nullptr);
    run_stretch(*engine, "z", 2.5, 1.0);
  }
  test_models(logger, folder);
  int32_t count = 0;
  IPluginCreatorInterface* const* creators = getPluginRegistry()->getAllCreators(&count);
  IPluginCreatorInterface* const last = creators[count - 1];
  void* again = dlopen(library, RTLD_NOW | RTLD_NOLOAD);  // to ask it when the registry has left it
  auto const finder = reinterpret_cast<ILoggerFinder* (*)()>(dlsym(again, "stretchLoggerFinder"));
  EXPECT(finder && finder() && finder()->findLogger() == &logger);
  getPluginRegistry()->deregisterLibrary(handle);
  EXPECT(finder && finder() == nullptr && dlclose(again) == 0);
  EXPECT(getPluginRegistry()->getPluginCreator("Stretch", "3", "acme") == nullptr);
  int32_t left = 0;
  EXPECT(getPluginRegistry()->getAllCreators(&left) != creators && left == count - 1);
  EXPECT(creators[count - 1] == last);  // a list that somebody holds stays as it was
  logger.errors.clear();
  getPluginRegistry()->deregisterLibrary(handle);  // gone already
  getPluginRegistry()->deregisterLibrary(&left);
  EXPECT(logger.errors.size() == 2);
  test_resources(logger);
  EXPECT(getPluginRegistry()->loadLibrary("no such library.so") == nullptr);
  logger.errors.clear();
  test_library_in_plan(logger, *with_library);
}

/// What such a library registers leaves with it; a library without creators is none of plugins.
void test_self_registered(KeepingLogger& logger, char const* library, char const* without) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));  // whose logger the registry tells
  void* handle = getPluginRegistry()->loadLibrary(library);
  EXPECT(handle != nullptr && getPluginRegistry()->getPluginCreator("SelfStretch", "3", "") != nullptr);
  int32_t before = 0, after = 0;
  getPluginRegistry()->getAllCreators(&before);
  EXPECT(getPluginRegistry()->loadLibrary(without) == nullptr && logger.errors.size() == 1);
  EXPECT(getPluginRegistry()->loadLibrary(library) == handle);
  getPluginRegistry()->deregisterLibrary(handle);
  EXPECT(getPluginRegistry()->getPluginCreator("SelfStretch", "3", "") != nullptr);
  getPluginRegistry()->deregisterLibrary(handle);
  EXPECT(getPluginRegistry()->getPluginCreator("SelfStretch", "3", "") == nullptr);
  getPluginRegistry()->getAllCreators(&after);
  EXPECT(after == before - 1 && logger.errors.size() == 1);
  logger.errors.clear();
}

}  // namespace

int main(int argc, char** argv) {
  KeepingLogger logger;
  test_by_hand(logger);
  test_v3(logger);
  EXPECT(logger.errors.empty());
  EXPECT(argc == 6);
  if (argc == 6) {
    test_self_registered(logger, argv[4], argv[5]);
    test_parser(logger, argv[1], argv[2], argv[3]);
  }
  for (std::string const& error : logger.errors) {
    std::printf("expected error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
