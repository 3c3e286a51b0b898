// Plugins of TensorRT 10 and 11 with CUDA kernels: both interfaces, timed tactics, captured streams, sizes found while
// running.
#include <cmath>
#include <cstring>

#include "gpu/leaky.h"
#include "gpu/same_shape.h"
#include "named/common.h"

using namespace nvinfer1;

namespace {

int64_t count_of(Dims const& dims) {
  int64_t count = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    count *= dims.d[i];
  }
  return count;
}

class LeakyV2 : public SameShapeV2<LeakyV2> {
 public:
  LeakyV2() : SameShapeV2("LeakyV2") {}
  size_t getWorkspaceSize(PluginTensorDesc const* in, int32_t, PluginTensorDesc const*,
                          int32_t) const noexcept override {
    return static_cast<size_t>(count_of(in[0].dims)) * sizeof(float);
  }
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out,
                  void* workspace, cudaStream_t stream) noexcept override {
    EXPECT(workspace != nullptr);
    return leaky<float>(in[0], out[0], workspace, count_of(desc[0].dims), 0.5F, stream);
  }
};

class LeakyV2Creator : public IPluginCreator {
 public:
  char const* getPluginName() const noexcept override { return "LeakyV2"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const*) noexcept override { return new LeakyV2; }
  IPluginV2* deserializePlugin(char const*, void const*, size_t) noexcept override { return new LeakyV2; }
  void setPluginNamespace(char const*) noexcept override {}
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  PluginFieldCollection none_{0, nullptr};
};
REGISTER_TENSORRT_PLUGIN(LeakyV2Creator);

/// What plugins of the newer interface have in common: one output of the first input's type and shape, if they do not
/// say otherwise.
template <class Build = IPluginV3OneBuild>
class PluginV3 : public IPluginV3, public IPluginV3OneCore, public Build, public IPluginV3OneRuntime {
 public:
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) noexcept override {
    if (type == PluginCapabilityType::kBUILD) {
      return static_cast<Build*>(this);
    }
    return type == PluginCapabilityType::kRUNTIME
               ? static_cast<IPluginCapability*>(static_cast<IPluginV3OneRuntime*>(this))
               : static_cast<IPluginV3OneCore*>(this);
  }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return ""; }
  int32_t configurePlugin(DynamicPluginTensorDesc const*, int32_t, DynamicPluginTensorDesc const*,
                          int32_t) noexcept override {
    return 0;
  }
  int32_t onShapeChange(PluginTensorDesc const*, int32_t, PluginTensorDesc const*, int32_t) noexcept override {
    return 0;
  }
  int32_t getNbOutputs() const noexcept override { return 1; }
  int32_t getOutputDataTypes(DataType* out, int32_t, DataType const* in, int32_t) const noexcept override {
    return out[0] = in[0], 0;
  }
  int32_t getOutputShapes(DimsExprs const* in, int32_t, DimsExprs const*, int32_t, DimsExprs* out, int32_t,
                          IExprBuilder&) noexcept override {
    return out[0] = in[0], 0;
  }
  int32_t setTactic(int32_t) noexcept override { return 0; }
  IPluginV3* attachToContext(IPluginResourceContext*) noexcept override { return clone(); }
  PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &none_; }

 private:
  PluginFieldCollection none_{0, nullptr};
};

template <class Plugin>
class Creator : public IPluginCreatorV3One {
 public:
  explicit Creator(char const* name) : name_(name) {}
  IPluginV3* createPlugin(char const*, PluginFieldCollection const*, TensorRTPhase) noexcept override {
    return new Plugin;
  }
  PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  char const* getPluginName() const noexcept override { return name_; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  char const* getPluginNamespace() const noexcept override { return ""; }

 private:
  char const* name_;
  PluginFieldCollection none_{0, nullptr};
};

/// In half precision, with two tactics: the first wastes time.
class LeakyV3 : public PluginV3<> {
 public:
  IPluginV3* clone() noexcept override { return new LeakyV3(*this); }
  char const* getPluginName() const noexcept override { return "LeakyV3"; }
  bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].desc.format == TensorFormat::kLINEAR && all[pos].desc.type == DataType::kHALF;
  }
  int32_t getNbTactics() noexcept override { return 2; }
  int32_t getValidTactics(int32_t* ids, int32_t) noexcept override { return ids[0] = 5, ids[1] = 9, 0; }
  int32_t setTactic(int32_t tactic) noexcept override { return tactic_ = tactic, 0; }
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    last_tactic() = tactic_;
    int32_t status = 0;
    for (int turn = 0; turn < (tactic_ == 5 ? 200 : 1); ++turn) {
      status |= leaky<__half>(in[0], out[0], nullptr, count_of(desc[0].dims), 0.5F, stream);
    }
    return status;
  }
  static int32_t& last_tactic() {
    static int32_t tactic = 0;
    return tactic;
  }

 private:
  int32_t tactic_ = 0;
};

