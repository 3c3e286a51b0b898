// Network inputs and outputs in every format of memory that is not a DLA's, saved, loaded and run: what is in memory,
// what the engine says of it, and what no engine can do. Compiled at 8, 10 and 11.
#include <algorithm>
#include <cstring>
#include <memory>
#include <type_traits>

#include "NvInferRuntime.h"
#include "client.h"
#include "reference.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
using Size = std::remove_reference<decltype(Dims{}.d[0])>::type;

struct Layout {
  TensorFormat format;
  char const* name;
  int spatial, vector;
  bool channels_last;
};

Layout const kLinear{TensorFormat::kLINEAR, "kLINEAR", 2, 1, false};
Layout const kLayouts[] = {
    {TensorFormat::kCHW2, "kCHW2", 2, 2, false},    {TensorFormat::kCHW4, "kCHW4", 2, 4, false},
    {TensorFormat::kCHW16, "kCHW16", 2, 16, false}, {TensorFormat::kCHW32, "kCHW32", 2, 32, false},
    {TensorFormat::kHWC, "kHWC", 2, 1, true},       {TensorFormat::kHWC8, "kHWC8", 2, 8, true},
    {TensorFormat::kHWC16, "kHWC16", 2, 16, true},  {TensorFormat::kDHWC, "kDHWC", 3, 1, true},
    {TensorFormat::kDHWC8, "kDHWC8", 3, 8, true},   {TensorFormat::kCDHW32, "kCDHW32", 3, 32, false}};

uint32_t bit(Layout const& layout) { return 1U << static_cast<uint32_t>(layout.format); }

/// A tensor [n, c, inner] of elements of `size` bytes.
struct Form {
  int64_t n, c, inner;
  int64_t groups(Layout const& l) const { return (c + l.vector - 1) / l.vector; }
  size_t elements(Layout const& l) const {
    return static_cast<size_t>(n * inner * (l.format == TensorFormat::kLINEAR ? c : groups(l) * l.vector));
  }
  size_t place(Layout const& l, int64_t i, int64_t j, int64_t s) const {
    if (l.format == TensorFormat::kLINEAR) {
      return static_cast<size_t>((i * c + j) * inner + s);
    }
    if (l.channels_last) {
      return static_cast<size_t>((i * inner + s) * groups(l) * l.vector + j);
    }
    return static_cast<size_t>(((i * groups(l) + j / l.vector) * inner + s) * l.vector + j % l.vector);
  }
  /// Elements in the layout; what fills channels up is garbage.
  template <class T>
  std::vector<T> packed(Layout const& l, std::vector<T> const& row_major) const {
    std::vector<T> out(elements(l), static_cast<T>(77));
    each([&](int64_t i, int64_t j, int64_t s) { out[place(l, i, j, s)] = row_major[place(kLinear, i, j, s)]; });
    return out;
  }
  template <class Visit>
  void each(Visit const& visit) const {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < c; ++j) {
        for (int64_t s = 0; s < inner; ++s) {
          visit(i, j, s);
        }
      }
    }
  }
};

INetworkDefinition* network_of(IBuilder& builder, bool strongly_typed) {
#if NV_TENSORRT_MAJOR >= 10
  return builder.createNetworkV2(
      strongly_typed ? 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED) : 0U);
#else
  (void)strongly_typed;
  return builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
#endif
}

Dims dims_of(std::vector<int> const& sizes) {
  Dims dims{};
  dims.nbDims = static_cast<int32_t>(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    dims.d[i] = sizes[i];
  }
  return dims;
}

bool same(Dims const& dims, std::vector<int> const& sizes) {
  bool equal = dims.nbDims == static_cast<int32_t>(sizes.size());
  for (size_t i = 0; equal && i < sizes.size(); ++i) {
    equal = dims.d[i] == sizes[i];
  }
  return equal;
}

struct Loaded {
  std::unique_ptr<IRuntime> runtime;
  std::unique_ptr<ICudaEngine> engine;
  std::unique_ptr<IExecutionContext> context;
};

