// A TensorRT 10 program with a plugin of the newest interface between two profiles, whose result has a size that only
// the data tells: fields that are stored in the plan, contexts of two threads at different profiles, an output
// allocator and a debug listener in each.
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "NvInferRuntime.h"
#include "named/common.h"

using namespace nvinfer1;

namespace {

std::mutex mutex;
std::map<std::string, int> calls;

void count(char const* what) {
  std::lock_guard<std::mutex> lock(mutex);
  ++calls[what];
}

/// y = x where x > threshold, else 0. The threshold is a field.
class Threshold : public IPluginV3, public IPluginV3OneCore, public IPluginV3OneBuild, public IPluginV3OneRuntime {
 public:
  explicit Threshold(float threshold) : threshold_(threshold) {}
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    switch (type) {
      case PluginCapabilityType::kBUILD:
        return static_cast<IPluginV3OneBuild*>(this);
      case PluginCapabilityType::kRUNTIME:
        return static_cast<IPluginV3OneRuntime*>(this);
      default:
        return static_cast<IPluginV3OneCore*>(this);
    }
  }
  IPluginV3* clone() noexcept override { return new Threshold(threshold_); }
  char const* getPluginName() const noexcept override { return "Threshold"; }
  char const* getPluginVersion() const noexcept override { return "2"; }
  char const* getPluginNamespace() const noexcept override { return "tracking"; }
  int32_t configurePlugin(DynamicPluginTensorDesc const* in, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    EXPECT(in[0].min.d[0] <= in[0].max.d[0]);
    count("configured");
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
    return all[pos].desc.type == DataType::kFLOAT && all[pos].desc.format == TensorFormat::kLINEAR;
  }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t setTactic(int32_t) noexcept override { return 0; }
  int32_t onShapeChange(PluginTensorDesc const* in, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    rows_ = in[0].dims.d[0];
    return 0;
  }
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t) noexcept override {
    EXPECT(rows_ == desc[0].dims.d[0]);
    auto const* x = static_cast<float const*>(in[0]);
    auto* y = static_cast<float*>(out[0]);
    for (int64_t i = 0; i < desc[0].dims.d[0] * desc[0].dims.d[1]; ++i) {
      y[i] = x[i] > threshold_ ? x[i] : 0.0F;
    }
    count("run");
    return 0;
  }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override {
    field_ = PluginField{"threshold", &threshold_, PluginFieldType::kFLOAT32, 1};
    fields_ = PluginFieldCollection{1, &field_};
    return &fields_;
  }

 private:
  float threshold_;
  int64_t rows_ = -1;
  PluginField field_{};
  PluginFieldCollection fields_{};
};

class ThresholdCreator : public IPluginCreatorV3One {
 public:
  IPluginV3* createPlugin(char const*, PluginFieldCollection const* given, TensorRTPhase phase) noexcept override {
    count(phase == TensorRTPhase::kRUNTIME ? "loaded" : "made");
    for (int32_t i = 0; i < given->nbFields; ++i) {
      if (std::strcmp(given->fields[i].name, "threshold") == 0) {
        return new Threshold(*static_cast<float const*>(given->fields[i].data));
      }
    }
    return nullptr;
  }
  PluginFieldCollection const* getFieldNames() noexcept override { return &names_; }
  char const* getPluginName() const noexcept override { return "Threshold"; }
  char const* getPluginVersion() const noexcept override { return "2"; }
  char const* getPluginNamespace() const noexcept override { return "tracking"; }

 private:
  PluginField field_{"threshold", nullptr, PluginFieldType::kFLOAT32, 1};
  PluginFieldCollection names_{1, &field_};
};

class Places : public IOutputAllocator {
 public:
  ~Places() override { cudaFree(memory); }
  void* reallocateOutput(char const*, void* current, uint64_t size, uint64_t) noexcept override {
    if (current && size <= bytes) {
      return current;
    }
    cudaFree(memory);
    memory = nullptr;
    EXPECT(cudaMalloc(&memory, bytes = size ? size : 1) == cudaSuccess);
    return memory;
  }
  void notifyShape(char const*, Dims const& dims) noexcept override { shape = dims; }
  void* memory = nullptr;
  uint64_t bytes = 0;
  Dims shape{};
};

class Listener : public IDebugListener {
 public:
  bool processDebugTensor(void const* data, TensorLocation, DataType type, Dims const& dims, char const* name,
                          cudaStream_t stream) override {
    EXPECT(type == DataType::kFLOAT && std::strcmp(name, "kept") == 0 && dims.nbDims == 2);
    seen.assign(static_cast<size_t>(dims.d[0] * dims.d[1]), -1.0F);
    return cudaMemcpyAsync(seen.data(), data, seen.size() * sizeof(float), cudaMemcpyDefault, stream) == cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess;
  }
  std::vector<float> seen;
};

