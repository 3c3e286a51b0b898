// LeNet from a .wts text file, as model zoos of TensorRT 7 wrote it: implicit batch, plan in a file, enqueue with a
// batch.
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "common.h"

using namespace nvinfer1;

namespace {

using WeightMap = std::map<std::string, std::vector<float>>;

WeightMap trained() {
  WeightMap w;
  w["conv1.weight"] = noise(6 * 25, 1);
  w["conv1.bias"] = noise(6, 2);
  w["conv2.weight"] = noise(16 * 6 * 25, 3);
  w["conv2.bias"] = noise(16, 4);
  w["fc1.weight"] = noise(32 * 256, 5);
  w["fc1.bias"] = noise(32, 6);
  w["fc2.weight"] = noise(10 * 32, 7);
  w["fc2.bias"] = noise(10, 8);
  for (auto& entry : w) {
    for (float& v : entry.second) {
      v *= 0.2F;
    }
  }
  return w;
}

void save_wts(WeightMap const& weights, std::string const& path) {
  std::ofstream file(path);
  file << weights.size() << "\n";
  for (auto const& entry : weights) {
    file << entry.first << " " << std::dec << entry.second.size();
    for (float v : entry.second) {
      uint32_t bits;
      std::memcpy(&bits, &v, sizeof(bits));
      file << " " << std::hex << bits;
    }
    file << "\n";
  }
}

std::map<std::string, Weights> load_wts(std::string const& path) {
  std::ifstream file(path);
  EXPECT(file.is_open());
  int count = 0;
  file >> count;
  std::map<std::string, Weights> weights;
  while (count-- > 0) {
    std::string name;
    uint32_t size = 0;
    file >> name >> std::dec >> size;
    uint32_t* values = static_cast<uint32_t*>(std::malloc(sizeof(uint32_t) * size));
    for (uint32_t i = 0; i < size; ++i) {
      file >> std::hex >> values[i];
    }
    weights[name] = Weights{DataType::kFLOAT, values, size};
  }
  return weights;
}

ICudaEngine* create_engine(unsigned int max_batch, IBuilder* builder, IBuilderConfig* config, std::string const& wts) {
  INetworkDefinition* network = builder->createNetworkV2(0U);
  ITensor* data = network->addInput("data", DataType::kFLOAT, Dims3{1, 28, 28});
  std::map<std::string, Weights> weights = load_wts(wts);
  IConvolutionLayer* conv1 =
      network->addConvolution(*data, 6, DimsHW{5, 5}, weights["conv1.weight"], weights["conv1.bias"]);
  conv1->setStride(DimsHW{1, 1});
  IActivationLayer* relu1 = network->addActivation(*conv1->getOutput(0), ActivationType::kRELU);
  IPoolingLayer* pool1 = network->addPooling(*relu1->getOutput(0), PoolingType::kAVERAGE, DimsHW{2, 2});
  pool1->setStride(DimsHW{2, 2});
  IConvolutionLayer* conv2 =
      network->addConvolution(*pool1->getOutput(0), 16, DimsHW{5, 5}, weights["conv2.weight"], weights["conv2.bias"]);
  IActivationLayer* relu2 = network->addActivation(*conv2->getOutput(0), ActivationType::kRELU);
  IPoolingLayer* pool2 = network->addPooling(*relu2->getOutput(0), PoolingType::kMAX, DimsHW{2, 2});
  pool2->setStride(DimsHW{2, 2});
  IFullyConnectedLayer* fc1 =
      network->addFullyConnected(*pool2->getOutput(0), 32, weights["fc1.weight"], weights["fc1.bias"]);
  IActivationLayer* relu3 = network->addActivation(*fc1->getOutput(0), ActivationType::kTANH);
  IFullyConnectedLayer* fc2 =
      network->addFullyConnected(*relu3->getOutput(0), 10, weights["fc2.weight"], weights["fc2.bias"]);
  ISoftMaxLayer* prob = network->addSoftMax(*fc2->getOutput(0));
  prob->getOutput(0)->setName("prob");
  network->markOutput(*prob->getOutput(0));
  builder->setMaxBatchSize(static_cast<int32_t>(max_batch));
  config->setMaxWorkspaceSize(16 << 20);
  ICudaEngine* engine = builder->buildEngineWithConfig(*network, *config);
  network->destroy();
  for (auto& entry : weights) {
    std::free(const_cast<void*>(entry.second.values));
  }
  return engine;
}

std::vector<double> reference(WeightMap w, std::vector<float> const& image) {
  auto relu = [](double v) { return std::fmax(v, 0.0); };
  Maps x = maps_of(image, 1, 1, 28, 28);
  x = pool(apply(conv(x, w["conv1.weight"], w["conv1.bias"], 6, 5, 1, 0), relu), 2, 2, true);
  x = pool(apply(conv(x, w["conv2.weight"], w["conv2.bias"], 16, 5, 1, 0), relu), 2, 2, false);
  std::vector<double> hidden = dense(x.v, 1, w["fc1.weight"], w["fc1.bias"], 32);
  for (double& v : hidden) {
    v = std::tanh(v);
  }
  return softmax(dense(hidden, 1, w["fc2.weight"], w["fc2.bias"], 10), 1);
}

void infer(ICudaEngine& engine, WeightMap const& weights) {
  int const batch = 3;
  IExecutionContext* context = engine.createExecutionContext();
  EXPECT(engine.getNbBindings() == 2);
  int const input = engine.getBindingIndex("data");
  int const output = engine.getBindingIndex("prob");
  EXPECT(input == 0 && output == 1 && engine.getMaxBatchSize() == 4);
  std::vector<float> const images = noise(batch * 28 * 28, 99);
  Buffers buffers({images.size(), 10 * batch});
  buffers.upload(0, images);
  EXPECT(context->enqueue(batch, buffers.bindings(), buffers.stream(), nullptr));
  std::vector<float> const prob = buffers.download(1);
  for (int n = 0; n < batch; ++n) {
    std::vector<float> const image(images.begin() + n * 784, images.begin() + (n + 1) * 784);
    std::vector<float> const row(prob.begin() + n * 10, prob.begin() + (n + 1) * 10);
    EXPECT(error(row, reference(weights, image)) < 1e-5);
  }
  context->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  std::string const stem = "lenet_" + std::to_string(NV_TENSORRT_MAJOR);
  WeightMap const weights = trained();
  save_wts(weights, stem + ".wts");
  {
    IBuilder* builder = createInferBuilder(logger);
    IBuilderConfig* config = builder->createBuilderConfig();
    ICudaEngine* engine = create_engine(4, builder, config, stem + ".wts");
    EXPECT(engine != nullptr);
    IHostMemory* stream = engine->serialize();
    std::ofstream file(stem + ".engine", std::ios::binary);
    file.write(static_cast<char const*>(stream->data()), static_cast<std::streamsize>(stream->size()));
    stream->destroy();
    engine->destroy();
    config->destroy();
    builder->destroy();
  }
  std::ifstream file(stem + ".engine", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  std::string const plan = bytes.str();
  IRuntime* runtime = createInferRuntime(logger);
  ICudaEngine* engine = runtime->deserializeCudaEngine(plan.data(), plan.size(), nullptr);
  EXPECT(engine != nullptr && engine->hasImplicitBatchDimension());
  infer(*engine, weights);
  engine->destroy();
  runtime->destroy();
  std::remove((stem + ".wts").c_str());
  std::remove((stem + ".engine").c_str());
  return finish(logger);
}
