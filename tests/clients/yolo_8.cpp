// A TensorRT 8 program like the model zoos written by hand: weights from a .wts text file, convolutions with batch
// normalization folded by hand, SiLU, upsampling, a detection head decoded by a registered plugin that is made from
// fields, an implicit batch, the engine in a file.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "NvInfer.h"
#include "client.h"
#include "cuda_runtime_api.h"

using namespace nvinfer1;

namespace {

constexpr int kMaxBatch = 2, kSide = 16, kClasses = 2, kMostBoxes = 8;

struct Kernel {
  int width, height;
  float anchors[4];
};
struct Detection {
  float box[4];
  float confidence, kind;
};

}  // namespace

namespace nvinfer1 {

/// Output: the number of detections, then the detections.
class DecodeLayer : public IPluginV2IOExt {
 public:
  DecodeLayer(int classes, int width, int height, std::vector<Kernel> const& kernels)
      : classes_(classes), width_(width), height_(height), kernels_(kernels) {}
  DecodeLayer(void const* data, size_t length) {
    char const* at = static_cast<char const*>(data);
    int count = 0;
    read(at, classes_), read(at, width_), read(at, height_), read(at, threads_), read(at, count);
    kernels_.resize(static_cast<size_t>(count));
    std::memcpy(kernels_.data(), at, kernels_.size() * sizeof(Kernel));
    EXPECT(at + kernels_.size() * sizeof(Kernel) == static_cast<char const*>(data) + length);
  }
  int getNbOutputs() const noexcept override { return 1; }
  Dims getOutputDimensions(int, Dims const*, int count) noexcept override {
    EXPECT(count == static_cast<int>(kernels_.size()));
    return Dims3(kMostBoxes * static_cast<int>(sizeof(Detection) / sizeof(float)) + 1, 1, 1);
  }
  int initialize() noexcept override { return 0; }
  void terminate() noexcept override {}
  size_t getWorkspaceSize(int) const noexcept override { return 0; }
  int enqueue(int batch, void const* const* inputs, void* const* outputs, void*, cudaStream_t) noexcept override {
    size_t const length = 1 + kMostBoxes * sizeof(Detection) / sizeof(float);
    float* out = static_cast<float*>(outputs[0]);
    std::memset(out, 0, static_cast<size_t>(batch) * length * sizeof(float));
    for (int b = 0; b < batch; ++b) {
      for (size_t k = 0; k < kernels_.size(); ++k) {
        decode(static_cast<float const*>(inputs[k]), kernels_[k], b, out + static_cast<size_t>(b) * length);
      }
    }
    return 0;
  }
  size_t getSerializationSize() const noexcept override { return 5 * sizeof(int) + kernels_.size() * sizeof(Kernel); }
  void serialize(void* buffer) const noexcept override {
    char* at = static_cast<char*>(buffer);
    int const count = static_cast<int>(kernels_.size());
    write(at, classes_), write(at, width_), write(at, height_), write(at, threads_), write(at, count);
    std::memcpy(at, kernels_.data(), kernels_.size() * sizeof(Kernel));
  }
  bool supportsFormatCombination(int pos, PluginTensorDesc const* all, int, int) const noexcept override {
    return all[pos].format == TensorFormat::kLINEAR && all[pos].type == DataType::kFLOAT;
  }
  void configurePlugin(PluginTensorDesc const*, int, PluginTensorDesc const*, int) noexcept override {}
  DataType getOutputDataType(int, DataType const*, int) const noexcept override { return DataType::kFLOAT; }
  bool isOutputBroadcastAcrossBatch(int, bool const*, int) const noexcept override { return false; }
  bool canBroadcastInputAcrossBatch(int) const noexcept override { return false; }
  void attachToContext(cudnnContext*, cublasContext*, IGpuAllocator*) noexcept override {}
  void detachFromContext() noexcept override {}
  char const* getPluginType() const noexcept override { return "Decode_TRT"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  void destroy() noexcept override { delete this; }
  IPluginV2IOExt* clone() const noexcept override {
    auto* copy = new DecodeLayer(classes_, width_, height_, kernels_);
    copy->setPluginNamespace(space_.c_str());
    return copy;
  }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  template <class T>
  static void read(char const*& at, T& value) {
    std::memcpy(&value, at, sizeof(T));
    at += sizeof(T);
  }
  template <class T>
  static void write(char*& at, T const& value) {
    std::memcpy(at, &value, sizeof(T));
    at += sizeof(T);
  }
  void decode(float const* input, Kernel const& kernel, int batch, float* out) const {
    int const cells = kernel.width * kernel.height, info = 5 + classes_;
    for (int cell = 0; cell < cells; ++cell) {
      for (int a = 0; a < 2; ++a) {
        float const* at = input + (batch * 2 + a) * info * cells + cell;
        float const sure = 1.0F / (1.0F + std::exp(-at[4 * cells]));
        int best = 0;
        for (int c = 1; c < classes_; ++c) {
          best = at[(5 + c) * cells] > at[(5 + best) * cells] ? c : best;
        }
        int const number = static_cast<int>(out[0]);
        if (sure < 0.5F || number >= kMostBoxes) {
          continue;
        }
        out[0] += 1.0F;
        Detection found{{static_cast<float>(cell % kernel.width), static_cast<float>(cell / kernel.width),
                         kernel.anchors[2 * a], kernel.anchors[2 * a + 1]},
                        sure,
                        static_cast<float>(best)};
        std::memcpy(out + 1 + static_cast<size_t>(number) * sizeof(Detection) / sizeof(float), &found, sizeof(found));
      }
    }
  }
  int classes_ = 0, width_ = 0, height_ = 0, threads_ = 256;
  std::vector<Kernel> kernels_;
  std::string space_;
};

class DecodeCreator : public IPluginCreator {
 public:
  DecodeCreator() {
    fields_.nbFields = 0;
    fields_.fields = nullptr;
  }
  char const* getPluginName() const noexcept override { return "Decode_TRT"; }
  char const* getPluginVersion() const noexcept override { return "1"; }
  PluginFieldCollection const* getFieldNames() noexcept override { return &fields_; }
  IPluginV2IOExt* createPlugin(char const*, PluginFieldCollection const* fc) noexcept override {
    int const* info = nullptr;
    std::vector<Kernel> kernels;
    for (int i = 0; i < fc->nbFields; ++i) {
      if (std::strcmp(fc->fields[i].name, "netinfo") == 0) {
        info = static_cast<int const*>(fc->fields[i].data);
      } else if (std::strcmp(fc->fields[i].name, "kernels") == 0) {
        kernels.resize(static_cast<size_t>(fc->fields[i].length));
        std::memcpy(kernels.data(), fc->fields[i].data, kernels.size() * sizeof(Kernel));
      }
    }
    auto* made = new DecodeLayer(info[0], info[1], info[2], kernels);
    made->setPluginNamespace(space_.c_str());
    return made;
  }
  IPluginV2IOExt* deserializePlugin(char const*, void const* data, size_t length) noexcept override {
    auto* made = new DecodeLayer(data, length);
    made->setPluginNamespace(space_.c_str());
    return made;
  }
  void setPluginNamespace(char const* space) noexcept override { space_ = space; }
  char const* getPluginNamespace() const noexcept override { return space_.c_str(); }

