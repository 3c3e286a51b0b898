// A TensorRT 7 program like the SSD samples and their ports: implicit batch, the old builder, an IPluginExt for the
// detections that a factory reads back, beside an IPluginV2IOExt that the registry reads back, one plan for both.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "NvInferRuntime.h"
#include "bindings/common.h"

using namespace nvinfer1;

namespace {

constexpr int kMost = 4, kSide = 8, kGrid = 4, kMaps = 4, kAnchors = 2, kClasses = 3, kBoxes = kAnchors * kGrid * kGrid,
              kKept = 5;

template <class T>
void put(char*& at, T const& value) {
  std::memcpy(at, &value, sizeof(T));
  at += sizeof(T);
}
template <class T>
T take(char const*& at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  at += sizeof(T);
  return value;
}

/// The kKept best (box, class) pairs of every image: class, score, four offsets.
class Detections : public IPluginExt {
 public:
  Detections() = default;
  Detections(void const* data, size_t size) {
    EXPECT(size == sizeof(int));
    char const* at = static_cast<char const*>(data);
    boxes_ = take<int>(at);
  }
  int getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int, Dims const* in, int count) override {
    EXPECT(count == 2 && in[0].nbDims == 2 && in[1].nbDims == 2);
    return DimsCHW{1, kKept, 6};
  }
  bool supportsFormat(DataType type, PluginFormat format) const override {
    return type == DataType::kFLOAT && format == PluginFormat::kNCHW;
  }
  void configureWithFormat(Dims const* in, int, Dims const*, int, DataType type, PluginFormat, int most) override {
    EXPECT(type == DataType::kFLOAT && most == kMost);
    boxes_ = in[0].d[0];
  }
  int initialize() override { return 0; }
  void terminate() override {}
  size_t getWorkspaceSize(int most) const override { return static_cast<size_t>(most) * boxes_ * sizeof(int); }
  int enqueue(int batch, void const* const* inputs, void** outputs, void* workspace, cudaStream_t) override {
    for (int n = 0; n < batch; ++n) {
      float const* offsets = static_cast<float const*>(inputs[0]) + n * boxes_ * 4;
      float const* scores = static_cast<float const*>(inputs[1]) + n * boxes_ * kClasses;
      int* order = static_cast<int*>(workspace) + n * boxes_;
      std::iota(order, order + boxes_, 0);
      auto best = [scores](int box) { return std::max(scores[box * kClasses + 1], scores[box * kClasses + 2]); };
      std::sort(order, order + boxes_, [&](int a, int b) { return best(a) > best(b); });
      float* out = static_cast<float*>(outputs[0]) + n * kKept * 6;
      for (int k = 0; k < kKept; ++k, out += 6) {
        int const box = order[k];
        out[0] = scores[box * kClasses + 2] > scores[box * kClasses + 1] ? 2.0F : 1.0F;
        out[1] = best(box);
        std::copy(offsets + box * 4, offsets + box * 4 + 4, out + 2);
      }
    }
    return 0;
  }
  size_t getSerializationSize() override { return sizeof(int); }
  void serialize(void* buffer) override {
    char* at = static_cast<char*>(buffer);
    put(at, boxes_);
  }
  void configure(Dims const*, int, Dims const*, int, int) override {}

 private:
  int boxes_ = 0;
};

/// Every pixel's channels by their norm, times a scale.
class Normalize : public IPluginV2IOExt {
 public:
  Normalize(float scale, int channels, int pixels) : scale_(scale), channels_(channels), pixels_(pixels) {}
  int getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int, Dims const* in, int) override { return in[0]; }
  int initialize() override { return 0; }
  void terminate() override {}
  size_t getWorkspaceSize(int) const override { return 0; }
  int enqueue(int batch, void const* const* inputs, void** outputs, void*, cudaStream_t) override {
    auto const* x = static_cast<float const*>(inputs[0]);
    auto* y = static_cast<float*>(outputs[0]);
    for (int n = 0; n < batch; ++n) {
      for (int p = 0; p < pixels_; ++p) {
        float sum = 1e-6F;
        for (int c = 0; c < channels_; ++c) {
          float const v = x[(n * channels_ + c) * pixels_ + p];
          sum += v * v;
        }
        for (int c = 0; c < channels_; ++c) {
          y[(n * channels_ + c) * pixels_ + p] = scale_ * x[(n * channels_ + c) * pixels_ + p] / std::sqrt(sum);
        }
      }
    }
    return 0;
  }
  size_t getSerializationSize() const override { return sizeof(float) + 2 * sizeof(int); }
  void serialize(void* buffer) const override {
    char* at = static_cast<char*>(buffer);
    put(at, scale_);
    put(at, channels_);
    put(at, pixels_);
  }
  char const* getPluginType() const override { return "Normalize_Port"; }
  char const* getPluginVersion() const override { return "1"; }
  void destroy() override { delete this; }
  IPluginV2IOExt* clone() const override { return new Normalize(*this); }
  void setPluginNamespace(char const*) override {}
  char const* getPluginNamespace() const override { return ""; }
  DataType getOutputDataType(int, DataType const*, int) const override { return DataType::kFLOAT; }
  bool isOutputBroadcastAcrossBatch(int, bool const*, int) const override { return false; }
  bool canBroadcastInputAcrossBatch(int) const override { return false; }
  void configurePlugin(PluginTensorDesc const* in, int, PluginTensorDesc const*, int) override {
    channels_ = in[0].dims.d[0];
    pixels_ = in[0].dims.d[1] * in[0].dims.d[2];
  }
  bool supportsFormatCombination(int pos, PluginTensorDesc const* all, int, int) const override {
    return all[pos].type == DataType::kFLOAT && all[pos].format == TensorFormat::kLINEAR;
  }

 private:
  float scale_;
  int channels_, pixels_;
};