__global__ void positive_kernel(float const* x, int count, float* kept, int32_t* size) {
  int n = 0;
  for (int i = 0; i < count; ++i) {
    if (x[i] > 0.0F) {
      kept[n++] = x[i];
    }
  }
  *size = n;
}

/// The positive elements of a vector, and how many there are.
class Positive : public PluginV3<> {
 public:
  IPluginV3* clone() noexcept override { return new Positive(*this); }
  char const* getPluginName() const noexcept override { return "Positive"; }
  int32_t getOutputDataTypes(DataType* out, int32_t, DataType const* in, int32_t) const noexcept override {
    return out[0] = in[0], out[1] = DataType::kINT32, 0;
  }
  int32_t getOutputShapes(DimsExprs const* in, int32_t, DimsExprs const*, int32_t, DimsExprs* out, int32_t,
                          IExprBuilder& builder) noexcept override {
    IDimensionExpr const* half = builder.operation(DimensionOperation::kFLOOR_DIV, *in[0].d[0], *builder.constant(2));
    out[0].nbDims = 1;
    out[0].d[0] = builder.declareSizeTensor(1, *half, *in[0].d[0]);
    out[1].nbDims = 0;
    return 0;
  }
  bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].desc.format == TensorFormat::kLINEAR &&
           all[pos].desc.type == (pos == 2 ? DataType::kINT32 : DataType::kFLOAT);
  }
  int32_t getNbOutputs() const noexcept override { return 2; }
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    look(in[0], out[0], out[1], stream);
    positive_kernel<<<1, 1, 0, stream>>>(static_cast<float const*>(in[0]), static_cast<int>(desc[0].dims.d[0]),
                                         static_cast<float*>(out[0]), static_cast<int32_t*>(out[1]));
    return cudaGetLastError() == cudaSuccess ? 0 : 1;
  }
};

__global__ void increment_kernel(float* x, int count) {
  int const i = static_cast<int>(threadIdx.x);
  if (i < count) {
    x[i] += 1.0F;
  }
}

/// Adds 1 to its input, whose memory its output shares.
class Increment : public PluginV3<IPluginV3OneBuildV2> {
 public:
  IPluginV3* clone() noexcept override { return new Increment(*this); }
  char const* getPluginName() const noexcept override { return "Increment"; }
  int32_t getAliasedInput(int32_t) noexcept override { return 0; }
  bool supportsFormatCombination(int32_t pos, DynamicPluginTensorDesc const* all, int32_t, int32_t) noexcept override {
    return all[pos].desc.format == TensorFormat::kLINEAR && all[pos].desc.type == DataType::kFLOAT;
  }
  int32_t enqueue(PluginTensorDesc const* desc, PluginTensorDesc const*, void const* const* in, void* const* out, void*,
                  cudaStream_t stream) noexcept override {
    EXPECT(in[0] == out[0]);
    increment_kernel<<<1, 32, 0, stream>>>(static_cast<float*>(out[0]), static_cast<int>(count_of(desc[0].dims)));
    return cudaGetLastError() == cudaSuccess ? 0 : 1;
  }
};

class DeviceOutput : public IOutputAllocator {
 public:
  ~DeviceOutput() override { cudaFree(memory); }
  void* reallocateOutput(char const*, void*, uint64_t size, uint64_t) noexcept override {
    cudaFree(memory);
    memory = nullptr;
    EXPECT(cudaMalloc(&memory, size ? size : 1) == cudaSuccess);
    return memory;
  }
  void notifyShape(char const*, Dims const& shape) noexcept override { dims = shape; }
  void* memory = nullptr;
  Dims dims{};
};

/// leaky(2 x) + x.
template <class Add>
Owned<ICudaEngine> leaky_engine(Project& project, Add const& add) {
  ITensor* x = project.network->addInput("x", DataType::kFLOAT, dims_of({-1, 3, 50, 70}));
  ITensor* twice = project.network->addElementWise(*x, *x, ElementWiseOperation::kSUM)->getOutput(0);
  ITensor* sum = project.network->addElementWise(*add(twice), *x, ElementWiseOperation::kSUM)->getOutput(0);
  output(*project.network, *sum, "y");
  IOptimizationProfile* profile = project.builder->createOptimizationProfile();
  profile->setDimensions("x", OptProfileSelector::kMIN, dims_of({1, 3, 50, 70}));
  profile->setDimensions("x", OptProfileSelector::kOPT, dims_of({2, 3, 50, 70}));
  profile->setDimensions("x", OptProfileSelector::kMAX, dims_of({4, 3, 50, 70}));
  project.config->addOptimizationProfile(profile);
  return project.engine();
}

