// A program of TensorRT 10 and 11 like the execution provider of a framework: a model is asked for the parts that can
// be built, each part becomes an engine without weights that is kept and refitted from its model, sizes beyond the
// profile make a new profile and a new build, what nobody supports is computed by the framework between two engines,
// and initializers that the framework holds are handed to the parser.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>

#include "NvOnnxParser.h"
#include "client.h"
#include "reference.h"

using namespace nvinfer1;

namespace {

std::string folder;

std::string read_model(std::string const& name) {
  std::ifstream file(folder + "/" + name + ".onnx", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT(!bytes.empty());
  return bytes;
}

/// As models/make.py has them.
std::vector<float> pattern(size_t count) {
  std::vector<float> w(count);
  for (size_t i = 0; i < count; ++i) {
    w[i] = static_cast<float>((static_cast<int>(i * 37 % 41) - 20) / 25.0);
  }
  return w;
}

struct Range {
  Dims min, opt, max;
};

/// One part of a model.
class Part {
 public:
  Part(KeepingLogger& logger, std::string name) : logger_(logger), name_(std::move(name)), model_(read_model(name_)) {
    runtime_.reset(createInferRuntime(logger_));
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
  }
  Part(Part const&) = delete;
  Part& operator=(Part const&) = delete;
  ~Part() { cudaStreamDestroy(stream_); }

  std::vector<float> run(Dims const& dims, std::vector<float> const& x, Dims& out) {
    char const* input = nullptr;
    char const* output = nullptr;
    if (!engine_ || !fits(dims)) {
      widen(dims);
      build();
      ++builds;
    }
    for (int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
      char const* tensor = engine_->getIOTensorName(i);
      (engine_->getTensorIOMode(tensor) == TensorIOMode::kINPUT ? input : output) = tensor;
    }
    EXPECT(context_->setInputShape(input, dims));
    out = context_->getTensorShape(output);
    size_t count = 1;
    for (int32_t i = 0; i < out.nbDims; ++i) {
      count *= static_cast<size_t>(out.d[i]);
    }
    std::vector<float> y(count);
    void *device_x = nullptr, *device_y = nullptr;
    EXPECT(cudaMallocAsync(&device_x, x.size() * sizeof(float), stream_) == cudaSuccess);
    EXPECT(cudaMallocAsync(&device_y, count * sizeof(float), stream_) == cudaSuccess);
    EXPECT(cudaMemcpyAsync(device_x, x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice, stream_) ==
           cudaSuccess);
    EXPECT(context_->setTensorAddress(input, device_x) && context_->setTensorAddress(output, device_y));
    EXPECT(context_->enqueueV3(stream_));
    EXPECT(cudaMemcpyAsync(y.data(), device_y, count * sizeof(float), cudaMemcpyDeviceToHost, stream_) == cudaSuccess);
    EXPECT(cudaFreeAsync(device_x, stream_) == cudaSuccess && cudaFreeAsync(device_y, stream_) == cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream_) == cudaSuccess);
    return y;
  }
  int builds = 0;

 private:
  bool fits(Dims const& dims) const {
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      if (dims.d[i] < range_.min.d[i] || dims.d[i] > range_.max.d[i]) {
        return false;
      }
    }
    return true;
  }
  void widen(Dims const& dims) {
    if (!engine_) {
      range_ = Range{dims, dims, dims};
      return;
    }
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      range_.min.d[i] = std::min(range_.min.d[i], dims.d[i]);
      range_.max.d[i] = std::max(range_.max.d[i], dims.d[i]);
    }
    range_.opt = dims;
  }
  void build() {
    std::unique_ptr<IBuilder> builder(createInferBuilder(logger_));
    std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger_));
    bool const parsed = parser->parse(model_.data(), model_.size(), (folder + "/" + name_ + ".onnx").c_str());
    for (int32_t i = 0; i < parser->getNbErrors(); ++i) {
      std::fprintf(stderr, "node %d: %s\n", parser->getError(i)->node(), parser->getError(i)->desc());
    }
    EXPECT(parsed && parser->getNbErrors() == 0);
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    char const* input = network->getInput(0)->getName();
    EXPECT(network->getNbInputs() == 1 && profile->setDimensions(input, OptProfileSelector::kMIN, range_.min));
    EXPECT(profile->setDimensions(input, OptProfileSelector::kOPT, range_.opt));
    EXPECT(profile->setDimensions(input, OptProfileSelector::kMAX, range_.max));
    EXPECT(config->addOptimizationProfile(profile) >= 0);
    config->setFlag(BuilderFlag::kSTRIP_PLAN);
    config->setFlag(BuilderFlag::kREFIT_IDENTICAL);
    config->clearFlag(BuilderFlag::kTF32);
    config->setTacticSources(config->getTacticSources());
    std::unique_ptr<ITimingCache> times(config->createTimingCache(times_.data(), times_.size()));
    EXPECT(times && config->setTimingCache(*times, true));
    std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
    EXPECT(plan != nullptr);
    std::unique_ptr<IHostMemory> measured(config->getTimingCache()->serialize());
    times_.assign(static_cast<char const*>(measured->data()), measured->size());
    context_.reset();
    engine_.reset(runtime_->deserializeCudaEngine(plan->data(), plan->size()));
    EXPECT(engine_ && engine_->isRefittable());
    std::unique_ptr<IRefitter> refitter(createInferRefitter(*engine_, logger_));
    std::unique_ptr<nvonnxparser::IParserRefitter> weights(nvonnxparser::createParserRefitter(*refitter, logger_));
    EXPECT(weights->refitFromBytes(model_.data(), model_.size()) && weights->getNbErrors() == 0);
    EXPECT(refitter->getMissingWeights(0, nullptr) == 0 && refitter->refitCudaEngine());
    context_.reset(engine_->createExecutionContext());
    EXPECT(context_ != nullptr);
  }

  KeepingLogger& logger_;
  std::string name_, model_, times_;
  Range range_{};
  std::unique_ptr<IRuntime> runtime_;
  std::unique_ptr<ICudaEngine> engine_;
  std::unique_ptr<IExecutionContext> context_;
  cudaStream_t stream_ = nullptr;
};

