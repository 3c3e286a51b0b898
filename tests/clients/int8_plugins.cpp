// Plugins that take 8-bit tensors in kCHW4, with scales that a calibrator found: an IPluginV2IOExt and an
// IPluginV2DynamicExt, saved, loaded and run. Compiled at 7, 8 and 10.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "NvInferRuntime.h"
#include "client.h"
#include "reference.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
constexpr int kBatch = 2, kChannels = 6, kHeight = 3, kWidth = 5, kInner = kHeight * kWidth;
constexpr int kElements = kBatch * kChannels * kInner;

/// What plugins were told, over all of their copies.
struct Seen {
  int rounded_runs = 0, float_runs = 0;
  float in_scale = 0, out_scale = 0;
} seen;

/// Twice the channels in reverse order, on floats or on 8 bits in kCHW4.
void reverse(PluginTensorDesc const& in, PluginTensorDesc const& out, void const* from, void* to, int batch) {
  bool const rounded = in.type == DataType::kINT8;
  ++(rounded ? seen.rounded_runs : seen.float_runs);
  int const groups = (kChannels + 3) / 4;
  for (int n = 0; n < batch; ++n) {
    for (int c = 0; c < kChannels; ++c) {
      for (int s = 0; s < kInner; ++s) {
        int const other = kChannels - 1 - c;
        if (!rounded) {
          static_cast<float*>(to)[(n * kChannels + c) * kInner + s] =
              2 * static_cast<float const*>(from)[(n * kChannels + other) * kInner + s];
          continue;
        }
        int8_t const q = static_cast<int8_t const*>(from)[((n * groups + other / 4) * kInner + s) * 4 + other % 4];
        float const real = 2 * static_cast<float>(q) * in.scale / out.scale;
        static_cast<int8_t*>(to)[((n * groups + c / 4) * kInner + s) * 4 + c % 4] =
            static_cast<int8_t>(std::lround(std::max(-127.0F, std::min(127.0F, real))));
      }
    }
  }
}

/// 8 bits in kCHW4 at both ends, or floats at both unless `only_rounded`.
bool takes(PluginTensorDesc const* all, int pos, bool only_rounded) {
  bool const rounded = all[pos].type == DataType::kINT8 && all[pos].format == TensorFormat::kCHW4;
  bool const plain = all[pos].type == DataType::kFLOAT && all[pos].format == TensorFormat::kLINEAR;
  return (rounded || (plain && !only_rounded)) && all[pos].type == all[0].type;
}

void configure(PluginTensorDesc const& in, PluginTensorDesc const& out) {
  if (in.type == DataType::kINT8) {
    EXPECT(in.format == TensorFormat::kCHW4 && out.format == TensorFormat::kCHW4 && out.type == DataType::kINT8);
    seen.in_scale = in.scale;
    seen.out_scale = out.scale;
  }
}

using Inputs = void const* const*;
using Written = void* const*;

class ReverseFixed : public IPluginV2IOExt {
 public:
  explicit ReverseFixed(bool only_rounded) : only_rounded_(only_rounded) {}
  ReverseFixed(PluginTensorDesc const* in_and_out) { std::memcpy(descs_, in_and_out, sizeof(descs_)); }
  char const* getPluginType() const noexcept override { return "ReverseFixed"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  Dims getOutputDimensions(int32_t, Dims const* inputs, int32_t) noexcept override { return inputs[0]; }
  int32_t initialize() noexcept override { return initialized_ = true, 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int32_t) const noexcept override { return 0; }
  int32_t enqueue(int32_t batch, Inputs inputs, Written outputs, void*, cudaStream_t) noexcept override {
    int const images = descs_[0].dims.nbDims == 4 ? static_cast<int>(descs_[0].dims.d[0]) : batch;
    reverse(descs_[0], descs_[1], inputs[0], outputs[0], images);
    return 0;
  }
  size_t getSerializationSize() const noexcept override { return sizeof(descs_); }
  void serialize(void* buffer) const noexcept override { std::memcpy(buffer, descs_, sizeof(descs_)); }
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  bool isOutputBroadcastAcrossBatch(int32_t, bool const*, int32_t) const noexcept override { return false; }
  bool canBroadcastInputAcrossBatch(int32_t) const noexcept override { return false; }
  IPluginV2Ext* clone() const noexcept override { return new ReverseFixed(*this); }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) const noexcept override {
    return takes(all, pos, only_rounded_);
  }
  void configurePlugin(PluginTensorDesc const* in, int32_t, PluginTensorDesc const* out, int32_t) noexcept override {
    descs_[0] = in[0];
    descs_[1] = out[0];
    configure(in[0], out[0]);
  }