/// Serializes, loads and opens; nothing if the build failed.
Loaded load(IBuilder& builder, INetworkDefinition& network, IBuilderConfig& config) {
  Loaded loaded;
  std::unique_ptr<IHostMemory> plan(builder.buildSerializedNetwork(network, config));
  if (plan) {
    loaded.runtime.reset(createInferRuntime(logger));
    loaded.engine.reset(loaded.runtime->deserializeCudaEngine(plan->data(), plan->size()));
    EXPECT(loaded.engine != nullptr);
    loaded.context.reset(loaded.engine->createExecutionContext());
  }
  return loaded;
}

/// What the engine says of a tensor of four or five dims, its channels the second.
void check_description(Loaded const& loaded, char const* name, Layout const& l, int bytes, Dims const& dims) {
  ICudaEngine const& engine = *loaded.engine;
  bool const grouped = l.vector > 1;
  EXPECT(engine.getTensorFormat(name) == l.format);
  EXPECT(std::strstr(engine.getTensorFormatDesc(name), l.name) != nullptr);
  EXPECT(engine.getTensorVectorizedDim(name) == (grouped ? 1 : -1));
  EXPECT(engine.getTensorComponentsPerElement(name) == (grouped ? l.vector : -1));
  EXPECT(engine.getTensorBytesPerComponent(name) == (grouped ? bytes : -1));
  Dims const shape = engine.getTensorShape(name), now = loaded.context->getTensorShape(name);
  EXPECT(shape.nbDims == dims.nbDims && now.nbDims == dims.nbDims);
  for (int i = 0; i < dims.nbDims; ++i) {
    EXPECT((shape.d[i] == -1 || shape.d[i] == dims.d[i]) && now.d[i] == dims.d[i]);
  }
  // Strides count elements, or vectors of them.
  Size const groups = (dims.d[1] + l.vector - 1) / l.vector;
  Dims const strides = loaded.context->getTensorStrides(name);
  Size step = l.channels_last ? groups : 1;
  for (int i = dims.nbDims - 1; i >= 2; --i) {
    EXPECT(strides.d[i] == step);
    step *= dims.d[i];
  }
  EXPECT(strides.d[1] == (l.channels_last ? 1 : step));
  EXPECT(strides.d[0] == (l.channels_last ? step : step * groups));
}

/// A convolution of [2, 5, 6, 7] to six maps, its batch and height open; weights that may be refitted.
struct Convolution {
  std::vector<float> kernel = noise(6 * 5 * 9, 1), bias = noise(6, 2);
  std::unique_ptr<IBuilder> builder{createInferBuilder(logger)};
  std::unique_ptr<INetworkDefinition> network{network_of(*builder, false)};
  std::unique_ptr<IBuilderConfig> config{builder->createBuilderConfig()};
  ITensor *x = nullptr, *y = nullptr;

  Convolution() {
    x = network->addInput("x", DataType::kFLOAT, dims_of({-1, 5, -1, 7}));
    IConvolutionLayer* conv = network->addConvolutionNd(
        *x, 6, Dims2(3, 3), Weights{DataType::kFLOAT, kernel.data(), 270}, Weights{DataType::kFLOAT, bias.data(), 6});
    conv->setPaddingNd(Dims2(1, 1));
    conv->setName("conv");
    y = network->addActivation(*conv->getOutput(0), ActivationType::kRELU)->getOutput(0);
    y->setName("y");
    network->markOutput(*y);
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    profile->setDimensions("x", OptProfileSelector::kMIN, dims_of({1, 5, 2, 7}));
    profile->setDimensions("x", OptProfileSelector::kOPT, dims_of({2, 5, 6, 7}));
    profile->setDimensions("x", OptProfileSelector::kMAX, dims_of({4, 5, 9, 7}));
    config->addOptimizationProfile(profile);
  }
  Loaded loaded() { return load(*builder, *network, *config); }
};

class Outputs : public IOutputAllocator {
 public:
  explicit Outputs(std::vector<float>& memory) : memory_(memory) {}
  void* reallocateOutput(char const*, void*, uint64_t size, uint64_t) noexcept override {
    EXPECT(size == memory_.size() * sizeof(float));
    return memory_.data();
  }
  void notifyShape(char const*, Dims const& dims) noexcept override { seen = dims; }
  Dims seen{};

