// A TensorRT 10 program: layers that ask for types, INT8 by calibrators, their cache and dynamic ranges.
#include <cmath>
#include <cstring>
#include <map>
#include <memory>

#include "NvInferRuntime.h"
#include "client.h"

using namespace nvinfer1;

namespace {

constexpr int kRows = 4, kIn = 6, kHidden = 8, kOut = 3;

struct Model {
  std::vector<float> first, second;
  Model() {
    for (int i = 0; i < kIn * kHidden; ++i) {
      first.push_back(std::sin(0.7F * static_cast<float>(i)) * 0.5F);
    }
    for (int i = 0; i < kHidden * kOut; ++i) {
      second.push_back(std::cos(0.3F * static_cast<float>(i)) * 0.5F);
    }
  }
};

struct Parts {
  ITensor* x;
  ILayer* first;
  ILayer* relu;
  ILayer* second;
};

// y = relu(x first) second
Parts describe(INetworkDefinition& network, Model const& m) {
  Parts p;
  p.x = network.addInput("x", DataType::kFLOAT, Dims2{kRows, kIn});
  ITensor* w =
      network.addConstant(Dims2{kIn, kHidden}, Weights{DataType::kFLOAT, m.first.data(), kIn * kHidden})->getOutput(0);
  ITensor* v = network.addConstant(Dims2{kHidden, kOut}, Weights{DataType::kFLOAT, m.second.data(), kHidden * kOut})
                   ->getOutput(0);
  p.first = network.addMatrixMultiply(*p.x, MatrixOperation::kNONE, *w, MatrixOperation::kNONE);
  p.first->setName("first");
  p.first->getOutput(0)->setName("first_out");
  p.relu = network.addActivation(*p.first->getOutput(0), ActivationType::kRELU);
  p.relu->setName("relu");
  p.relu->getOutput(0)->setName("relu_out");
  p.second = network.addMatrixMultiply(*p.relu->getOutput(0), MatrixOperation::kNONE, *v, MatrixOperation::kNONE);
  p.second->setName("second");
  p.second->getOutput(0)->setName("y");
  network.markOutput(*p.second->getOutput(0));
  return p;
}

std::vector<float> input() {
  std::vector<float> x;
  for (int i = 0; i < kRows * kIn; ++i) {
    x.push_back(std::sin(1.3F * static_cast<float>(i)) * 2.0F);
  }
  return x;
}

std::vector<double> expected(Model const& m, std::vector<float> const& x) {
  std::vector<double> y(kRows * kOut, 0.0);
  for (int r = 0; r < kRows; ++r) {
    for (int h = 0; h < kHidden; ++h) {
      double sum = 0;
      for (int i = 0; i < kIn; ++i) {
        sum += static_cast<double>(x[r * kIn + i]) * static_cast<double>(m.first[i * kHidden + h]);
      }
      for (int o = 0; o < kOut && sum > 0; ++o) {
        y[r * kOut + o] += sum * static_cast<double>(m.second[h * kOut + o]);
      }
    }
  }
  return y;
}

double error_of(std::vector<float> const& y, std::vector<double> const& want) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(y[i] - want[i], 2);
    norm += std::pow(want[i], 2);
  }
  return std::sqrt(difference / norm);
}

struct Result {
  bool built = false;
  double error = 1;
  std::string layers;
};

Result build_and_run(IBuilder& builder, INetworkDefinition& network, IBuilderConfig& config, Model const& model) {
  Result result;
  config.setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(network, config));
  if (!engine) {
    return result;
  }
  result.built = true;
  std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
  result.layers = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  std::vector<float> x = input(), y(kRows * kOut);
  void* bindings[] = {x.data(), y.data()};
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(context->executeV2(bindings));
  result.error = error_of(y, expected(model, x));
  return result;
}

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

class Calibrator {
 public:
  bool give(void* bindings[], char const* names[], int32_t count) {
    EXPECT(count == 1 && std::string(names[0]) == "x");
    if (given_ == 3) {
      return false;
    }
    batch_ = input();
    for (float& v : batch_) {
      v *= 0.5F + 0.25F * static_cast<float>(given_);
    }
    ++given_;
    bindings[0] = batch_.data();
    return true;
  }
  int given_ = 0;
  std::string cache_;

 private:
  std::vector<float> batch_;
};