/// Which nodes of the whole model can be built.
void partition(KeepingLogger& logger) {
  std::string const model = read_model("parts_whole");
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(!parser->supportsModelV2(model.data(), model.size()));
  std::set<int64_t> supported, others;
  for (int64_t i = 0; i < parser->getNbSubgraphs(); ++i) {
    int64_t count = 0;
    int64_t const* nodes = parser->getSubgraphNodes(i, count);
    (parser->isSubgraphSupported(i) ? supported : others).insert(nodes, nodes + count);
  }
  EXPECT((supported == std::set<int64_t>{0, 1, 3, 4, 5, 6}));
  EXPECT(others.empty() || others == std::set<int64_t>{2});
  EXPECT(parser->getNbErrors() > 0 && parser->getError(0)->node() == 2);
  EXPECT(std::string(parser->getError(0)->nodeOperator()) == "NoBodysOperator");
  EXPECT(std::string(parser->getError(0)->desc()).find("NoBodysOperator") != std::string::npos);
  parser->clearErrors();
  EXPECT(!parser->parse(model.data(), model.size()) && parser->getNbErrors() > 0);
  logger.errors.clear();
}

#if NV_TENSORRT_MAJOR >= 11
/// The last part, whose numbers the model does not hold.
void handed_over(KeepingLogger& logger, std::vector<float> const& x, Dims const& dims,
                 std::vector<float> const& wanted) {
  std::string const model = read_model("parts_end_without_data");
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(0));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  std::vector<float> const w2 = pattern(432), w3 = pattern(40), b3 = pattern(5);
  EXPECT(parser->loadModelProto(model.data(), model.size()));
  EXPECT(!parser->parseModelProto() && std::string(parser->getError(0)->desc()).find("'b3'") != std::string::npos);
  parser->clearErrors();
  logger.errors.clear();
  EXPECT(!parser->loadInitializer("w2", w2.data(), 4) && !parser->loadInitializer("w9", w2.data(), 4));
  parser->clearErrors();
  logger.errors.clear();
  EXPECT(parser->loadInitializer("w2", w2.data(), w2.size() * sizeof(float)));
  EXPECT(parser->loadInitializer("w3", w3.data(), w3.size() * sizeof(float)));
  EXPECT(parser->loadInitializer("b3", b3.data(), b3.size() * sizeof(float)));
  EXPECT(parser->parseModelProto() && parser->getNbErrors() == 0);
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  for (auto s : {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX}) {
    EXPECT(profile->setDimensions("s1", s, dims));
  }
  config->addOptimizationProfile(profile);
  config->clearFlag(BuilderFlag::kTF32);
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  std::unique_ptr<IExecutionContext> context(engine ? engine->createExecutionContext() : nullptr);
  EXPECT(context != nullptr);
  if (!context) {
    return;
  }
  void *device_x = nullptr, *device_y = nullptr;
  std::vector<float> y(wanted.size());
  cudaMalloc(&device_x, x.size() * sizeof(float));
  cudaMalloc(&device_y, y.size() * sizeof(float));
  cudaMemcpy(device_x, x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice);
  EXPECT(context->setInputShape("s1", dims) && context->setTensorAddress("s1", device_x));
  EXPECT(context->setTensorAddress("y", device_y) && context->enqueueV3(nullptr));
  cudaDeviceSynchronize();
  cudaMemcpy(y.data(), device_y, y.size() * sizeof(float), cudaMemcpyDeviceToHost);
  EXPECT(error(y, wanted) < 1e-6);
  cudaFree(device_x);
  cudaFree(device_y);
}
#endif