 private:
  std::vector<float>& memory_;
};

void run_convolution(Convolution const& c, Loaded& loaded, Layout const& in, Layout const& out, bool allocator) {
  Form const from{2, 5, 42}, to{2, 6, 42};
  std::vector<float> const row_major = noise(420, 3);
  std::vector<float> x = from.packed(in, row_major), y(to.elements(out), -9.0F);
  IExecutionContext& context = *loaded.context;
  EXPECT(context.setInputShape("x", dims_of({2, 5, 6, 7})));
  EXPECT(context.setTensorAddress("x", x.data()));
  Outputs outputs(y);
  if (allocator) {
    EXPECT(context.setOutputAllocator("y", &outputs));
  } else {
    EXPECT(context.setTensorAddress("y", y.data()));
  }
  EXPECT(context.getMaxOutputSize("y") >= static_cast<int64_t>(y.size() * sizeof(float)));
  EXPECT(context.enqueueV3(nullptr));
  EXPECT(!allocator || same(outputs.seen, {2, 6, 6, 7}));
  Maps const expected = conv(maps_of(row_major, 2, 5, 6, 7), c.kernel, c.bias, 6, 3, 1, 1);
  double worst = 0;
  to.each([&](int64_t i, int64_t j, int64_t s) {
    double const want = std::max(0.0, expected.v[to.place(kLinear, i, j, s)]);
    worst = std::max(worst, std::abs(want - y[to.place(out, i, j, s)]));
  });
  EXPECT(worst < 1e-5);
  check_description(loaded, "x", in, 4, dims_of({2, 5, 6, 7}));
  check_description(loaded, "y", out, 4, dims_of({2, 6, 6, 7}));
}

void check_convolution(Layout const& in, Layout const& out, bool allocator) {
  Convolution c;
  c.x->setAllowedFormats(bit(in));
  c.y->setAllowedFormats(bit(out));
  EXPECT(c.x->getAllowedFormats() == bit(in));
  Loaded loaded = c.loaded();
  EXPECT(loaded.engine != nullptr);
  if (!loaded.engine) {
    return;
  }
  run_convolution(c, loaded, in, out, allocator);
  EXPECT(same(loaded.engine->getProfileShape("x", 0, OptProfileSelector::kMIN), {1, 5, 2, 7}));
  EXPECT(same(loaded.engine->getProfileShape("x", 0, OptProfileSelector::kMAX), {4, 5, 9, 7}));
  size_t const before = logger.errors.size();
  EXPECT(before == 0);
  EXPECT(!loaded.context->setInputShape("x", dims_of({2, 4, 6, 7})));   // channels
  EXPECT(!loaded.context->setInputShape("x", dims_of({2, 5, 10, 7})));  // beyond the profile
  EXPECT(!loaded.context->setInputShape("x", dims_of({5, 6, 7})));
  EXPECT(logger.errors.size() == before + 3);
  EXPECT(in.format == TensorFormat::kLINEAR || logger.errors.back().find("[1, 5, 2, 7]") != std::string::npos);
  logger.errors.clear();
}

