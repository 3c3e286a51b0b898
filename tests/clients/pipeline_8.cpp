// A TensorRT 8 program like a video pipeline's custom parser: a model configuration in text and a stream of weights
// become layers block by block, the head is a plugin with dynamic batch, the pipeline hands over its own allocator,
// and the engine goes through a file whose absence makes it built.
#include <NvInfer.h>
#include <NvInferPlugin.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#define CHECK(call)                                                              \
  do {                                                                           \
    cudaError_t status_ = (call);                                                \
    if (status_ != cudaSuccess) {                                                \
      std::cerr << __LINE__ << ": " << cudaGetErrorString(status_) << std::endl; \
      std::abort();                                                              \
    }                                                                            \
  } while (0)

namespace {

int g_failures = 0;
#define VERIFY(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      std::cerr << __LINE__ << ": " #condition " does not hold" << std::endl; \
      ++g_failures;                                                           \
    }                                                                         \
  } while (0)

const char* kConfig = R"(
[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=16
size=3
stride=2
pad=1
activation=mish

[route]
layers=-1
groups=2
group_id=1

[convolutional]
batch_normalize=1
filters=8
size=1
stride=1
pad=1
activation=swish

[shortcut]
from=-2
activation=linear

[route]
layers = -1, 1

[maxpool]
size=2
stride=2

[maxpool]
size=5
stride=1

[upsample]
stride=2

[route]
layers=-1,-4

[convolutional]
size=1
stride=1
pad=1
filters=21
activation=linear

[yolo]
mask = 0,1,2
anchors = 4,5, 8,10, 13,16
classes=2
num=3
)";

using Block = std::map<std::string, std::string>;

std::string trim(std::string s) {
  s.erase(0, s.find_first_not_of(" \t\r"));
  s.erase(s.find_last_not_of(" \t\r") + 1);
  return s;
}

std::vector<Block> parseConfig(const std::string& text) {
  std::vector<Block> blocks;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    line = trim(line);
    if (line.empty() || line[0] == '#') continue;
    if (line.front() == '[') {
      blocks.emplace_back();
      blocks.back()["type"] = line.substr(1, line.size() - 2);
    } else {
      auto equals = line.find('=');
      blocks.back()[trim(line.substr(0, equals))] = trim(line.substr(equals + 1));
    }
  }
  return blocks;
}

std::vector<int> integers(const std::string& list) {
  std::vector<int> values;
  std::istringstream in(list);
  std::string item;
  while (std::getline(in, item, ',')) values.push_back(std::stoi(item));
  return values;
}

// ---------------------------------------------------------------------------------------------------------------------

class YoloLayer : public nvinfer1::IPluginV2DynamicExt {
 public:
  YoloLayer(int netWidth, int netHeight, int classes, std::vector<float> anchors)
      : m_NetWidth(netWidth), m_NetHeight(netHeight), m_Classes(classes), m_Anchors(std::move(anchors)) {}
  YoloLayer(const void* data, size_t length) {
    const char* d = static_cast<const char*>(data);
    read(d, m_NetWidth), read(d, m_NetHeight), read(d, m_Classes);
    int count = 0;
    read(d, count);
    m_Anchors.resize(count);
    for (float& a : m_Anchors) read(d, a);
    assert(d == static_cast<const char*>(data) + length);
    (void)length;
  }

