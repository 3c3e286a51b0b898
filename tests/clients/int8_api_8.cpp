// A TensorRT 8 program like the INT8 API sample: an ONNX model, the range of every tensor given by hand (constants'
// from their weights), layers' precisions and output types set one by one, no calibrator.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "NvInfer.h"
#include "NvOnnxParser.h"
#include "client.h"

using namespace nvinfer1;

namespace {

using Ranges = std::map<std::string, float>;

/// Runs the parsed network in FP32 with every tensor as an output and keeps the largest magnitudes.
Ranges measure(IBuilder& builder, ILogger& logger, char const* path, std::vector<float> const& image) {
  std::unique_ptr<INetworkDefinition> network(
      builder.createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->parseFromFile(path, static_cast<int>(ILogger::Severity::kWARNING)));
  network->getInput(0)->setDimensions(Dims4(1, 1, 8, 8));
  for (int i = 0; i < network->getNbLayers(); ++i) {
    ILayer* layer = network->getLayer(i);
    for (int o = 0; layer->getType() != LayerType::kCONSTANT && o < layer->getNbOutputs(); ++o) {
      if (!layer->getOutput(o)->isNetworkOutput() && layer->getOutput(o)->getType() == DataType::kFLOAT) {
        network->markOutput(*layer->getOutput(o));
      }
    }
  }
  std::unique_ptr<IBuilderConfig> config(builder.createBuilderConfig());
  std::unique_ptr<ICudaEngine> engine(builder.buildEngineWithConfig(*network, *config));
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<std::vector<float>> memory;
  std::vector<void*> bindings;
  for (int i = 0; i < engine->getNbBindings(); ++i) {
    Dims const dims = engine->getBindingDimensions(i);
    size_t count = 1;
    for (int d = 0; d < dims.nbDims; ++d) {
      count *= static_cast<size_t>(std::max(1, dims.d[d]));
    }
    memory.emplace_back(count);
    if (engine->bindingIsInput(i)) {
      memory.back() = image;
      memory.back().resize(count);
      Dims fixed = dims;
      fixed.d[0] = 1;
      context->setBindingDimensions(i, fixed);
    }
  }
  for (std::vector<float>& m : memory) {
    bindings.push_back(m.data());
  }
  EXPECT(context->executeV2(bindings.data()));
  Ranges ranges;
  for (int i = 0; i < engine->getNbBindings(); ++i) {
    float most = 1e-3F;
    for (float v : memory[static_cast<size_t>(i)]) {
      most = std::max(most, std::fabs(v));
    }
    ranges[engine->getBindingName(i)] = most;
  }
  return ranges;
}

void set_layer_precision(INetworkDefinition& network) {
  for (int i = 0; i < network.getNbLayers(); ++i) {
    ILayer* layer = network.getLayer(i);
    if (layer->getType() == LayerType::kCONSTANT || layer->getType() == LayerType::kCONCATENATION ||
        layer->getType() == LayerType::kSHAPE || layer->getType() == LayerType::kSHUFFLE) {
      continue;
    }
    layer->setPrecision(DataType::kINT8);
    for (int o = 0; o < layer->getNbOutputs(); ++o) {
      if (layer->getOutput(o)->isExecutionTensor() && !layer->getOutput(o)->isNetworkOutput()) {
        layer->setOutputType(o, DataType::kINT8);
      }
    }
  }
}

void set_dynamic_range(INetworkDefinition& network, Ranges const& ranges) {
  for (int i = 0; i < network.getNbInputs(); ++i) {
    auto known = ranges.find(network.getInput(i)->getName());
    EXPECT(known != ranges.end() && network.getInput(i)->setDynamicRange(-known->second, known->second));
  }
  for (int i = 0; i < network.getNbLayers(); ++i) {
    ILayer* layer = network.getLayer(i);
    for (int o = 0; o < layer->getNbOutputs(); ++o) {
      ITensor* tensor = layer->getOutput(o);
      auto known = ranges.find(tensor->getName());
      if (known != ranges.end()) {
        EXPECT(tensor->setDynamicRange(-known->second, known->second));
      } else if (layer->getType() == LayerType::kCONSTANT) {
        Weights const weights = static_cast<IConstantLayer*>(layer)->getWeights();
        double most = 1e-3;
        for (int64_t w = 0; w < weights.count; ++w) {
          if (weights.type == DataType::kFLOAT) {
            most = std::max(most, std::fabs(static_cast<double>(static_cast<float const*>(weights.values)[w])));
          } else if (weights.type == DataType::kINT32) {
            most = std::max(most, std::fabs(static_cast<double>(static_cast<int32_t const*>(weights.values)[w])));
          }
        }
        EXPECT(tensor->setDynamicRange(static_cast<float>(-most), static_cast<float>(most)));
      }
    }
  }
}

}  // namespace

int main(int, char** argv) {
  KeepingLogger logger;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  EXPECT(builder->platformHasFastInt8());
  std::vector<float> image(8 * 8);
  for (size_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<float>(i % 7) / 7.0F;
  }
  Ranges const ranges = measure(*builder, logger, argv[1], image);
  std::unique_ptr<INetworkDefinition> network(
      builder->createNetworkV2(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)));
  std::unique_ptr<nvonnxparser::IParser> parser(nvonnxparser::createParser(*network, logger));
  EXPECT(parser->parseFromFile(argv[1], 1));
  network->getInput(0)->setDimensions(Dims4(1, 1, 8, 8));
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  config->setFlag(BuilderFlag::kINT8);
  config->setFlag(BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
  config->setInt8Calibrator(nullptr);
  config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  set_layer_precision(*network);
  set_dynamic_range(*network, ranges);
  std::unique_ptr<ICudaEngine> engine(builder->buildEngineWithConfig(*network, *config));
  EXPECT(engine != nullptr && logger.errors.empty());
  if (engine) {
    std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
    std::string const text = inspector->getEngineInformation(LayerInformationFormat::kJSON);
    EXPECT(text.find("Int8") != std::string::npos);
  }
  for (std::string const& e : logger.errors) {
    std::fprintf(stderr, "%s\n", e.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