/// Elements of any type through a layer that reverses the channels, from one format into another.
template <class T>
void check_reversal(Layout const& in, Layout const& out, DataType type) {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(network_of(*builder, true));
  std::vector<int> sizes(static_cast<size_t>(in.spatial) + 2, 3);
  sizes[1] = 5;
  Dims const dims = dims_of(sizes);
  Dims start = dims, stride = dims;
  int64_t inner = 1;
  for (int i = 0; i < dims.nbDims; ++i) {
    start.d[i] = i == 1 ? 4 : 0;
    stride.d[i] = i == 1 ? -1 : 1;
    inner *= i < 2 ? 1 : dims.d[i];
  }
  ITensor* x = network->addInput("x", type, dims);
  ITensor* y = network->addSlice(*x, start, dims, stride)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  x->setAllowedFormats(bit(in));
  y->setAllowedFormats(bit(out));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
#if NV_TENSORRT_MAJOR < 10
  if (type == DataType::kHALF) {
    config->setFlag(BuilderFlag::kFP16);
    y->setType(type);
  }
#endif
  Loaded loaded = load(*builder, *network, *config);
  EXPECT(loaded.engine != nullptr);
  if (!loaded.engine) {
    return;
  }
  Form const form{3, 5, inner};
  std::vector<T> row_major(form.elements(kLinear));
  for (size_t i = 0; i < row_major.size(); ++i) {
    row_major[i] = static_cast<T>(i * 37 % 31000);  // as a half too it is a number
  }
  std::vector<T> from = form.packed(in, row_major), to(form.elements(out), static_cast<T>(99));
  EXPECT(loaded.context->setTensorAddress("x", from.data()) && loaded.context->setTensorAddress("y", to.data()));
  EXPECT(loaded.context->enqueueV3(nullptr));
  bool equal = true;
  form.each([&](int64_t i, int64_t j, int64_t s) {
    equal = equal && to[form.place(out, i, j, s)] == row_major[form.place(kLinear, i, 4 - j, s)];
  });
  EXPECT(equal);
  check_description(loaded, "x", in, sizeof(T), dims);
  check_description(loaded, "y", out, sizeof(T), dims);
}

/// The formats of a convolution's input and output, and whether that builds; the last error names the tensor and
/// `word`.
bool builds(uint32_t x, uint32_t y, bool direct, char const* word) {
  logger.errors.clear();
  Convolution c;
  c.x->setAllowedFormats(x);
  c.y->setAllowedFormats(y);
  if (direct) {
    c.config->setFlag(BuilderFlag::kDIRECT_IO);
  }
  bool const built = c.loaded().engine != nullptr;
  EXPECT(built == logger.errors.empty());
  EXPECT(built ||
         (logger.errors.back().find(word) != std::string::npos && logger.errors.back().find("'") != std::string::npos));
  logger.errors.clear();
  return built;
}

void check_choices() {
  uint32_t const linear = bit(kLinear), hwc = 1U << 8, chw4 = 1U << 3, dhwc = 1U << 12, dla = 1U << 9 | 1U << 10;
  Convolution c;
  c.x->setAllowedFormats(linear | hwc);
  c.y->setAllowedFormats(dhwc | chw4);  // a tensor of four dims cannot be kDHWC with a batch and channels before three
  Loaded loaded = c.loaded();
  EXPECT(loaded.engine->getTensorFormat("x") == TensorFormat::kLINEAR);
  EXPECT(loaded.engine->getTensorFormat("y") == TensorFormat::kCHW4);
  std::unique_ptr<IEngineInspector> inspector(loaded.engine->createEngineInspector());
  EXPECT(inspector->getEngineInformation(LayerInformationFormat::kJSON) != nullptr);
  EXPECT(!builds(dla, linear, false, "kDLA_LINEAR"));
  EXPECT(!builds(linear, 1U << 31, false, "format 31"));
  EXPECT(builds(linear, linear, true, ""));
  EXPECT(!builds(chw4, linear, true, "kDIRECT_IO"));
  EXPECT(!builds(linear, chw4, true, "kDIRECT_IO"));
  EXPECT(builds(hwc, hwc, true, "kDIRECT_IO"));
  c.x->setAllowedFormats(0);
  EXPECT(logger.errors.size() == 1 && c.x->getAllowedFormats() == (linear | hwc));
  logger.errors.clear();
}

/// Groups of channels need to know how many channels there are.
void check_open_channels() {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  for (Layout const& layout : {kLayouts[1], kLayouts[4]}) {
    std::unique_ptr<INetworkDefinition> network(network_of(*builder, false));
    ITensor* x = network->addInput("x", DataType::kFLOAT, dims_of({2, -1, 3, 4}));
    ITensor* y = network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
    y->setName("y");
    network->markOutput(*y);
    x->setAllowedFormats(bit(layout));
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    profile->setDimensions("x", OptProfileSelector::kMIN, dims_of({2, 1, 3, 4}));
    profile->setDimensions("x", OptProfileSelector::kOPT, dims_of({2, 3, 3, 4}));
    profile->setDimensions("x", OptProfileSelector::kMAX, dims_of({2, 6, 3, 4}));
    config->addOptimizationProfile(profile);
    Loaded loaded = load(*builder, *network, *config);
    if (layout.vector > 1) {
      EXPECT(!loaded.engine && logger.errors.size() == 1 && logger.errors[0].find("kCHW4") != std::string::npos);
      logger.errors.clear();
      continue;
    }
    Form const form{2, 6, 12};
    std::vector<float> const row_major = noise(form.elements(kLinear), 5);
    std::vector<float> from = form.packed(layout, row_major), to(row_major.size());
    EXPECT(loaded.context->setInputShape("x", dims_of({2, 6, 3, 4})));
    EXPECT(loaded.context->setTensorAddress("x", from.data()) && loaded.context->setTensorAddress("y", to.data()));
    EXPECT(loaded.context->enqueueV3(nullptr));
    for (size_t i = 0; i < to.size(); ++i) {
      EXPECT(to[i] == std::max(0.0F, row_major[i]));
    }
  }
}