class NormalizeCreator : public IPluginCreator {
 public:
  char const* getPluginName() const override { return "Normalize_Port"; }
  char const* getPluginVersion() const override { return "1"; }
  PluginFieldCollection const* getFieldNames() override { return &none_; }
  IPluginV2* createPlugin(char const*, PluginFieldCollection const* fields) override {
    EXPECT(fields->nbFields == 1 && fields->fields[0].type == PluginFieldType::kFLOAT32);
    return new Normalize(*static_cast<float const*>(fields->fields[0].data), 0, 0);
  }
  IPluginV2* deserializePlugin(char const*, void const* data, size_t) override {
    char const* at = static_cast<char const*>(data);
    float const scale = take<float>(at);
    int const channels = take<int>(at);
    return new Normalize(scale, channels, take<int>(at));
  }
  void setPluginNamespace(char const*) override {}
  char const* getPluginNamespace() const override { return ""; }

 private:
  PluginFieldCollection none_{0, nullptr};
};
REGISTER_TENSORRT_PLUGIN(NormalizeCreator);

class Factory : public IPluginFactory {
 public:
  IPlugin* createPlugin(char const* layer, void const* data, size_t size) override {
    EXPECT(std::string(layer) == "detections");
    made.reset(new Detections(data, size));
    return made.get();
  }
  std::unique_ptr<Detections> made;
};

struct Model {
  std::vector<float> body = noise(kMaps * 3 * 9, 1), body_bias = noise(kMaps, 2),
                     offsets = noise(kAnchors * 4 * kMaps * 9, 3), scores = noise(kAnchors * kClasses * kMaps * 9, 4);
};

/// [anchors * width, h, w] as [h * w * anchors, width].
ITensor* rows(INetworkDefinition& network, ITensor& x, int width) {
  IShuffleLayer* shuffle = network.addShuffle(x);
  Permutation last{};
  last.order[0] = 1, last.order[1] = 2, last.order[2] = 0;
  shuffle->setFirstTranspose(last);
  shuffle->setReshapeDimensions(Dims2(kBoxes, width));
  return shuffle->getOutput(0);
}

void describe(INetworkDefinition& network, Model const& m, Detections& detections) {
  ITensor* x = network.addInput("image", DataType::kFLOAT, DimsCHW{3, kSide, kSide});
  IConvolutionLayer* body =
      network.addConvolution(*x, kMaps, DimsHW{3, 3}, weights_of(m.body), weights_of(m.body_bias));
  body->setStride(DimsHW{2, 2});
  body->setPadding(DimsHW{1, 1});
  ITensor* y = network.addActivation(*body->getOutput(0), ActivationType::kRELU)->getOutput(0);
  float const scale = 3.0F;
  PluginField const field("scale", &scale, PluginFieldType::kFLOAT32, 1);
  PluginFieldCollection const fields{1, &field};
  IPluginCreator* creator = getPluginRegistry()->getPluginCreator("Normalize_Port", "1");
  EXPECT(creator != nullptr);
  IPluginV2* normalize = creator->createPlugin("normalize", &fields);
  y = network.addPluginV2(&y, 1, *normalize)->getOutput(0);
  normalize->destroy();
  ITensor* parts[2];
  int const widths[2] = {4, kClasses};
  std::vector<float> const* kernels[2] = {&m.offsets, &m.scores};
  for (int i = 0; i < 2; ++i) {
    IConvolutionLayer* head =
        network.addConvolution(*y, kAnchors * widths[i], DimsHW{3, 3}, weights_of(*kernels[i]), no_weights());
    head->setPadding(DimsHW{1, 1});
    parts[i] = rows(network, *head->getOutput(0), widths[i]);
  }
  ISoftMaxLayer* softmax = network.addSoftMax(*parts[1]);
  softmax->setAxes(1U << 1);
  parts[1] = softmax->getOutput(0);
  IPluginLayer* layer = network.addPluginExt(parts, 2, detections);
  layer->setName("detections");
  layer->getOutput(0)->setName("found");
  network.markOutput(*layer->getOutput(0));
}