  nvinfer1::IPluginV2DynamicExt* clone() const noexcept override {
    auto* plugin = new YoloLayer(m_NetWidth, m_NetHeight, m_Classes, m_Anchors);
    plugin->setPluginNamespace(m_Namespace.c_str());
    return plugin;
  }
  nvinfer1::DimsExprs getOutputDimensions(int index, const nvinfer1::DimsExprs* inputs, int nbInputs,
                                          nvinfer1::IExprBuilder& exprBuilder) noexcept override {
    assert(index < 3 && nbInputs == 1);
    (void)nbInputs;
    nvinfer1::DimsExprs dims;
    const auto* cells = exprBuilder.operation(nvinfer1::DimensionOperation::kPROD, *inputs[0].d[2], *inputs[0].d[3]);
    const auto* boxes = exprBuilder.operation(nvinfer1::DimensionOperation::kPROD, *cells,
                                              *exprBuilder.constant(static_cast<int>(m_Anchors.size() / 2)));
    dims.d[0] = inputs[0].d[0];
    dims.d[1] = boxes;
    dims.nbDims = index == 0 ? 3 : 2;
    if (index == 0) dims.d[2] = exprBuilder.constant(4);
    return dims;
  }
  bool supportsFormatCombination(int pos, const nvinfer1::PluginTensorDesc* inOut, int, int) noexcept override {
    return inOut[pos].format == nvinfer1::TensorFormat::kLINEAR && inOut[pos].type == nvinfer1::DataType::kFLOAT;
  }
  void configurePlugin(const nvinfer1::DynamicPluginTensorDesc* in, int nbInput,
                       const nvinfer1::DynamicPluginTensorDesc* out, int nbOutput) noexcept override {
    VERIFY(nbInput == 1 && nbOutput == 3 && out != nullptr);
    VERIFY(in->min.d[0] <= in->max.d[0] && in->desc.dims.nbDims == 4);
  }
  size_t getWorkspaceSize(const nvinfer1::PluginTensorDesc*, int, const nvinfer1::PluginTensorDesc*,
                          int) const noexcept override {
    return 1024;
  }
  int enqueue(const nvinfer1::PluginTensorDesc* inputDesc, const nvinfer1::PluginTensorDesc*, const void* const* inputs,
              void* const* outputs, void* workspace, cudaStream_t stream) noexcept override {
    VERIFY(workspace != nullptr);
    const nvinfer1::Dims& d = inputDesc[0].dims;
    const int cells = d.d[2] * d.d[3], anchors = static_cast<int>(m_Anchors.size() / 2);
    const size_t inCount = static_cast<size_t>(d.d[0]) * d.d[1] * cells, boxes = static_cast<size_t>(anchors) * cells;
    std::vector<float> in(inCount), box(d.d[0] * boxes * 4), score(d.d[0] * boxes), label(d.d[0] * boxes);
    CHECK(cudaMemcpyAsync(in.data(), inputs[0], inCount * sizeof(float), cudaMemcpyDeviceToHost, stream));
    CHECK(cudaStreamSynchronize(stream));
    auto sigmoid = [](float x) { return 1.0F / (1.0F + std::exp(-x)); };
    for (int b = 0; b < d.d[0]; ++b)
      for (int a = 0; a < anchors; ++a)
        for (int i = 0; i < cells; ++i) {
          auto at = [&](int k) {
            return in[((static_cast<size_t>(b) * anchors + a) * (5 + m_Classes) + k) * cells + i];
          };
          const size_t to = b * boxes + static_cast<size_t>(a) * cells + i;
          box[to * 4 + 0] = (sigmoid(at(0)) + i % d.d[3]) * m_NetWidth / d.d[3];
          box[to * 4 + 1] = (sigmoid(at(1)) + i / d.d[3]) * m_NetHeight / d.d[2];
          box[to * 4 + 2] = std::exp(at(2)) * m_Anchors[2 * a];
          box[to * 4 + 3] = std::exp(at(3)) * m_Anchors[2 * a + 1];
          int best = 0;
          for (int c = 1; c < m_Classes; ++c) best = at(5 + c) > at(5 + best) ? c : best;
          score[to] = sigmoid(at(4)) * sigmoid(at(5 + best));
          label[to] = static_cast<float>(best);
        }
    const std::vector<float>* results[] = {&box, &score, &label};
    for (int i = 0; i < 3; ++i)
      CHECK(cudaMemcpyAsync(outputs[i], results[i]->data(), results[i]->size() * sizeof(float), cudaMemcpyHostToDevice,
                            stream));
    CHECK(cudaStreamSynchronize(stream));
    return 0;
  }
  nvinfer1::DataType getOutputDataType(int, const nvinfer1::DataType*, int) const noexcept override {
    return nvinfer1::DataType::kFLOAT;
  }
  const char* getPluginType() const noexcept override { return "YoloLayer_TRT_user"; }
  const char* getPluginVersion() const noexcept override { return "1"; }
  int getNbOutputs() const noexcept override { return 3; }
  int initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getSerializationSize() const noexcept override { return sizeof(int) * 4 + m_Anchors.size() * sizeof(float); }
  void serialize(void* buffer) const noexcept override {
    char* d = static_cast<char*>(buffer);
    write(d, m_NetWidth), write(d, m_NetHeight), write(d, m_Classes), write(d, static_cast<int>(m_Anchors.size()));
    for (float a : m_Anchors) write(d, a);
  }
  void destroy() noexcept override { delete this; }
  void setPluginNamespace(const char* name) noexcept override { m_Namespace = name; }
  const char* getPluginNamespace() const noexcept override { return m_Namespace.c_str(); }