void check_refit() {
  Convolution c;
  c.x->setAllowedFormats(bit(kLayouts[1]));
  c.y->setAllowedFormats(bit(kLayouts[5]));
  c.config->setFlag(BuilderFlag::kREFIT);
  Loaded loaded = c.loaded();
  std::unique_ptr<IRefitter> refitter(createInferRefitter(*loaded.engine, logger));
  c.kernel = noise(c.kernel.size(), 9);
  EXPECT(refitter->setWeights("conv", WeightsRole::kKERNEL, Weights{DataType::kFLOAT, c.kernel.data(), 270}));
  EXPECT(refitter->refitCudaEngine());
  run_convolution(c, loaded, kLayouts[1], kLayouts[5], false);
}

#if NV_TENSORRT_MAJOR < 10
/// Bindings by index, without the batch in their dims.
void check_implicit_batch() {
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims3(5, 2, 3));
  ITensor* y = network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
  y->setName("y");
  network->markOutput(*y);
  Layout const& layout = kLayouts[3];
  x->setAllowedFormats(bit(layout));
  y->setAllowedFormats(bit(layout));
  builder->setMaxBatchSize(4);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  Loaded loaded = load(*builder, *network, *config);
  EXPECT(loaded.engine != nullptr);
  for (int i = 0; i < 2; ++i) {
    EXPECT(same(loaded.engine->getBindingDimensions(i), {5, 2, 3}));
    EXPECT(loaded.engine->getBindingFormat(i) == layout.format);
    EXPECT(std::strstr(loaded.engine->getBindingFormatDesc(i), "kCHW32") != nullptr);
    EXPECT(loaded.engine->getBindingVectorizedDim(i) == 0);
    EXPECT(loaded.engine->getBindingComponentsPerElement(i) == 32);
    EXPECT(loaded.engine->getBindingBytesPerComponent(i) == 4);
  }
  Form const form{3, 5, 6};
  std::vector<float> const row_major = noise(form.elements(kLinear), 6);
  std::vector<float> from = form.packed(layout, row_major), to(form.elements(layout));
  void* bindings[] = {from.data(), to.data()};
  EXPECT(loaded.context->execute(3, bindings));
  form.each([&](int64_t i, int64_t j, int64_t s) {
    EXPECT(to[form.place(layout, i, j, s)] == std::max(0.0F, row_major[form.place(kLinear, i, j, s)]));
  });
}
#endif

}  // namespace

int main() {
  for (Layout const& layout : kLayouts) {
    check_reversal<uint16_t>(layout, layout, DataType::kHALF);
    check_reversal<float>(layout, Layout{TensorFormat::kLINEAR, "kLINEAR", layout.spatial, 1, false}, DataType::kFLOAT);
#if NV_TENSORRT_MAJOR >= 10
    check_reversal<int8_t>(layout, layout, DataType::kINT8);
    check_reversal<int32_t>(layout, layout, DataType::kINT32);
#endif
    if (layout.spatial == 2) {
      check_convolution(layout, layout, false);
      check_convolution(kLinear, layout, true);
      check_convolution(layout, kLayouts[5], false);
    }
  }
  check_choices();
  check_open_channels();
  check_refit();
#if NV_TENSORRT_MAJOR < 10
  check_implicit_batch();
#endif
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