 private:
  PluginTensorDesc descs_[2]{};
  bool only_rounded_ = false, initialized_ = false;
  std::string space_;
};

class ReverseDynamic : public IPluginV2DynamicExt {
 public:
  explicit ReverseDynamic(bool only_rounded) : only_rounded_(only_rounded) {}
  IPluginV2DynamicExt* clone() const noexcept override { return new ReverseDynamic(*this); }
  DimsExprs getOutputDimensions(int32_t, DimsExprs const* inputs, int32_t, IExprBuilder&) noexcept override {
    return inputs[0];
  }
  bool supportsFormatCombination(int32_t pos, PluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return takes(all, pos, only_rounded_);
  }
  void configurePlugin(DynamicPluginTensorDesc const* in, int32_t, DynamicPluginTensorDesc const* out,
                       int32_t) noexcept override {
    configure(in[0].desc, out[0].desc);
  }
  size_t getWorkspaceSize(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) const noexcept override {
    return 0;
  }
  int32_t enqueue(PluginTensorDesc const* in, PluginTensorDesc const* out, Inputs inputs, Written outputs, void*,
                  cudaStream_t) noexcept override {
    EXPECT(in[0].type == DataType::kFLOAT || (in[0].scale > 0 && out[0].scale > 0));
    reverse(in[0], out[0], inputs[0], outputs[0], static_cast<int>(in[0].dims.d[0]));
    return 0;
  }
  DataType getOutputDataType(int32_t, DataType const* types, int32_t) const noexcept override { return types[0]; }
  char const* getPluginType() const noexcept override { return "ReverseDynamic"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return 0; }
  void serialize(void*) const noexcept override {}
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  bool only_rounded_;
  std::string space_;
};

template <class Plugin>
IPluginV2* from_bytes(void const* data);
template <>
IPluginV2* from_bytes<ReverseFixed>(void const* data) {
  PluginTensorDesc descs[2];
  std::memcpy(descs, data, sizeof(descs));
  return new ReverseFixed(descs);
}
template <>
IPluginV2* from_bytes<ReverseDynamic>(void const*) {
  return new ReverseDynamic(false);
}

template <class Plugin>
class Creator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return name_.c_str(); }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return new Plugin(false); }
  IPluginV2* deserializePlugin(char const*, void const* data, size_t) noexcept override {
    return from_bytes<Plugin>(data);
  }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  PluginFieldCollection none_{0, nullptr};
  std::string name_ = Plugin(false).getPluginType(), space_;
};
using FixedCreator = Creator<ReverseFixed>;
using DynamicCreator = Creator<ReverseDynamic>;
REGISTER_TENSORRT_PLUGIN(FixedCreator);
REGISTER_TENSORRT_PLUGIN(DynamicCreator);

/// The largest magnitudes over two batches; keeps its cache.
class Calibrator : public IInt8MinMaxCalibrator {
 public:
  int32_t getBatchSize() const noexcept override { return kBatch; }
  bool getBatch(void* bindings[], char const*[], int32_t) noexcept override {
    batch_ = noise(kElements, 20 + static_cast<uint32_t>(given));
    bindings[0] = batch_.data();
    return given++ < 2;
  }
  void const* readCalibrationCache(size_t& length) noexcept override {
    length = cache.size();
    return cache.empty() ? nullptr : cache.data();
  }
  void writeCalibrationCache(void const* data, size_t length) noexcept override {
    cache.assign(static_cast<char const*>(data), length);
  }
  std::string cache;
  int given = 0;

 private:
  std::vector<float> batch_;
};