 private:
  template <class T>
  static void read(const char*& from, T& value) {
    std::memcpy(&value, from, sizeof(T));
    from += sizeof(T);
  }
  template <class T>
  static void write(char*& to, T value) {
    std::memcpy(to, &value, sizeof(T));
    to += sizeof(T);
  }
  int m_NetWidth = 0, m_NetHeight = 0, m_Classes = 0;
  std::vector<float> m_Anchors;
  std::string m_Namespace;
};

class YoloLayerPluginCreator : public nvinfer1::IPluginCreator {
 public:
  const char* getPluginName() const noexcept override { return "YoloLayer_TRT_user"; }
  const char* getPluginVersion() const noexcept override { return "1"; }
  const nvinfer1::PluginFieldCollection* getFieldNames() noexcept override { return &m_Fields; }
  nvinfer1::IPluginV2DynamicExt* createPlugin(const char*,
                                              const nvinfer1::PluginFieldCollection* fc) noexcept override {
    int size[3] = {0, 0, 0};
    std::vector<float> anchors;
    for (int i = 0; i < fc->nbFields; ++i) {
      const nvinfer1::PluginField& f = fc->fields[i];
      if (std::string(f.name) == "size") std::memcpy(size, f.data, sizeof size);
      if (std::string(f.name) == "anchors")
        anchors.assign(static_cast<const float*>(f.data), static_cast<const float*>(f.data) + f.length);
    }
    return new YoloLayer(size[0], size[1], size[2], anchors);
  }
  nvinfer1::IPluginV2DynamicExt* deserializePlugin(const char*, const void* data, size_t length) noexcept override {
    return new YoloLayer(data, length);
  }
  void setPluginNamespace(const char* name) noexcept override { m_Namespace = name; }
  const char* getPluginNamespace() const noexcept override { return m_Namespace.c_str(); }

 private:
  std::string m_Namespace;
  nvinfer1::PluginFieldCollection m_Fields{};
};

REGISTER_TENSORRT_PLUGIN(YoloLayerPluginCreator);

// ---------------------------------------------------------------------------------------------------------------------

class Logger : public nvinfer1::ILogger {
  void log(Severity severity, const char* msg) noexcept override {
    if (severity <= Severity::kERROR) {
      std::cerr << "TRT: " << msg << std::endl;
      ++g_failures;
    }
  }
};

class PoolAllocator : public nvinfer1::IGpuAllocator {
 public:
  void* allocate(uint64_t size, uint64_t alignment, uint32_t) noexcept override {
    VERIFY(alignment == 0 || (alignment & (alignment - 1)) == 0);
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) != cudaSuccess) return nullptr;
    live[memory] = size;
    ++calls;
    return memory;
  }
  void free(void* memory) noexcept override {
    VERIFY(!memory || live.erase(memory) == 1);
    cudaFree(memory);
  }
  std::unordered_map<void*, uint64_t> live;
  int calls = 0;
};

class Yolo {
 public:
  Yolo(std::vector<Block> blocks, const std::vector<float>& weights, nvinfer1::ILogger& logger)
      : m_Blocks(std::move(blocks)), m_Weights(weights), m_Logger(logger) {}
  ~Yolo() {
    for (auto& w : m_Owned) delete[] static_cast<const float*>(w.values);
  }

