// A TensorRT 10 program with an IPluginV3 that has several tactics and updates its first input in place: the builder
// times the tactics, the plan keeps the choice.
#include <chrono>
#include <memory>
#include <set>
#include <thread>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

enum Tactic : int32_t { kSlow = 11, kFast = 12, kBroken = 13 };

struct Seen {
  std::set<int32_t> tried;
  int32_t last = 0;
};
Seen& seen() {
  static Seen all;
  return all;
}

/// state += step; the output is the state.
class Accumulate : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuildV2, public IPluginV3OneRuntime {
 public:
  explicit Accumulate(bool only_broken) : only_broken_(only_broken) {}
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    if (type == PluginCapabilityType::kBUILD) {
      return static_cast<IPluginV3OneBuild*>(this);
    }
    return type == PluginCapabilityType::kRUNTIME
               ? static_cast<IPluginCapability*>(static_cast<IPluginV3OneRuntime*>(this))
               : static_cast<IPluginV3OneCore*>(this);
  }
  IPluginV3* clone() noexcept override { return new Accumulate(*this); }
  char const* getPluginName() const noexcept override { return "Accumulate"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return ""; }
  int32_t configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    return 0;
  }
  int32_t getOutputDataTypes(DataType* out, int32_t, DataType const* in, int32_t) const noexcept override {
    return out[0] = in[0], 0;
  }
  int32_t getOutputShapes(DimsExprs const* in, int32_t, DimsExprs const*, int32_t, DimsExprs* out, int32_t,
                          IExprBuilder&) noexcept override {
    return out[0] = in[0], 0;
  }
  bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].desc.format == TensorFormat::kLINEAR && all[pos].desc.type == DataType::kFLOAT;
  }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getAliasedInput(int32_t) noexcept override { return 0; }
  int32_t getNbTactics() noexcept override { return only_broken_ ? 1 : 3; }
  int32_t getValidTactics(int32_t* ids, int32_t) noexcept override {
    ids[0] = kBroken;
    if (!only_broken_) {
      ids[1] = kSlow;
      ids[2] = kFast;
    }
    return 0;
  }
  int32_t setTactic(int32_t tactic) noexcept override { return tactic_ = tactic, 0; }
  int32_t onShapeChange(PluginTensorDesc const* in, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    return length_ = static_cast<int>(in[0].dims.d[0]), 0;
  }
  int32_t enqueue(PluginTensorDesc const*, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t) noexcept override {
    seen().tried.insert(tactic_);
    seen().last = tactic_;
    if (tactic_ == kBroken || in[0] != out[0]) {
      return 1;
    }
    if (tactic_ == kSlow) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    for (int i = 0; i < length_; ++i) {
      static_cast<float*>(out[0])[i] += static_cast<float const*>(in[1])[i];
    }
    return 0;
  }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &none_; }

 private:
  bool only_broken_;
  int32_t tactic_ = 0;
  int length_ = 0;
  PluginFieldCollection none_{0, nullptr};
};

class AccumulateCreator : public IPluginCreatorV3One {
 public:
  IPluginV3* createPlugin(char const*, PluginFieldCollection const*, TensorRTPhase) noexcept override {
    return new Accumulate(false);
  }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  char const* getPluginName() const noexcept override { return "Accumulate"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  PluginFieldCollection none_{0, nullptr};
};
REGISTER_TENSORRT_PLUGIN(AccumulateCreator);

std::unique_ptr<IHostMemory> build(KeepingLogger& logger, bool only_broken) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0U));
  Dims length{};
  length.nbDims = 1;
  length.d[0] = 4;
  ITensor* inputs[] = {network->addInput("state", DataType::kFLOAT, length),
                       network->addInput("step", DataType::kFLOAT, length)};
  Accumulate plugin(only_broken);
  IPluginV3Layer* layer = network->addPluginV3(inputs, 2, nullptr, 0, plugin);
  layer->getOutput(0)->setName("next");
  network->markOutput(*layer->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->setPreviewFeature(PreviewFeature::kALIASED_PLUGIN_IO_10_03, true);
  return std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::unique_ptr<IHostMemory> plan = build(logger, false);
  EXPECT(plan != nullptr && logger.errors.empty());
  EXPECT(seen().tried == (std::set<int32_t>{kSlow, kFast, kBroken}));
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<float> state{1.0F, 2.0F, 3.0F, 4.0F}, step{0.5F, -0.5F, 0.25F, 0.0F};
  EXPECT(context->setTensorAddress("state", state.data()) && context->setTensorAddress("step", step.data()));
  EXPECT(context->setTensorAddress("next", state.data()));  // one buffer for both, updated in place
  for (int run = 0; run < 3; ++run) {
    EXPECT(context->enqueueV3(nullptr) && seen().last == kFast);
  }
  EXPECT((state == std::vector<float>{2.5F, 0.5F, 3.75F, 4.0F}));
  std::vector<float> next(4);
  EXPECT(context->setTensorAddress("next", next.data()) && context->enqueueV3(nullptr));
  EXPECT((next == std::vector<float>{3.0F, 0.0F, 4.0F, 4.0F}));
#if NV_TENSORRT_MAJOR >= 11
  EXPECT(std::string(engine->getAliasedInputTensor("next")) == "state");
#endif
  EXPECT(logger.errors.empty());
  EXPECT(build(logger, true) == nullptr && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("Accumulate") != std::string::npos);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