/// x → plugin → y in floats at both ends. Null if the build failed.
std::unique_ptr<IHostMemory> build(IPluginV2& plugin, bool implicit, Calibrator& calibrator, bool in_floats) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(
      implicit ? 0U : 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  ITensor* x = network->addInput(
      "x", DataType::kFLOAT,
      implicit ? Dims(Dims3(kChannels, kHeight, kWidth)) : Dims(Dims4(kBatch, kChannels, kHeight, kWidth)));
  IPluginV2Layer* layer = network->addPluginV2(&x, 1, plugin);
  layer->getOutput(0)->setName("y");
  network->markOutput(*layer->getOutput(0));
  if (in_floats) {
    layer->setPrecision(DataType::kFLOAT);
  }
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  config->setInt8Calibrator(&calibrator);
#if NV_TENSORRT_MAJOR == 7
  builder->setMaxBatchSize(kBatch);
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  return std::unique_ptr<IHostMemory>(engine ? engine->serialize() : nullptr);
#else
#if NV_TENSORRT_MAJOR == 8
  builder->setMaxBatchSize(kBatch);
#endif
  return std::unique_ptr<IHostMemory>(builder->buildSerializedNetwork(*network, *config));
#endif
}

void check_runs(IHostMemory const& plan, bool implicit, bool rounded) {
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
#if NV_TENSORRT_MAJOR == 7
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr));
#else
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
#endif
  EXPECT(engine != nullptr);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<float> x = noise(kElements, 7), y(x.size());
  void* bindings[] = {x.data(), y.data()};
  seen = Seen();
#if NV_TENSORRT_MAJOR < 10
  EXPECT(implicit ? context->execute(kBatch, bindings) : context->executeV2(bindings));
#else
  (void)implicit;
  EXPECT(context->executeV2(bindings));
#endif
  EXPECT(seen.rounded_runs == (rounded ? 1 : 0) && seen.float_runs == (rounded ? 0 : 1));
  // Half a step of the input, doubled, and half a step of the output; ranges are 1 and 2 at most.
  double const bound = rounded ? 2.0 / 254 + 2.0 / 254 + 1e-6 : 1e-6;
  double worst = 0;
  for (int n = 0; n < kBatch; ++n) {
    for (int c = 0; c < kChannels; ++c) {
      for (int s = 0; s < kInner; ++s) {
        double const want = 2.0 * x[static_cast<size_t>((n * kChannels + kChannels - 1 - c) * kInner + s)];
        worst = std::max(worst, std::fabs(want - y[static_cast<size_t>((n * kChannels + c) * kInner + s)]));
      }
    }
  }
  EXPECT(worst <= bound && (!rounded || worst > 1e-5));
}

void check(IPluginV2& plugin, IPluginV2& only_rounded, bool implicit) {
  // The largest magnitudes of the calibrator's batches.
  float most = 0;
  for (uint32_t batch = 20; batch < 22; ++batch) {
    for (float v : noise(kElements, batch)) {
      most = std::max(most, std::fabs(v));
    }
  }
  seen = Seen();
  Calibrator fresh;
  std::unique_ptr<IHostMemory> plan = build(plugin, implicit, fresh, false);
  EXPECT(plan != nullptr && fresh.given == 3 && fresh.cache.find("\ny: ") != std::string::npos);
  EXPECT(seen.float_runs == 2);  // it calibrates in floats
  EXPECT(std::fabs(seen.in_scale - most / 127) < 1e-6F && std::fabs(seen.out_scale - 2 * most / 127) < 1e-6F);
  if (plan) {
    check_runs(*plan, implicit, true);
  }
  // Its cache alone is enough, also for a plugin that takes nothing but 8 bits.
  Calibrator cached;
  cached.cache = fresh.cache;
  seen = Seen();
  plan = build(only_rounded, implicit, cached, false);
  EXPECT(plan != nullptr && cached.given == 0 && seen.float_runs == 0);
  EXPECT(std::fabs(seen.in_scale - most / 127) < 1e-6F);
  if (plan) {
    check_runs(*plan, implicit, true);
  }
  // A layer that is asked for floats gets them.
  plan = build(plugin, implicit, cached, true);
  EXPECT(plan != nullptr);
  if (plan) {
    check_runs(*plan, implicit, false);
  }
  EXPECT(logger.errors.empty());
  // Nothing to calibrate with: the plugin takes no floats.
  Calibrator none;
  EXPECT(build(only_rounded, implicit, none, false) == nullptr && logger.errors.size() == 1);
  EXPECT(logger.errors[0].find("Reverse") != std::string::npos);
  logger.errors.clear();
}

}  // namespace

int main() {
  ReverseFixed fixed(false), fixed_only(true);
  ReverseDynamic dynamic(false), dynamic_only(true);
  check(dynamic, dynamic_only, false);
#if NV_TENSORRT_MAJOR < 10
  check(fixed, fixed_only, true);
#endif
  check(fixed, fixed_only, false);
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