  nvinfer1::ICudaEngine* createEngine(nvinfer1::IBuilder* builder, nvinfer1::IBuilderConfig* config) {
    nvinfer1::INetworkDefinition* network =
        builder->createNetworkV2(1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH));
    VERIFY(parseModel(*network));
    nvinfer1::IOptimizationProfile* profile = builder->createOptimizationProfile();
    for (int32_t i = 0; i < network->getNbInputs(); ++i) {
      nvinfer1::ITensor* input = network->getInput(i);
      nvinfer1::Dims dims = input->getDimensions();
      dims.d[0] = 1;
      profile->setDimensions(input->getName(), nvinfer1::OptProfileSelector::kMIN, dims);
      dims.d[0] = 2;
      profile->setDimensions(input->getName(), nvinfer1::OptProfileSelector::kOPT, dims);
      dims.d[0] = 4;
      profile->setDimensions(input->getName(), nvinfer1::OptProfileSelector::kMAX, dims);
    }
    config->addOptimizationProfile(profile);
    config->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, 1ULL << 28);
    nvinfer1::ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
    delete network;
    return engine;
  }

 private:
  nvinfer1::Weights take(size_t count) {
    float* values = new float[count];
    for (size_t i = 0; i < count; ++i) values[i] = m_Weights.at(m_Read++);
    m_Owned.push_back({nvinfer1::DataType::kFLOAT, values, static_cast<int64_t>(count)});
    return m_Owned.back();
  }
  int index(int relative) const { return relative < 0 ? static_cast<int>(m_Outputs.size()) + relative : relative; }

  nvinfer1::ITensor* activation(nvinfer1::INetworkDefinition& network, nvinfer1::ITensor* x, const std::string& type) {
    using namespace nvinfer1;
    if (type == "linear") return x;
    if (type == "leaky") {
      IActivationLayer* leaky = network.addActivation(*x, ActivationType::kLEAKY_RELU);
      leaky->setAlpha(0.1F);
      return leaky->getOutput(0);
    }
    if (type == "swish") {
      IActivationLayer* s = network.addActivation(*x, ActivationType::kSIGMOID);
      return network.addElementWise(*x, *s->getOutput(0), ElementWiseOperation::kPROD)->getOutput(0);
    }
    IActivationLayer* soft = network.addActivation(*x, ActivationType::kSOFTPLUS);
    soft->setAlpha(1);
    soft->setBeta(1);
    IActivationLayer* tanh = network.addActivation(*soft->getOutput(0), ActivationType::kTANH);
    return network.addElementWise(*x, *tanh->getOutput(0), ElementWiseOperation::kPROD)->getOutput(0);
  }

  nvinfer1::ITensor* convolution(nvinfer1::INetworkDefinition& network, Block& b, nvinfer1::ITensor* x) {
    using namespace nvinfer1;
    const int filters = std::stoi(b["filters"]), size = std::stoi(b["size"]), stride = std::stoi(b["stride"]);
    const int channels = x->getDimensions().d[1], pad = b["pad"] == "1" ? (size - 1) / 2 : 0;
    const bool norm = b["batch_normalize"] == "1";
    Weights bias{DataType::kFLOAT, nullptr, 0}, parts[4] = {bias, bias, bias, bias};
    if (norm)
      for (Weights& part : parts) part = take(filters);
    else
      bias = take(filters);
    Weights kernel = take(static_cast<size_t>(filters) * channels * size * size);
    IConvolutionLayer* conv = network.addConvolutionNd(*x, filters, Dims{2, {size, size}}, kernel, bias);
    assert(conv != nullptr);
    conv->setName(("conv_" + std::to_string(m_Outputs.size())).c_str());
    conv->setStrideNd(Dims{2, {stride, stride}});
    conv->setPaddingNd(Dims{2, {pad, pad}});
    ITensor* y = conv->getOutput(0);
    if (norm) {
      float* shift = new float[filters];
      float* scale = new float[filters];
      float* power = new float[filters];
      for (int i = 0; i < filters; ++i) {
        const float beta = static_cast<const float*>(parts[0].values)[i],
                    gamma = static_cast<const float*>(parts[1].values)[i],
                    mean = static_cast<const float*>(parts[2].values)[i],
                    var = std::abs(static_cast<const float*>(parts[3].values)[i]);
        scale[i] = gamma / std::sqrt(var + 1e-3F);
        shift[i] = beta - mean * scale[i];
        power[i] = 1;
      }
      for (float* p : {shift, scale, power}) m_Owned.push_back({DataType::kFLOAT, p, filters});
      const size_t n = m_Owned.size();
      IScaleLayer* bn = network.addScale(*y, ScaleMode::kCHANNEL, m_Owned[n - 3], m_Owned[n - 2], m_Owned[n - 1]);
      bn->setName(("batchnorm_" + std::to_string(m_Outputs.size())).c_str());
      y = bn->getOutput(0);
    }
    return activation(network, y, b["activation"]);
  }

  nvinfer1::ITensor* route(nvinfer1::INetworkDefinition& network, Block& b) {
    using namespace nvinfer1;
    std::vector<ITensor*> inputs;
    for (int l : integers(b["layers"])) inputs.push_back(m_Outputs.at(index(l)));
    ITensor* y = inputs[0];
    if (inputs.size() > 1) {
      IConcatenationLayer* concat = network.addConcatenation(inputs.data(), static_cast<int32_t>(inputs.size()));
      concat->setAxis(1);
      y = concat->getOutput(0);
    }
    if (b.count("groups") != 0) {
      Dims d = y->getDimensions();
      const int each = d.d[1] / std::stoi(b["groups"]);
      ISliceLayer* slice = network.addSlice(*y, Dims{4, {0, each * std::stoi(b["group_id"]), 0, 0}},
                                            Dims{4, {1, each, d.d[2], d.d[3]}}, Dims{4, {1, 1, 1, 1}});
      // The batch is dynamic: its size, and the others' numbers.
      static const int32_t mask[4] = {1, 0, 0, 0};
      m_Integers.emplace_back(new int32_t[4]{0, each, d.d[2], d.d[3]});
      auto numbers = [&network](const int32_t* values) -> ITensor& {
        return *network.addConstant(Dims{1, {4}}, Weights{DataType::kINT32, values, 4})->getOutput(0);
      };
      ITensor* shape = network.addShape(*y)->getOutput(0);
      ITensor* batch = network.addElementWise(*shape, numbers(mask), ElementWiseOperation::kPROD)->getOutput(0);
      ITensor& rest = numbers(m_Integers.back().get());
      slice->setInput(2, *network.addElementWise(*batch, rest, ElementWiseOperation::kSUM)->getOutput(0));
      y = slice->getOutput(0);
    }
    return y;
  }

  bool parseModel(nvinfer1::INetworkDefinition& network) {
    using namespace nvinfer1;
    Block& net = m_Blocks.front();
    const int w = std::stoi(net["width"]), h = std::stoi(net["height"]), c = std::stoi(net["channels"]);
    ITensor* x = network.addInput("data", DataType::kFLOAT, Dims{4, {-1, c, h, w}});
    ITensor* previous = x;
    for (size_t i = 1; i < m_Blocks.size(); ++i) {
      Block& b = m_Blocks[i];
      const std::string type = b["type"];
      if (type == "convolutional") {
        previous = convolution(network, b, previous);
      } else if (type == "shortcut") {
        ITensor* other = m_Outputs.at(index(std::stoi(b["from"])));
        previous = network.addElementWise(*previous, *other, ElementWiseOperation::kSUM)->getOutput(0);
      } else if (type == "route") {
        previous = route(network, b);
      } else if (type == "maxpool") {
        const int size = std::stoi(b["size"]), stride = std::stoi(b["stride"]);
        IPoolingLayer* pool = network.addPoolingNd(*previous, PoolingType::kMAX, Dims{2, {size, size}});
        pool->setStrideNd(Dims{2, {stride, stride}});
        pool->setPaddingMode(PaddingMode::kSAME_UPPER);
        previous = pool->getOutput(0);
      } else if (type == "upsample") {
        IResizeLayer* up = network.addResize(*previous);
        const float s = static_cast<float>(std::stoi(b["stride"]));
        const float scales[4] = {1, 1, s, s};
        up->setResizeMode(ResizeMode::kNEAREST);
        up->setScales(scales, 4);
        previous = up->getOutput(0);
      } else if (type == "yolo") {
        const int size[3] = {w, h, std::stoi(b["classes"])};
        std::vector<float> anchors;
        for (int a : integers(b["anchors"])) anchors.push_back(static_cast<float>(a));
        std::vector<PluginField> fields{
            PluginField("size", size, PluginFieldType::kINT32, 3),
            PluginField("anchors", anchors.data(), PluginFieldType::kFLOAT32, static_cast<int32_t>(anchors.size()))};
        PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
        IPluginCreator* creator = getPluginRegistry()->getPluginCreator("YoloLayer_TRT_user", "1");
        assert(creator != nullptr);
        IPluginV2* plugin = creator->createPlugin("yolo", &collection);
        IPluginV2Layer* layer = network.addPluginV2(&previous, 1, *plugin);
        plugin->destroy();
        const char* names[] = {"boxes", "scores", "classes"};
        for (int k = 0; k < 3; ++k) {
          layer->getOutput(k)->setName(names[k]);
          network.markOutput(*layer->getOutput(k));
        }
        previous = layer->getOutput(0);
      } else {
        return false;
      }
      m_Outputs.push_back(previous);
    }
    return m_Read == m_Weights.size();
  }

  std::vector<Block> m_Blocks;
  const std::vector<float>& m_Weights;
  nvinfer1::ILogger& m_Logger;
  size_t m_Read = 0;
  std::vector<nvinfer1::Weights> m_Owned;
  std::vector<std::unique_ptr<int32_t[]>> m_Integers;
  std::vector<nvinfer1::ITensor*> m_Outputs;
};

