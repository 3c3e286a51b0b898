// An ONNX classifier parsed, its layers looked at, built for batches of 1 to 8, saved, loaded and run on scans.
#include <fstream>
#include <sstream>

#include "NvOnnxParser.h"
#include "common.h"

using namespace nvinfer1;

namespace {

std::string read_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

/// A binary PGM of 8 x 8 grey values.
std::vector<float> read_pgm(std::string const& path) {
  std::istringstream file(read_file(path));
  std::string magic;
  int width = 0, height = 0, most = 0;
  file >> magic >> width >> height >> most;
  EXPECT(magic == "P5" && width == 8 && height == 8);
  file.get();
  std::vector<float> values;
  for (int i = 0; i < 64; ++i) {
    values.push_back(static_cast<float>(file.get()));
  }
  return values;
}

}  // namespace

int main(int argc, char** argv) {
  KeepingLogger logger;
  std::string const samples = argc > 1 ? argv[1] : ".";
  IBuilder* builder = createInferBuilder(logger);
  // Without the explicit batch flag the parser cannot do its work, and says so.
  INetworkDefinition* implicit = builder->createNetworkV2(0U);
  nvonnxparser::IParser* refusing = nvonnxparser::createParser(*implicit, logger);
  EXPECT(!refusing->parseFromFile((samples + "/digits.onnx").c_str(), 1) && refusing->getNbErrors() > 0);
  refusing->destroy();
  implicit->destroy();
  EXPECT(!logger.errors.empty());
  logger.errors.clear();

  INetworkDefinition* network = builder->createNetworkV2(explicit_batch());
  nvonnxparser::IParser* parser = nvonnxparser::createParser(*network, logger);
  EXPECT(parser->parseFromFile((samples + "/digits.onnx").c_str(), static_cast<int>(ILogger::Severity::kWARNING)));
  EXPECT(parser->getNbErrors() == 0 && parser->supportsOperator("Conv") && !parser->supportsOperator("NoSuchOperator"));
  EXPECT(network->getNbInputs() == 1 && network->getNbOutputs() == 1);
  int convolutions = 0;
  for (int i = 0; i < network->getNbLayers(); ++i) {
    convolutions += network->getLayer(i)->getType() == LayerType::kCONVOLUTION;
  }
  EXPECT(convolutions == 2 && network->getInput(0)->getDimensions().d[0] == -1);
  IBuilderConfig* config = builder->createBuilderConfig();
  config->setMaxWorkspaceSize(1U << 20);
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  char const* input = network->getInput(0)->getName();
  profile->setDimensions(input, OptProfileSelector::kMIN, Dims4{1, 1, 8, 8});
  profile->setDimensions(input, OptProfileSelector::kOPT, Dims4{4, 1, 8, 8});
  profile->setDimensions(input, OptProfileSelector::kMAX, Dims4{8, 1, 8, 8});
  config->addOptimizationProfile(profile);
  ICudaEngine* built = builder->buildEngineWithConfig(*network, *config);
  EXPECT(built != nullptr);
  IHostMemory* plan = built->serialize();
  IRuntime* runtime = createInferRuntime(logger);
  ICudaEngine* engine = runtime->deserializeCudaEngine(plan->data(), plan->size(), nullptr);
  IExecutionContext* context = engine->createExecutionContext();
  char const* names[] = {"0003_3.pgm", "0005_5.pgm", "0009_9.pgm"};
  std::vector<float> scans;
  for (char const* name : names) {
    std::vector<float> const scan = read_pgm(samples + "/scans/" + name);
    scans.insert(scans.end(), scan.begin(), scan.end());
  }
  EXPECT(context->setBindingDimensions(0, Dims4{3, 1, 8, 8}));
  Buffers buffers({scans.size(), 30});
  buffers.upload(0, scans);
  EXPECT(context->enqueueV2(buffers.bindings(), buffers.stream(), nullptr));
  std::vector<float> const scores = buffers.download(1);
  for (int n = 0; n < 3; ++n) {
    int best = 0;
    for (int i = 1; i < 10; ++i) {
      best = scores[n * 10 + i] > scores[n * 10 + best] ? i : best;
    }
    EXPECT(best == names[n][5] - '0');
  }
  context->destroy();
  engine->destroy();
  runtime->destroy();
  plan->destroy();
  built->destroy();
  config->destroy();
  parser->destroy();
  network->destroy();
  builder->destroy();
  return finish(logger);
}