std::vector<double> expected(Model const& m, std::vector<float> const& images, int batch) {
  Maps y = apply(conv(maps_of(images, batch, 3, kSide, kSide), m.body, m.body_bias, kMaps, 3, 2, 1),
                 [](double v) { return v > 0 ? v : 0; });
  for (int n = 0; n < batch; ++n) {
    for (int p = 0; p < kGrid * kGrid; ++p) {
      double sum = 1e-6;
      for (int c = 0; c < kMaps; ++c) {
        sum += y.at(n, c, p / kGrid, p % kGrid) * y.at(n, c, p / kGrid, p % kGrid);
      }
      for (int c = 0; c < kMaps; ++c) {
        y.at(n, c, p / kGrid, p % kGrid) *= 3.0 / std::sqrt(sum);
      }
    }
  }
  Maps const offsets = conv(y, m.offsets, {}, kAnchors * 4, 3, 1, 1);
  Maps const scores = conv(y, m.scores, {}, kAnchors * kClasses, 3, 1, 1);
  std::vector<double> all;
  for (int n = 0; n < batch; ++n) {
    std::vector<std::vector<double>> boxes;
    for (int p = 0; p < kGrid * kGrid; ++p) {
      for (int a = 0; a < kAnchors; ++a) {
        std::vector<double> row;
        for (int c = 0; c < kClasses; ++c) {
          row.push_back(scores.at(n, a * kClasses + c, p / kGrid, p % kGrid));
        }
        row = softmax(row, 1);
        std::vector<double> box{row[2] > row[1] ? 2.0 : 1.0, std::max(row[1], row[2])};
        for (int i = 0; i < 4; ++i) {
          box.push_back(offsets.at(n, a * 4 + i, p / kGrid, p % kGrid));
        }
        boxes.push_back(box);
      }
    }
    std::sort(boxes.begin(), boxes.end(),
              [](std::vector<double> const& a, std::vector<double> const& b) { return a[1] > b[1]; });
    for (int k = 0; k < kKept; ++k) {
      all.insert(all.end(), boxes[k].begin(), boxes[k].end());
    }
  }
  return all;
}

void run(ICudaEngine& engine, Model const& m) {
  EXPECT(engine.getMaxBatchSize() == kMost && engine.getNbBindings() == 2);
  int const in = engine.getBindingIndex("image"), out = engine.getBindingIndex("found");
  IExecutionContext* context = engine.createExecutionContext();
  std::vector<size_t> counts(2);
  counts[in] = kMost * 3 * kSide * kSide;
  counts[out] = kMost * kKept * 6;
  Buffers buffers(counts);
  cudaEvent_t consumed = nullptr;
  EXPECT(cudaEventCreate(&consumed) == cudaSuccess);
  for (int batch : {1, 4, 3, 2}) {
    std::vector<float> const images =
        noise(static_cast<size_t>(batch) * 3 * kSide * kSide, 40 + static_cast<uint32_t>(batch));
    buffers.upload(static_cast<size_t>(in), images);
    EXPECT(batch % 2 ? context->execute(batch, buffers.bindings())
                     : context->enqueue(batch, buffers.bindings(), buffers.stream(), &consumed));
    EXPECT(error(buffers.download(static_cast<size_t>(out), static_cast<size_t>(batch) * kKept * 6),
                 expected(m, images, batch)) < 1e-4);
  }
  cudaEventDestroy(consumed);
  context->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  Model const model;
  IBuilder* builder = createInferBuilder(logger);
  builder->setMaxBatchSize(kMost);
  builder->setMaxWorkspaceSize(1 << 20);
  builder->setAverageFindIterations(1);
  builder->setMinFindIterations(1);
  builder->setDebugSync(false);
  builder->setStrictTypeConstraints(true);
  EXPECT(builder->getMaxBatchSize() == kMost && builder->getMaxWorkspaceSize() == 1 << 20);
  INetworkDefinition* network = builder->createNetwork();
  Detections detections;
  describe(*network, model, detections);
  ICudaEngine* engine = builder->buildCudaEngine(*network);
  EXPECT(engine != nullptr);
  run(*engine, model);
  IHostMemory* plan = engine->serialize();
  engine->destroy();
  network->destroy();
  builder->destroy();
  IRuntime* runtime = createInferRuntime(logger);
  Factory factory;
  engine = runtime->deserializeCudaEngine(plan->data(), plan->size(), &factory);
  EXPECT(engine != nullptr && factory.made != nullptr);
  plan->destroy();
  if (engine) {
    run(*engine, model);
    engine->destroy();
  }
  runtime->destroy();
  return finish(logger);
}
