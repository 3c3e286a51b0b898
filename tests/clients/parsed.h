// What the programs share that look at parsed networks, at every release: a network from an ONNX file, its engine, and
// runs of it.
#pragma once
#include <cuda_runtime_api.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "NvOnnxParser.h"
#include "client.h"

inline std::vector<char> read_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

template <class T>
void end(T* object) {
#if NV_TENSORRT_MAJOR < 10
  object->destroy();
#else
  delete object;
#endif
}

/// A builder, a network and the parser that filled it.
struct ParsedModel {
  /// `batch`: the first dimension of input 0, if the model leaves it open; 0 leaves it to set_batch.
  ParsedModel(KeepingLogger& log, std::vector<char> const& model, int batch)
      : messages(log), builder(nvinfer1::createInferBuilder(log)) {
    uint32_t const flags =
#if NV_TENSORRT_MAJOR < 11
        1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#else
        0;
#endif
    network = builder->createNetworkV2(flags);
    parser = nvonnxparser::createParser(*network, log);
    EXPECT(parser->parse(model.data(), model.size()));
    if (batch > 0) {
      set_batch(batch);
    }
  }
  void set_batch(int batch) {
    nvinfer1::Dims dims = network->getInput(0)->getDimensions();
    if (dims.d[0] == -1) {
      dims.d[0] = batch;
      network->getInput(0)->setDimensions(dims);
    }
  }
  ParsedModel(ParsedModel const&) = delete;
  ParsedModel& operator=(ParsedModel const&) = delete;
  ~ParsedModel() {
    end(parser);
    end(network);
    end(builder);
  }
  nvinfer1::ILayer* layer(std::string const& name) const {
    for (int i = 0; i < network->getNbLayers(); ++i) {
      if (network->getLayer(i)->getName() == name) {
        return network->getLayer(i);
      }
    }
    EXPECT(!"a layer of that name");
    std::exit(1);
  }
  template <class T>
  T& as(char const* name, nvinfer1::LayerType type) const {
    nvinfer1::ILayer* found = layer(name);
    EXPECT(found->getType() == type);
    return static_cast<T&>(*found);
  }

  KeepingLogger& messages;
  nvinfer1::IBuilder* builder;
  nvinfer1::INetworkDefinition* network;
  nvonnxparser::IParser* parser;
};

/// An engine of one input and one output, and what it needs to live.
struct BuiltEngine {
  explicit BuiltEngine(ParsedModel const& parsed, bool refits = false)
      : input(parsed.network->getInput(0)->getName()), output(parsed.network->getOutput(0)->getName()) {
    nvinfer1::IBuilderConfig* config = parsed.builder->createBuilderConfig();
    if (refits) {
      config->setFlag(nvinfer1::BuilderFlag::kREFIT);
    }
#if NV_TENSORRT_MAJOR < 8
    engine = parsed.builder->buildEngineWithConfig(*parsed.network, *config);
#else
    nvinfer1::IHostMemory* plan = parsed.builder->buildSerializedNetwork(*parsed.network, *config);
    EXPECT(plan != nullptr);
    runtime = nvinfer1::createInferRuntime(parsed.messages);
    engine = runtime->deserializeCudaEngine(plan->data(), plan->size());
    end(plan);
#endif
    EXPECT(engine != nullptr);
    end(config);
  }
  BuiltEngine(BuiltEngine const&) = delete;
  BuiltEngine& operator=(BuiltEngine const&) = delete;
  ~BuiltEngine() {
    end(engine);
    if (runtime) {
      end(runtime);
    }
  }
  std::vector<float> run(std::vector<float> const& x, size_t count) const {
    nvinfer1::IExecutionContext* context = engine->createExecutionContext();
    std::vector<float> y(count);
    void* bindings[2] = {};
    EXPECT(cudaMalloc(&bindings[0], x.size() * sizeof(float)) == cudaSuccess);
    EXPECT(cudaMalloc(&bindings[1], y.size() * sizeof(float)) == cudaSuccess);
    EXPECT(cudaMemcpy(bindings[0], x.data(), x.size() * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
#if NV_TENSORRT_MAJOR < 10
    EXPECT(context->executeV2(bindings));
#else
    EXPECT(context->setTensorAddress(input.c_str(), bindings[0]));
    EXPECT(context->setTensorAddress(output.c_str(), bindings[1]));
    EXPECT(context->enqueueV3(nullptr) && cudaStreamSynchronize(nullptr) == cudaSuccess);
#endif
    EXPECT(cudaMemcpy(y.data(), bindings[1], y.size() * sizeof(float), cudaMemcpyDeviceToHost) == cudaSuccess);
    cudaFree(bindings[0]);
    cudaFree(bindings[1]);
    end(context);
    return y;
  }
  std::string input, output;
  nvinfer1::IRuntime* runtime = nullptr;
  nvinfer1::ICudaEngine* engine = nullptr;
};

inline bool near(std::vector<float> const& a, std::vector<float> const& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= 1e-4F * (1.0F + std::fabs(b[i])))) {
      return false;
    }
  }
  return a.size() == b.size();
}

inline bool is(nvinfer1::Dims const& dims, std::vector<int> const& expected) {
  bool same = dims.nbDims == static_cast<int>(expected.size());
  for (size_t i = 0; same && i < expected.size(); ++i) {
    same = dims.d[i] == expected[i];
  }
  return same;
}

#if NV_TENSORRT_MAJOR >= 8
inline std::set<std::string> names_of(nvinfer1::IRefitter& refitter) {
  std::vector<char const*> names(static_cast<size_t>(refitter.getAllWeights(0, nullptr)));
  refitter.getAllWeights(static_cast<int32_t>(names.size()), names.data());
  return std::set<std::string>(names.begin(), names.end());
}
#endif