// ---------------------------------------------------------------------------------------------------------------------
// The same in double precision.

struct Map {
  int c, h, w;
  std::vector<double> v;
  Map(int c_, int h_, int w_) : c(c_), h(h_), w(w_), v(static_cast<size_t>(c_) * h_ * w_) {}
  double& at(int k, int y, int x) { return v[(static_cast<size_t>(k) * h + y) * w + x]; }
};

std::vector<double> reference(std::vector<Block> blocks, const std::vector<float>& weights, const float* image) {
  Block& net = blocks.front();
  Map x(3, std::stoi(net["height"]), std::stoi(net["width"]));
  x.v.assign(image, image + x.v.size());
  std::vector<Map> outs;
  size_t read = 0;
  for (size_t i = 1; i < blocks.size(); ++i) {
    Block& b = blocks[i];
    auto from = [&](int l) -> Map& { return outs.at(l < 0 ? outs.size() + l : l); };
    if (b["type"] == "convolutional") {
      const int n = std::stoi(b["filters"]), size = std::stoi(b["size"]), s = std::stoi(b["stride"]),
                p = (size - 1) / 2;
      const bool norm = b["batch_normalize"] == "1";
      const float* part[4] = {&weights[read], &weights[read + (norm ? n : 0)], &weights[read + (norm ? 2 * n : 0)],
                              &weights[read + (norm ? 3 * n : 0)]};
      const float* k = &weights[read + (norm ? 4 * n : n)];
      Map y(n, (x.h + 2 * p - size) / s + 1, (x.w + 2 * p - size) / s + 1);
      for (int o = 0; o < n; ++o)
        for (int r = 0; r < y.h; ++r)
          for (int q = 0; q < y.w; ++q) {
            double sum = norm ? 0 : part[0][o];
            for (int c = 0; c < x.c; ++c)
              for (int u = 0; u < size; ++u)
                for (int t = 0; t < size; ++t) {
                  const int yy = r * s - p + u, xx = q * s - p + t;
                  if (yy >= 0 && yy < x.h && xx >= 0 && xx < x.w)
                    sum += x.at(c, yy, xx) * k[((o * x.c + c) * size + u) * size + t];
                }
            if (norm) sum = (sum - part[2][o]) * part[1][o] / std::sqrt(std::abs(part[3][o]) + 1e-3) + part[0][o];
            const std::string& a = b["activation"];
            if (a == "leaky") sum = sum < 0 ? 0.1 * sum : sum;
            if (a == "swish") sum = sum / (1 + std::exp(-sum));
            if (a == "mish") sum = sum * std::tanh(std::log1p(std::exp(sum)));
            y.at(o, r, q) = sum;
          }
      read += (norm ? 4 * n : n) + static_cast<size_t>(n) * x.c * size * size;
      x = y;
    } else if (b["type"] == "shortcut") {
      Map& other = from(std::stoi(b["from"]));
      for (size_t j = 0; j < x.v.size(); ++j) x.v[j] += other.v[j];
    } else if (b["type"] == "route") {
      Map y(0, 0, 0);
      for (int l : integers(b["layers"])) {
        Map& part = from(l);
        y.h = part.h, y.w = part.w, y.c += part.c;
        y.v.insert(y.v.end(), part.v.begin(), part.v.end());
      }
      if (b.count("groups") != 0) {
        const int groups = std::stoi(b["groups"]), id = std::stoi(b["group_id"]);
        const size_t each = y.v.size() / groups;
        y.c /= groups;
        y.v = std::vector<double>(y.v.begin() + each * id, y.v.begin() + each * (id + 1));
      }
      x = y;
    } else if (b["type"] == "maxpool") {
      const int size = std::stoi(b["size"]), s = std::stoi(b["stride"]);
      Map y(x.c, (x.h + s - 1) / s, (x.w + s - 1) / s);
      const int before = std::max(0, (y.h - 1) * s + size - x.h) / 2;
      for (int c = 0; c < y.c; ++c)
        for (int r = 0; r < y.h; ++r)
          for (int q = 0; q < y.w; ++q) {
            double best = -1e300;
            for (int u = 0; u < size * size; ++u) {
              const int yy = r * s - before + u / size, xx = q * s - before + u % size;
              if (yy >= 0 && yy < x.h && xx >= 0 && xx < x.w) best = std::max(best, x.at(c, yy, xx));
            }
            y.at(c, r, q) = best;
          }
      x = y;
    } else if (b["type"] == "upsample") {
      Map y(x.c, 2 * x.h, 2 * x.w);
      for (int c = 0; c < y.c; ++c)
        for (int r = 0; r < y.h; ++r)
          for (int q = 0; q < y.w; ++q) y.at(c, r, q) = x.at(c, r / 2, q / 2);
      x = y;
    } else {
      const std::vector<int> anchors = integers(b["anchors"]);
      const int classes = std::stoi(b["classes"]), cells = x.h * x.w, count = static_cast<int>(anchors.size() / 2);
      std::vector<double> boxes;
      for (int a = 0; a < count; ++a)
        for (int j = 0; j < cells; ++j) {
          auto at = [&](int k) { return x.v[(static_cast<size_t>(a) * (5 + classes) + k) * cells + j]; };
          boxes.push_back((1 / (1 + std::exp(-at(0))) + j % x.w) * std::stoi(net["width"]) / x.w);
          boxes.push_back((1 / (1 + std::exp(-at(1))) + j / x.w) * std::stoi(net["height"]) / x.h);
          boxes.push_back(std::exp(at(2)) * anchors[2 * a]);
          boxes.push_back(std::exp(at(3)) * anchors[2 * a + 1]);
        }
      return boxes;
    }
    outs.push_back(x);
  }
  return {};
}