std::vector<double> reference(std::vector<float> const& x, int n, int side) {
  Maps m = conv(maps_of(x, n, 3, side, side), pattern(162), pattern(6), 6, 3, 1, 1);
  m = apply(m, [](double v) { return 2 * std::fmax(v, 0.0); });
  m = conv(m, pattern(432), {}, 8, 3, 2, 0);
  std::vector<double> means(static_cast<size_t>(n) * 8);
  for (size_t i = 0; i < m.v.size(); ++i) {
    means[i / (static_cast<size_t>(m.h) * m.w)] += m.v[i] / (m.h * m.w);
  }
  return dense(means, n, pattern(40), pattern(5), 5);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  folder = argv[1];
  KeepingLogger logger;
  partition(logger);
  Part begin(logger, "parts_begin"), end(logger, "parts_end");
  int const requests[][2] = {{2, 9}, {2, 9}, {1, 12}, {2, 11}, {5, 7}};  // batch and side
  for (int const* r : requests) {
    std::vector<float> const x = noise(static_cast<size_t>(r[0]) * 3 * r[1] * r[1], 3);
    Dims dims = Dims4{r[0], 3, r[1], r[1]};
    Dims between{}, out{};
    std::vector<float> s = begin.run(dims, x, between);
    EXPECT(between.nbDims == 4 && between.d[1] == 6 && between.d[3] == r[1]);
    for (float& v : s) {
      v *= 2.0F;  // the operator of nobody's
    }
    std::vector<float> const y = end.run(between, s, out);
    EXPECT(out.nbDims == 2 && out.d[0] == r[0] && out.d[1] == 5);
    EXPECT(error(y, reference(x, r[0], r[1])) < 1e-5);
#if NV_TENSORRT_MAJOR >= 11
    handed_over(logger, s, between, y);
#endif
  }
  EXPECT(begin.builds == 3 && end.builds == 3);
  for (std::string const& e : logger.errors) {
    std::fprintf(stderr, "%s\n", e.c_str());
  }
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