 private:
  std::string space_;
  static PluginFieldCollection fields_;
};
PluginFieldCollection DecodeCreator::fields_{};
REGISTER_TENSORRT_PLUGIN(DecodeCreator);

}  // namespace nvinfer1

namespace {

using WeightMap = std::map<std::string, Weights>;

void write_weights(std::string const& path) {
  std::ofstream file(path);
  std::vector<std::pair<std::string, int>> const all = {
      {"a.conv.weight", 8 * 3 * 9}, {"a.bn.weight", 8},           {"a.bn.bias", 8},         {"a.bn.running_mean", 8},
      {"a.bn.running_var", 8},      {"b.conv.weight", 8 * 8 * 9}, {"b.bn.weight", 8},       {"b.bn.bias", 8},
      {"b.bn.running_mean", 8},     {"b.bn.running_var", 8},      {"head.weight", 14 * 16}, {"head.bias", 14}};
  file << all.size() << "\n";
  uint32_t state = 7;
  for (auto const& entry : all) {
    file << entry.first << " " << entry.second;
    for (int i = 0; i < entry.second; ++i) {
      state = state * 1664525U + 1013904223U;
      float value = static_cast<float>(static_cast<int32_t>(state) % 1000) / 1000.0F;
      if (entry.first.find("var") != std::string::npos) {
        value = std::fabs(value) + 0.5F;
      }
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      file << " " << std::hex << bits << std::dec;
    }
    file << "\n";
  }
}

WeightMap load_weights(std::string const& path) {
  WeightMap map;
  std::ifstream input(path);
  int32_t count = 0;
  input >> count;
  while (count--) {
    Weights wt{DataType::kFLOAT, nullptr, 0};
    uint32_t size = 0;
    std::string name;
    input >> name >> std::dec >> size;
    auto* values = static_cast<uint32_t*>(std::malloc(sizeof(uint32_t) * size));
    for (uint32_t x = 0; x < size; ++x) {
      input >> std::hex >> values[x];
    }
    wt.values = values;
    wt.count = size;
    map[name] = wt;
  }
  return map;
}

IScaleLayer* add_batch_norm(INetworkDefinition* network, WeightMap& map, ITensor& input, std::string const& name,
                            float eps) {
  auto const* gamma = static_cast<float const*>(map[name + ".weight"].values);
  auto const* beta = static_cast<float const*>(map[name + ".bias"].values);
  auto const* mean = static_cast<float const*>(map[name + ".running_mean"].values);
  auto const* var = static_cast<float const*>(map[name + ".running_var"].values);
  int64_t const len = map[name + ".running_var"].count;
  auto* scval = static_cast<float*>(std::malloc(sizeof(float) * static_cast<size_t>(len)));
  auto* shval = static_cast<float*>(std::malloc(sizeof(float) * static_cast<size_t>(len)));
  auto* pval = static_cast<float*>(std::malloc(sizeof(float) * static_cast<size_t>(len)));
  for (int64_t i = 0; i < len; i++) {
    scval[i] = gamma[i] / std::sqrt(var[i] + eps);
    shval[i] = beta[i] - mean[i] * gamma[i] / std::sqrt(var[i] + eps);
    pval[i] = 1.0F;
  }
  Weights scale{DataType::kFLOAT, scval, len}, shift{DataType::kFLOAT, shval, len}, power{DataType::kFLOAT, pval, len};
  map[name + ".scale"] = scale;
  map[name + ".shift"] = shift;
  map[name + ".power"] = power;
  return network->addScale(input, ScaleMode::kCHANNEL, shift, scale, power);
}

ILayer* conv_block(INetworkDefinition* network, WeightMap& map, ITensor& input, int outch, int ksize, int s,
                   std::string const& name) {
  Weights empty{DataType::kFLOAT, nullptr, 0};
  IConvolutionLayer* conv =
      network->addConvolutionNd(input, outch, DimsHW{ksize, ksize}, map[name + ".conv.weight"], empty);
  conv->setStrideNd(DimsHW{s, s});
  conv->setPaddingNd(DimsHW{ksize / 2, ksize / 2});
  IScaleLayer* bn = add_batch_norm(network, map, *conv->getOutput(0), name + ".bn", 1e-3F);
  auto* sig = network->addActivation(*bn->getOutput(0), ActivationType::kSIGMOID);
  return network->addElementWise(*bn->getOutput(0), *sig->getOutput(0), ElementWiseOperation::kPROD);
}

IHostMemory* build_engine(ILogger& logger, std::string const& weights) {
  IBuilder* builder = createInferBuilder(logger);
  IBuilderConfig* config = builder->createBuilderConfig();
  INetworkDefinition* network = builder->createNetworkV2(0U);
  ITensor* data = network->addInput("data", DataType::kFLOAT, Dims3{3, kSide, kSide});
  WeightMap map = load_weights(weights);
  ILayer* a = conv_block(network, map, *data, 8, 3, 2, "a");
  ILayer* b = conv_block(network, map, *a->getOutput(0), 8, 3, 2, "b");
  IResizeLayer* up = network->addResize(*b->getOutput(0));
  up->setResizeMode(ResizeMode::kNEAREST);
  up->setOutputDimensions(a->getOutput(0)->getDimensions());
  ITensor* both[] = {up->getOutput(0), a->getOutput(0)};
  auto* cat = network->addConcatenation(both, 2);
  IConvolutionLayer* head =
      network->addConvolutionNd(*cat->getOutput(0), 14, DimsHW{1, 1}, map["head.weight"], map["head.bias"]);
  Dims const out = head->getOutput(0)->getDimensions();
  EXPECT(out.nbDims == 3 && out.d[0] == 14 && out.d[1] == kSide / 2);
  // the plugin, by the registry
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator("Decode_TRT", "1");
  EXPECT(creator != nullptr);
  int netinfo[4] = {kClasses, kSide, kSide, kMostBoxes};
  std::vector<Kernel> kernels = {{kSide / 2, kSide / 2, {1.0F, 2.0F, 3.0F, 4.0F}}};
  PluginField fields[2];
  fields[0].data = netinfo;
  fields[0].length = 4;
  fields[0].name = "netinfo";
  fields[0].type = PluginFieldType::kFLOAT32;
  fields[1].data = kernels.data();
  fields[1].length = static_cast<int>(kernels.size());
  fields[1].name = "kernels";
  fields[1].type = PluginFieldType::kFLOAT32;
  PluginFieldCollection collection;
  collection.nbFields = 2;
  collection.fields = fields;
  IPluginV2* plugin = creator->createPlugin("decode", &collection);
  ITensor* inputs[] = {head->getOutput(0)};
  auto* decode = network->addPluginV2(inputs, 1, *plugin);
  plugin->destroy();
  decode->getOutput(0)->setName("prob");
  network->markOutput(*decode->getOutput(0));
  head->getOutput(0)->setName("head");
  network->markOutput(*head->getOutput(0));
  builder->setMaxBatchSize(kMaxBatch);
  config->setMaxWorkspaceSize(16 * (1 << 20));
  if (builder->platformHasFastFp16()) {
    config->setFlag(BuilderFlag::kFP16);
  }
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  network->destroy();
  for (auto& entry : map) {
    std::free(const_cast<void*>(entry.second.values));
  }
  IHostMemory* stream = engine ? engine->serialize() : nullptr;
  if (engine) {
    engine->destroy();
  }
  config->destroy();
  builder->destroy();
  return stream;
}

}  // namespace

int main(int, char** argv) {
  KeepingLogger logger;
  std::string const folder = argv[1];
  write_weights(folder + "/yolo.wts");
  {
    IHostMemory* stream = build_engine(logger, folder + "/yolo.wts");
    EXPECT(stream != nullptr);
    std::ofstream file(folder + "/yolo.engine", std::ios::binary);
    file.write(reinterpret_cast<char const*>(stream->data()), static_cast<std::streamsize>(stream->size()));
    stream->destroy();
  }
  std::ifstream file(folder + "/yolo.engine", std::ios::binary);
  std::string const plan((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  IRuntime* runtime = createInferRuntime(logger);
  ICudaEngine* engine = runtime->deserializeCudaEngine(plan.data(), plan.size());
  EXPECT(engine != nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  EXPECT(engine->getNbBindings() == 3 && engine->hasImplicitBatchDimension() && engine->getMaxBatchSize() == kMaxBatch);
  int const in = engine->getBindingIndex("data"), prob = engine->getBindingIndex("prob"),
            raw = engine->getBindingIndex("head");
  size_t const sizes[] = {kMaxBatch * 3 * kSide * kSide * 4, kMaxBatch * 49 * 4, kMaxBatch * 14 * 64 * 4};
  void* buffers[3];
  EXPECT(cudaMalloc(&buffers[in], sizes[0]) == cudaSuccess);
  EXPECT(cudaMalloc(&buffers[prob], sizes[1]) == cudaSuccess);
  EXPECT(cudaMalloc(&buffers[raw], sizes[2]) == cudaSuccess);
  cudaStream_t stream;
  EXPECT(cudaStreamCreate(&stream) == cudaSuccess);
  std::vector<float> data(kMaxBatch * 3 * kSide * kSide), found(kMaxBatch * 49), head(kMaxBatch * 14 * 64), alone(49);
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<float>(i % 97) / 97.0F - 0.3F;
  }
  cudaMemcpyAsync(buffers[in], data.data(), sizes[0], cudaMemcpyHostToDevice, stream);
  EXPECT(context->enqueue(kMaxBatch, buffers, stream, nullptr));
  cudaMemcpyAsync(found.data(), buffers[prob], sizes[1], cudaMemcpyDeviceToHost, stream);
  cudaMemcpyAsync(head.data(), buffers[raw], sizes[2], cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  EXPECT(found[0] >= 1.0F && found[0] <= kMostBoxes);
  for (int b = 0; b < kMaxBatch; ++b) {  // the first detection is the first sure cell of the head
    for (int cell = 0, seen = 0; cell < 64 && seen == 0; ++cell) {
      for (int a = 0; a < 2 && seen == 0; ++a) {
        float const logit = head[static_cast<size_t>(((b * 2 + a) * 7 + 4) * 64 + cell)];
        if (logit >= 0.0F) {
          seen = 1;
          EXPECT(found[static_cast<size_t>(b) * 49 + 1] == static_cast<float>(cell % 8));
          EXPECT(std::fabs(found[static_cast<size_t>(b) * 49 + 5] - 1.0F / (1.0F + std::exp(-logit))) < 1e-3F);
        }
      }
    }
  }
  cudaMemcpy(buffers[in], data.data() + 3 * kSide * kSide, sizes[0] / 2, cudaMemcpyHostToDevice);
  EXPECT(context->execute(1, buffers));
  cudaMemcpy(alone.data(), buffers[prob], 49 * 4, cudaMemcpyDeviceToHost);
  EXPECT(std::memcmp(alone.data(), found.data() + 49, 49 * 4) == 0);
  EXPECT(logger.errors.empty());
  for (void* b : buffers) {
    cudaFree(b);
  }
  cudaStreamDestroy(stream);
  context->destroy();
  engine->destroy();
  runtime->destroy();
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