template <class Base>
class Of : public Base, public Calibrator {
 public:
  int32_t getBatchSize() const noexcept override { return kRows; }
  bool getBatch(void* bindings[], char const* names[], int32_t count) noexcept override {
    return give(bindings, names, count);
  }
  void const* readCalibrationCache(size_t& length) noexcept override {
    length = cache_.size();
    return cache_.empty() ? nullptr : cache_.data();
  }
  void writeCalibrationCache(void const* data, size_t length) noexcept override {
    cache_.assign(static_cast<char const*>(data), length);
  }
};

class Legacy : public Of<IInt8LegacyCalibrator> {
 public:
  double getQuantile() const noexcept override { return 0.999; }
  double getRegressionCutoff() const noexcept override { return 1.0; }
  void const* readHistogramCache(size_t&) noexcept override { return nullptr; }
  void writeHistogramCache(void const*, size_t) noexcept override {}
};

template <class C>
void calibrated(IBuilder& builder, Model const& model, char const* header) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  describe(*network, model);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  C calibrator;
  config->setInt8Calibrator(&calibrator);
  Result const r = build_and_run(builder, *network, *config, model);
  EXPECT(r.built && r.error > 1e-4 && r.error < 0.05);
  EXPECT(has(r.layers, "\"Precision\": \"Int8\"") && has(r.layers, "Row-major linear Int8"));
  EXPECT(calibrator.given_ == 3);
  EXPECT(calibrator.cache_.rfind("TRT-", 0) == 0 && has(calibrator.cache_, header));
  EXPECT(has(calibrator.cache_, "\nx: ") && has(calibrator.cache_, "\nrelu_out: "));
  calibrator.given_ = 0;  // now from the cache
  Result const again = build_and_run(builder, *network, *config, model);
  EXPECT(again.built && calibrator.given_ == 0 && again.error == r.error);
  calibrator.cache_ = "no cache";
  EXPECT(!build_and_run(builder, *network, *config, model).built);
}

void ranges(IBuilder& builder, Model const& model) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  Parts const p = describe(*network, model);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  EXPECT(p.x->setDynamicRange(-2.0F, 2.0F) && p.relu->getOutput(0)->setDynamicRange(0.0F, 3.0F));
  EXPECT(!p.x->setDynamicRange(1.0F, -1.0F) && p.x->dynamicRangeIsSet() && p.x->getDynamicRangeMax() == 2.0F);
  Result const both = build_and_run(builder, *network, *config, model);
  EXPECT(both.built && both.error > 1e-4 && both.error < 0.05);
  p.second->setPrecision(DataType::kFLOAT);
  config->setFlag(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
  Result const one = build_and_run(builder, *network, *config, model);
  EXPECT(one.built && one.error > 0 && one.error != both.error);
  p.x->resetDynamicRange();
  p.relu->getOutput(0)->resetDynamicRange();
  p.second->resetPrecision();
  EXPECT(build_and_run(builder, *network, *config, model).error < 1e-6);  // a warning says that kINT8 has no effect
}

void precisions(IBuilder& builder, Model const& model, KeepingLogger& logger) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  Parts const p = describe(*network, model);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
  p.first->setPrecision(DataType::kHALF);
  EXPECT(p.first->precisionIsSet() && p.first->getPrecision() == DataType::kHALF);
  size_t const before = logger.errors.size();
  Result const refused = build_and_run(builder, *network, *config, model);
  EXPECT(!refused.built);  // kFP16 is not set
  EXPECT(logger.errors.size() == before + 1 && has(logger.errors.back(), "'first'"));
  config->setFlag(BuilderFlag::kFP16);
  Result const half = build_and_run(builder, *network, *config, model);
  EXPECT(half.built && half.error > 1e-6 && half.error < 2e-3 && has(half.layers, "\"Precision\": \"FP16\""));
  p.first->setPrecision(DataType::kFLOAT);
  p.second->setPrecision(DataType::kFLOAT);
  Result const full = build_and_run(builder, *network, *config, model);
  EXPECT(full.built && full.error < 1e-6 && !has(full.layers, "FP16"));
  config->clearFlag(BuilderFlag::kFP16);
  p.relu->setOutputType(0, DataType::kHALF);
  EXPECT(p.relu->outputTypeIsSet(0) && p.relu->getOutput(0)->getType() == DataType::kHALF);
  Result const stored = build_and_run(builder, *network, *config, model);
  EXPECT(stored.built && stored.error > 1e-6 && stored.error < 2e-3 && has(stored.layers, "Row-major linear FP16"));
}