void expect_leaky(Session& session, std::vector<float> const& x, double tolerance) {
  std::vector<float> const y = session.get<float>("y");
  EXPECT(y.size() == x.size());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    worst = std::fmax(worst, std::fabs(y[i] - (leaky_value(2.0 * x[i], 0.5) + x[i])));
  }
  EXPECT(worst < tolerance);
}

void run(ICudaEngine& engine, double tolerance) {
  Session session(engine);
  for (int64_t batch : {2, 4, 1}) {
    std::vector<float> const x = noise(static_cast<size_t>(batch) * 10500, static_cast<uint32_t>(batch));
    session.set("x", {batch, 3, 50, 70}, x);
    session.expect("y", x.size() * sizeof(float));
    for (int turn = 0; turn < 4; ++turn) {
      int const before = seen().runs;
      EXPECT(session.run());
      EXPECT(seen().runs > before && seen().stream == session.stream);
      expect_leaky(session, x, tolerance);
    }
  }
}

/// The user records the stream: plugins are part of the recording.
void test_captured(ICudaEngine& engine, double tolerance) {
  Session session(engine);
  std::vector<float> const x = noise(10500, 7);
  session.set("x", {1, 3, 50, 70}, x);
  session.expect("y", x.size() * sizeof(float));
  EXPECT(session.run());
  EXPECT(cudaStreamSynchronize(session.stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t recorded = nullptr;
  EXPECT(cudaStreamBeginCapture(session.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  EXPECT(session.run());
  EXPECT(cudaStreamEndCapture(session.stream, &graph) == cudaSuccess);
  EXPECT(cudaGraphInstantiate(&recorded, graph, 0) == cudaSuccess);
  EXPECT(cudaMemsetAsync(const_cast<void*>(session.context->getTensorAddress("y")), 0, x.size() * sizeof(float),
                         session.stream) == cudaSuccess);
  EXPECT(cudaGraphLaunch(recorded, session.stream) == cudaSuccess);
  expect_leaky(session, x, tolerance);
  cudaGraphExecDestroy(recorded);
  cudaGraphDestroy(graph);
}

size_t test_leaky() {
  Project v2;
  LeakyV2 old;
  auto engine = leaky_engine(v2, [&](ITensor* x) { return v2.network->addPluginV2(&x, 1, old)->getOutput(0); });
  EXPECT(engine != nullptr);
  if (engine) {
    run(*engine, 1e-5);
    test_captured(*engine, 1e-5);
  }
  Project v3;
  v3.config->setFlag(BuilderFlag::kTF32);
  LeakyV3 plugin;
  auto second = leaky_engine(v3, [&](ITensor* x) {
#if NV_TENSORRT_MAJOR >= 11  // types are the network's own
    x = v3.network->addCast(*x, DataType::kHALF)->getOutput(0);
    ITensor* half = v3.network->addPluginV3(&x, 1, nullptr, 0, plugin)->getOutput(0);
    return v3.network->addCast(*half, DataType::kFLOAT)->getOutput(0);
#else
    return v3.network->addPluginV3(&x, 1, nullptr, 0, plugin)->getOutput(0);
#endif
  });
  EXPECT(second != nullptr);
  if (second) {
    run(*second, 5e-3);
    EXPECT(LeakyV3::last_tactic() == 9);
    test_captured(*second, 5e-3);
  }
  for (std::string const& error : v2.logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  for (std::string const& error : v3.logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  return v2.logger.errors.size() + v3.logger.errors.size();
}

/// A state that is updated in place, in memory of its own and in memory that input and output share.
void test_in_place() {
  Project project;
  Increment plugin;
  ITensor* state = project.network->addInput("state", DataType::kFLOAT, dims_of({7}));
  IPluginV3Layer* layer = project.network->addPluginV3(&state, 1, nullptr, 0, plugin);
  output(*project.network, *layer->getOutput(0), "next");
  project.config->setPreviewFeature(PreviewFeature::kALIASED_PLUGIN_IO_10_03, true);
  Owned<ICudaEngine> engine = project.engine();
  EXPECT(engine != nullptr);
  if (engine) {
    Session session(*engine);
    std::vector<float> const values = noise(7, 5);
    session.set("state", values);
    session.expect("next", 7 * sizeof(float));
    EXPECT(session.run() && session.run() && session.get<float>("next")[6] == values[6] + 1.0F);
    void* shared = session.context->getOutputTensorAddress("next");
    EXPECT(session.context->setTensorAddress("state", shared));
    EXPECT(session.run() && session.run() && session.run());
    EXPECT(std::fabs(session.get<float>("next")[6] - (values[6] + 4.0F)) < 1e-5F);
  }
  EXPECT(project.logger.errors.empty());
}

/// x, three times doubled and sent through the plugin: the body of a loop, which runs step by step.
void test_loop() {
  Project project;
  ITensor* x = project.network->addInput("x", DataType::kFLOAT, dims_of({2, 5}));
  int32_t const three = 3;
  ILoop* loop = project.network->addLoop();
  loop->addTripLimit(*project.network->addConstant(dims_of({}), Weights{DataType::kINT32, &three, 1})->getOutput(0),
                     TripLimit::kCOUNT);
  IRecurrenceLayer* state = loop->addRecurrence(*x);
  ITensor* h = state->getOutput(0);
  ITensor* twice = project.network->addElementWise(*h, *h, ElementWiseOperation::kSUM)->getOutput(0);
  LeakyV2 plugin;
  state->setInput(1, *project.network->addPluginV2(&twice, 1, plugin)->getOutput(0));
  output(*project.network, *loop->addLoopOutput(*h, LoopOutput::kLAST_VALUE)->getOutput(0), "y");
  Owned<ICudaEngine> engine = project.engine();
  EXPECT(engine != nullptr);
  if (engine) {
    Session session(*engine);
    std::vector<float> const values = noise(10, 11);
    session.set("x", values);
    session.expect("y", 10 * sizeof(float));
    EXPECT(session.run());
    std::vector<float> const y = session.get<float>("y");
    for (size_t i = 0; i < y.size(); ++i) {
      double wanted = values[i];
      for (int turn = 0; turn < 3; ++turn) {
        wanted = leaky_value(2.0 * wanted, 0.5);
      }
      EXPECT(std::fabs(y[i] - wanted) < 1e-5);
    }
  }
  EXPECT(project.logger.errors.empty());
}

}  // namespace

int main() {
  Creator<LeakyV3> leaky_creator("LeakyV3");
  Creator<Positive> positive_creator("Positive");
  Creator<Increment> increment_creator("Increment");
  getPluginRegistry()->registerCreator(leaky_creator, "");
  getPluginRegistry()->registerCreator(positive_creator, "");
  getPluginRegistry()->registerCreator(increment_creator, "");
  EXPECT(test_leaky() == 0);
  test_in_place();
  test_loop();

  Project project;
  ITensor* x = project.network->addInput("x", DataType::kFLOAT, dims_of({1000}));
  ITensor* twice = project.network->addElementWise(*x, *x, ElementWiseOperation::kSUM)->getOutput(0);
  Positive plugin;
  IPluginV3Layer* layer = project.network->addPluginV3(&twice, 1, nullptr, 0, plugin);
  ITensor* kept =
      project.network->addElementWise(*layer->getOutput(0), *layer->getOutput(0), ElementWiseOperation::kSUM)
          ->getOutput(0);
  output(*project.network, *kept, "kept");
  Owned<ICudaEngine> engine = project.engine();
  EXPECT(engine != nullptr);
  if (engine) {
    Session session(*engine);
    DeviceOutput kept_memory;
    EXPECT(session.context->setOutputAllocator("kept", &kept_memory));
    for (uint32_t seed : {1, 2, 3}) {
      std::vector<float> const values = noise(1000, seed);
      session.set("x", values);
      EXPECT(session.run());
      std::vector<float> wanted;
      for (float v : values) {
        if (v > 0.0F) {
          wanted.push_back(4.0F * v);
        }
      }
      EXPECT(kept_memory.dims.nbDims == 1 && kept_memory.dims.d[0] == static_cast<int64_t>(wanted.size()));
      std::vector<float> found(wanted.size());
      EXPECT(cudaStreamSynchronize(session.stream) == cudaSuccess);
      EXPECT(cudaMemcpy(found.data(), kept_memory.memory, found.size() * sizeof(float), cudaMemcpyDeviceToHost) ==
             cudaSuccess);
      EXPECT(found == wanted);
    }
  }
  EXPECT(seen().host_pointers == 0);
  return project.finish();
}
