// A TensorRT 8 program: a classifier from ONNX in INT8, calibrated on a part of its scans, judged on all of them.
//   digits_int8_8 MODEL.onnx SCANS
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "NvOnnxParser.h"
#include "client.h"

using namespace nvinfer1;

namespace {

constexpr int kPixels = 64, kBatch = 8, kCalibrated = 10;

struct Scans {
  std::vector<float> pixels;
  std::vector<int> labels;
};

// <index>_<label>.pgm: "P5 8 8 16", then 64 bytes.
Scans load(std::string const& folder) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  EXPECT(directory != nullptr);
  while (dirent const* entry = directory ? readdir(directory) : nullptr) {
    if (std::string(entry->d_name).find(".pgm") != std::string::npos) {
      names.push_back(entry->d_name);
    }
  }
  if (directory) {
    closedir(directory);
  }
  std::sort(names.begin(), names.end());
  Scans scans;
  for (std::string const& name : names) {
    std::ifstream file(folder + "/" + name, std::ios::binary);
    std::string const bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    EXPECT(bytes.size() >= kPixels);
    for (size_t i = bytes.size() - kPixels; i < bytes.size(); ++i) {
      scans.pixels.push_back(static_cast<float>(static_cast<unsigned char>(bytes[i])));
    }
    scans.labels.push_back(name[name.find('_') + 1] - '0');
  }
  return scans;
}

class Calibrator : public IInt8EntropyCalibrator2 {
 public:
  explicit Calibrator(Scans const& scans) : scans_(scans) {}
  int32_t getBatchSize() const noexcept override { return kBatch; }
  bool getBatch(void* bindings[], char const* names[], int32_t count) noexcept override {
    EXPECT(count == 1 && names[0] != nullptr);
    if (given_ == kCalibrated) {
      return false;
    }
    bindings[0] = const_cast<float*>(scans_.pixels.data()) + given_++ * kBatch * kPixels;
    return true;
  }
  void const* readCalibrationCache(size_t& length) noexcept override { return length = 0, nullptr; }
  void writeCalibrationCache(void const* data, size_t length) noexcept override {
    cache.assign(static_cast<char const*>(data), length);
  }
  std::string cache;

 private:
  Scans const& scans_;
  int given_ = 0;
};

int right_answers(ICudaEngine& engine, Scans const& scans) {
  std::unique_ptr<IExecutionContext> context(engine.createExecutionContext());
  int right = 0;
  for (size_t first = 0; first + kBatch <= scans.labels.size(); first += kBatch) {
    Dims dims = engine.getBindingDimensions(0);
    dims.d[0] = kBatch;
    EXPECT(context->setBindingDimensions(0, dims));
    float scores[kBatch][10];
    void* bindings[] = {const_cast<float*>(scans.pixels.data()) + first * kPixels, scores};
    EXPECT(context->executeV2(bindings));
    for (int i = 0; i < kBatch; ++i) {
      right += std::max_element(scores[i], scores[i] + 10) - scores[i] == scans.labels[first + i];
    }
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  KeepingLogger logger;
  Scans const scans = load(argc > 2 ? argv[2] : ".");
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  uint32_t const flags = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(flags));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(argc > 1 && parser->parseFromFile(argv[1], static_cast<int>(ILogger::Severity::kWARNING)));
  if (failures() == 0) {
    ITensor* input = network->getInput(0);
    std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
    IOptimizationProfile* profile = builder->createOptimizationProfile();
    for (int select = 0; select < 3; ++select) {
      Dims dims = input->getDimensions();
      dims.d[0] = select == 0 ? 1 : kBatch;
      EXPECT(profile->setDimensions(input->getName(), static_cast<OptProfileSelector>(select), dims));
    }
    EXPECT(config->addOptimizationProfile(profile) == 0 && config->setCalibrationProfile(profile));
    EXPECT(builder->platformHasFastInt8());
    Calibrator calibrator(scans);
    config->setFlag(BuilderFlag::kINT8);
    config->setInt8Calibrator(&calibrator);
    config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
    std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
    EXPECT(engine != nullptr && calibrator.cache.find("EntropyCalibration2\n") != std::string::npos);
    if (engine) {
      int const right = right_answers(*engine, scans);
      std::printf("INT8: %d of %d scans\n", right, static_cast<int>(scans.labels.size()));
      EXPECT(scans.labels.size() == 360 && right >= 353);  // 98 %
      std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
      std::string const layers = inspector->getEngineInformation(LayerInformationFormat::kJSON);
      EXPECT(layers.find("\"Precision\": \"Int8\"") != std::string::npos);
    }
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