/// Runs of one context at one profile; 0 if all were right.
int work(ICudaEngine& engine, int profile, std::vector<int64_t> const& rows) {
  int wrong = 0;
  Session s(engine);
  wrong += !s.context->setOptimizationProfileAsync(profile, s.stream);
  Places places;
  Listener listener;
  wrong += !s.context->setOutputAllocator("places", &places);
  wrong += !s.context->setDebugListener(&listener) || !s.context->setTensorDebugState("kept", true);
  for (uint32_t round = 0; round < 12; ++round) {
    int64_t const n = rows[round % rows.size()];
    std::vector<float> const x = noise(static_cast<size_t>(n * 5), round * 2 + static_cast<uint32_t>(profile));
    s.set("x", {n, 5}, x);
    if (!s.run() || cudaStreamSynchronize(s.stream) != cudaSuccess) {
      return wrong + 100;
    }
    std::vector<int64_t> row, column;
    std::vector<float> kept(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      if (x[i] > 0.25F) {
        kept[i] = x[i];
        row.push_back(static_cast<int64_t>(i / 5));
        column.push_back(static_cast<int64_t>(i % 5));
      }
    }
    wrong += listener.seen != kept;
    wrong +=
        places.shape.nbDims != 2 || places.shape.d[0] != 2 || places.shape.d[1] != static_cast<int64_t>(row.size());
    row.insert(row.end(), column.begin(), column.end());
    bool const wide = engine.getTensorDataType("places") == DataType::kINT64;
    for (size_t i = 0; i < row.size(); ++i) {
      wrong += (wide ? static_cast<int64_t*>(places.memory)[i] : static_cast<int32_t*>(places.memory)[i]) != row[i];
    }
  }
  bool const refused = !s.context->setInputShape("x", dims_of({profile == 0 ? 9 : 2, 5}));  // the other profile's
  return wrong + !refused;
}

}  // namespace

int main() {
  static ThresholdCreator creator;
  EXPECT(getPluginRegistry()->registerCreator(creator, "tracking"));
  Project p;
  IPluginCreatorInterface* found = getPluginRegistry()->getCreator("Threshold", "2", "tracking");
  EXPECT(found == &creator);
  float const threshold = 0.25F;
  PluginField const field{"threshold", &threshold, PluginFieldType::kFLOAT32, 1};
  PluginFieldCollection const fields{1, &field};
  Owned<IPluginV3> plugin(static_cast<IPluginCreatorV3One*>(found)->createPlugin("t", &fields, TensorRTPhase::kBUILD));
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, dims_of({-1, 5}));
  ITensor* kept = p.network->addPluginV3(&x, 1, nullptr, 0, *plugin)->getOutput(0);
  kept->setName("kept");
  EXPECT(p.network->markDebug(*kept));
  std::vector<float> const zero(1, 0.0F);
  ITensor& none = constant(*p.network, {1, 1}, zero);
  ITensor* over = p.network->addElementWise(*kept, none, ElementWiseOperation::kGREATER)->getOutput(0);
  output(*p.network, *p.network->addNonZero(*over)->getOutput(0), "places");
  int64_t const ranges[2][3] = {{1, 2, 4}, {8, 12, 16}};
  for (int64_t const* range : ranges) {
    IOptimizationProfile* profile = p.builder->createOptimizationProfile();
    EXPECT(profile->setDimensions("x", OptProfileSelector::kMIN, dims_of({range[0], 5})));
    EXPECT(profile->setDimensions("x", OptProfileSelector::kOPT, dims_of({range[1], 5})));
    EXPECT(profile->setDimensions("x", OptProfileSelector::kMAX, dims_of({range[2], 5})));
    EXPECT(p.config->addOptimizationProfile(profile) >= 0);
  }
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && engine->getNbOptimizationProfiles() == 2 && engine->isDebugTensor("kept"));
  EXPECT(calls["loaded"] >= 1 && calls["configured"] >= 1);
  if (engine) {
    int wrong[4] = {};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&engine, &wrong, t] {
        wrong[t] = work(*engine, t % 2, t % 2 == 0 ? std::vector<int64_t>{1, 4, 3} : std::vector<int64_t>{8, 16});
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (int w : wrong) {
      EXPECT(w == 0);
    }
    EXPECT(calls["run"] >= 48);
  }
  engine.reset();
  EXPECT(getPluginRegistry()->deregisterCreator(creator));
  return p.finish(4);  // the shapes that were refused
}