void tensor_types(IBuilder& builder) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{1, 4});
  IIdentityLayer* whole = network->addIdentity(*x);
  whole->setOutputType(0, DataType::kINT32);
  EXPECT(whole->getOutput(0)->getType() == DataType::kINT32);
  ITensor* sum =
      network->addElementWise(*whole->getOutput(0), *whole->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0);
  EXPECT(sum->getType() == DataType::kINT32);
  network->markOutput(*sum);
  ITensor* same = network->addIdentity(*x)->getOutput(0);
  network->markOutput(*same);
  same->setDynamicRange(-4.0F, 4.0F);
  same->setType(DataType::kINT8);
  x->setType(DataType::kHALF);
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  EXPECT(engine != nullptr);
  if (!engine) {
    return;
  }
  EXPECT(engine->getTensorDataType("x") == DataType::kHALF);
  EXPECT(engine->getTensorDataType(engine->getIOTensorName(2)) == DataType::kINT8);
  uint16_t halves[] = {0x3C00, 0xC100, 0x4200, 0x3800};  // 1, -2.5, 3, 0.5
  int32_t sums[4];
  int8_t rounded[4];
  void* bindings[] = {halves, sums, rounded};
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  EXPECT(context->executeV2(bindings));
  EXPECT(sums[0] == 2 && sums[1] == -4 && sums[2] == 6 && sums[3] == 0);
  EXPECT(rounded[0] == 32 && rounded[1] == -79 && rounded[2] == 95 && rounded[3] == 16);
}

void strong(IBuilder& builder, Model const& model, KeepingLogger& logger) {
  auto const flag = 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(flag));
  Parts const p = describe(*network, model);
  size_t const before = logger.errors.size();
  p.first->setPrecision(DataType::kHALF);
  p.relu->setOutputType(0, DataType::kHALF);
  p.relu->getOutput(0)->setType(DataType::kHALF);
  EXPECT(logger.errors.size() == before + 3 && !p.first->precisionIsSet() && !p.relu->outputTypeIsSet(0));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  EXPECT(build_and_run(builder, *network, *config, model).error < 1e-6);
  config->setFlag(BuilderFlag::kFP16);
  EXPECT(!build_and_run(builder, *network, *config, model).built);
}

// dequantize(quantize(x)) in the network itself.
void explicit_rounding(IBuilder& builder, Model const& model) {
  std::unique_ptr<INetworkDefinition> network(builder.createNetworkV2(0));
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{kRows, kIn});
  float const step = 2.0F / 127.0F;
  Dims scalar{};
  ITensor* scale = network->addConstant(scalar, Weights{DataType::kFLOAT, &step, 1})->getOutput(0);
  ITensor* q = network->addQuantize(*x, *scale, DataType::kINT8)->getOutput(0);
  ITensor* d = network->addDequantize(*q, *scale, DataType::kFLOAT)->getOutput(0);
  ITensor* w = network->addConstant(Dims2{kIn, kHidden}, Weights{DataType::kFLOAT, model.first.data(), kIn * kHidden})
                   ->getOutput(0);
  ITensor* v =
      network->addConstant(Dims2{kHidden, kOut}, Weights{DataType::kFLOAT, model.second.data(), kHidden * kOut})
          ->getOutput(0);
  ITensor* a = network->addMatrixMultiply(*d, MatrixOperation::kNONE, *w, MatrixOperation::kNONE)->getOutput(0);
  ITensor* b = network->addActivation(*a, ActivationType::kRELU)->getOutput(0);
  network->markOutput(
      *network->addMatrixMultiply(*b, MatrixOperation::kNONE, *v, MatrixOperation::kNONE)->getOutput(0));
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  Result const r = build_and_run(builder, *network, *config, model);
  EXPECT(r.built && r.error > 1e-4 && r.error < 0.03 && has(r.layers, "\"Precision\": \"Int8\""));
}

}  // namespace

int main() {
  KeepingLogger logger;
  Model const model;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  calibrated<Of<IInt8EntropyCalibrator2>>(*builder, model, "-EntropyCalibration2\n");
  calibrated<Of<IInt8EntropyCalibrator>>(*builder, model, "-EntropyCalibration\n");
  calibrated<Of<IInt8MinMaxCalibrator>>(*builder, model, "-MinMaxCalibration\n");
  calibrated<Legacy>(*builder, model, "-LegacyCalibration\n");
  ranges(*builder, model);
  precisions(*builder, model, logger);
  tensor_types(*builder);
  strong(*builder, model, logger);
  explicit_rounding(*builder, model);
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