std::vector<float> makeWeights(std::vector<Block> blocks) {
  std::vector<int> channels;
  int c = 3;
  std::vector<float> w;
  unsigned state = 7;
  auto random = [&] {
    state = state * 1664525U + 1013904223U;
    return static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
  };
  for (size_t i = 1; i < blocks.size(); ++i) {
    Block& b = blocks[i];
    if (b["type"] == "convolutional") {
      const int n = std::stoi(b["filters"]), size = std::stoi(b["size"]);
      const size_t count = static_cast<size_t>(n) * c * size * size;
      const bool norm = b["batch_normalize"] == "1";
      for (int k = 0; k < (norm ? 4 : 1); ++k)
        for (int j = 0; j < n; ++j) w.push_back(k == 1 || k == 3 ? 1.0F + 0.3F * random() : 0.2F * random());
      for (size_t j = 0; j < count; ++j) w.push_back(random() / std::sqrt(static_cast<float>(c * size * size)));
      c = n;
    } else if (b["type"] == "route") {
      c = 0;
      for (int l : integers(b["layers"])) c += channels.at(l < 0 ? channels.size() + l : l);
      if (b.count("groups") != 0) c /= std::stoi(b["groups"]);
    }
    channels.push_back(c);
  }
  return w;
}

}  // namespace

int main() {
  Logger logger;
  initLibNvInferPlugins(&logger, "");
  const std::vector<Block> blocks = parseConfig(kConfig);
  const std::vector<float> weights = makeWeights(blocks);
  PoolAllocator pool;
  const std::string path = "pipeline_8_b4_gpu0_fp32.engine";
  std::remove(path.c_str());
  {
    std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
    builder->setGpuAllocator(&pool);
    std::unique_ptr<nvinfer1::IBuilderConfig> config(builder->createBuilderConfig());
    Yolo yolo(blocks, weights, logger);
    std::unique_ptr<nvinfer1::ICudaEngine> engine(yolo.createEngine(builder.get(), config.get()));
    VERIFY(engine != nullptr);
    if (!engine) return 1;
    std::unique_ptr<nvinfer1::IHostMemory> plan(engine->serialize());
    std::ofstream(path, std::ios::binary).write(static_cast<const char*>(plan->data()), plan->size());
  }
  std::ifstream file(path, std::ios::binary);
  std::vector<char> plan((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(logger));
  runtime->setGpuAllocator(&pool);
  std::unique_ptr<nvinfer1::ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr));
  VERIFY(engine && engine->getNbBindings() == 4 && engine->hasImplicitBatchDimension() == false);
  std::unique_ptr<nvinfer1::IExecutionContext> context(engine->createExecutionContext());
  const int in = engine->getBindingIndex("data");
  VERIFY(in == 0 && engine->bindingIsInput(in) && engine->getBindingIndex("nothing") == -1);
  const size_t image = 3 * 32 * 32;
  std::vector<float> frames(4 * image);
  for (size_t i = 0; i < frames.size(); ++i) frames[i] = 0.5F + 0.5F * std::sin(0.37F * static_cast<float>(i));
  cudaStream_t stream;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  for (int batch : {1, 3, 4}) {
    VERIFY(context->setBindingDimensions(in, nvinfer1::Dims{4, {batch, 3, 32, 32}}) &&
           context->allInputDimensionsSpecified());
    void* bindings[4] = {};
    std::vector<std::vector<float>> host(4);
    for (int i = 0; i < engine->getNbBindings(); ++i) {
      const nvinfer1::Dims d = context->getBindingDimensions(i);
      size_t count = 1;
      for (int k = 0; k < d.nbDims; ++k) count *= d.d[k];
      host[i].resize(count);
      CHECK(cudaMalloc(&bindings[i], count * sizeof(float)));
    }
    CHECK(cudaMemcpyAsync(bindings[in], frames.data(), batch * image * sizeof(float), cudaMemcpyHostToDevice, stream));
    cudaEvent_t consumed;
    CHECK(cudaEventCreateWithFlags(&consumed, cudaEventDisableTiming));
    VERIFY(context->enqueueV2(bindings, stream, &consumed));
    CHECK(cudaEventSynchronize(consumed));
    const int boxes = engine->getBindingIndex("boxes");
    CHECK(cudaMemcpyAsync(host[boxes].data(), bindings[boxes], host[boxes].size() * sizeof(float),
                          cudaMemcpyDeviceToHost, stream));
    CHECK(cudaStreamSynchronize(stream));
    for (int b = 0; b < batch; ++b) {
      const std::vector<double> wanted = reference(blocks, weights, &frames[b * image]);
      double difference = 0, norm = 0;
      VERIFY(wanted.size() * batch == host[boxes].size());
      for (size_t i = 0; i < wanted.size(); ++i) {
        const double d = host[boxes][b * wanted.size() + i] - wanted[i];
        difference += d * d, norm += wanted[i] * wanted[i];
      }
      VERIFY(std::sqrt(difference / norm) < 1e-5);
    }
    for (void* p : bindings) CHECK(cudaFree(p));
    CHECK(cudaEventDestroy(consumed));
  }
  CHECK(cudaStreamDestroy(stream));
  context.reset();
  engine.reset();
  runtime.reset();
  VERIFY(pool.calls > 0 && pool.live.empty());
  std::remove(path.c_str());
  std::cout << g_failures << " failures" << std::endl;
  return g_failures != 0;
}
