// What the programs of TensorRT 10 and 11 share: an engine from a network, tensors by name through the CUDA runtime.
#pragma once
#include <cuda_runtime_api.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "reference.h"

template <class T>
using Owned = std::unique_ptr<T>;

inline nvinfer1::Weights weights_of(std::vector<float> const& values) {
  return nvinfer1::Weights{nvinfer1::DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
}
inline nvinfer1::Weights no_weights() { return nvinfer1::Weights{nvinfer1::DataType::kFLOAT, nullptr, 0}; }

inline nvinfer1::Dims dims_of(std::vector<int64_t> const& sizes) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<int32_t>(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    dims.d[i] = sizes[i];
  }
  return dims;
}

inline nvinfer1::ITensor& constant(nvinfer1::INetworkDefinition& network, std::vector<int64_t> const& sizes,
                                   std::vector<float> const& values) {
  return *network.addConstant(dims_of(sizes), weights_of(values))->getOutput(0);
}

inline void output(nvinfer1::INetworkDefinition& network, nvinfer1::ITensor& tensor, char const* name) {
  tensor.setName(name);
  network.markOutput(tensor);
}

/// A builder with one network and its config, and the runtime that loads what it builds.
struct Project {
  KeepingLogger logger;
  Owned<nvinfer1::IBuilder> builder{nvinfer1::createInferBuilder(logger)};
  Owned<nvinfer1::INetworkDefinition> network;
  Owned<nvinfer1::IBuilderConfig> config{builder->createBuilderConfig()};
  Owned<nvinfer1::IRuntime> runtime{nvinfer1::createInferRuntime(logger)};

  explicit Project(uint32_t flags = 0) : network(builder->createNetworkV2(flags)) {}

  Owned<nvinfer1::ICudaEngine> engine() {
    Owned<nvinfer1::IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
    EXPECT(plan != nullptr && plan->size() > 0);
    return Owned<nvinfer1::ICudaEngine>(plan ? runtime->deserializeCudaEngine(plan->data(), plan->size()) : nullptr);
  }
  /// Ends the program with its count of failures; errors that were not expected count.
  int finish(size_t expected_errors = 0) const {
    EXPECT(logger.errors.size() == expected_errors);
    for (std::string const& error : logger.errors) {
      if (logger.errors.size() != expected_errors) {
        std::fprintf(stderr, "%s\n", error.c_str());
      }
    }
    std::printf("%d failures\n", failures());
    return failures() != 0;
  }
};

/// Device memory for tensors of an execution context, by name.
class Session {
 public:
  explicit Session(nvinfer1::ICudaEngine& engine) : context(engine.createExecutionContext()) {
    EXPECT(context != nullptr && cudaStreamCreate(&stream) == cudaSuccess);
  }
  Session(Session const&) = delete;
  Session& operator=(Session const&) = delete;
  ~Session() {
    cudaStreamDestroy(stream);
    for (auto const& entry : memory_) {
      cudaFree(entry.second);
    }
  }

  template <class T>
  void set(char const* name, std::vector<int64_t> const& sizes, std::vector<T> const& values) {
    EXPECT(context->setInputShape(name, dims_of(sizes)));
    set(name, values);
  }
  template <class T>
  void set(char const* name, std::vector<T> const& values) {
    void* memory = device(name, values.size() * sizeof(T));
    EXPECT(cudaMemcpyAsync(memory, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice, stream) ==
           cudaSuccess);
    EXPECT(context->setTensorAddress(name, memory));
  }
  void expect(char const* name, size_t bytes) { EXPECT(context->setTensorAddress(name, device(name, bytes))); }
  bool run() { return context->enqueueV3(stream); }
  template <class T>
  std::vector<T> get(char const* name, size_t count) {
    std::vector<T> values(count);
    EXPECT(cudaMemcpyAsync(values.data(), memory_[name], count * sizeof(T), cudaMemcpyDeviceToHost, stream) ==
           cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream) == cudaSuccess);
    return values;
  }
  template <class T>
  std::vector<T> get(char const* name) {
    nvinfer1::Dims const dims = context->getTensorShape(name);
    size_t count = 1;
    for (int32_t i = 0; i < dims.nbDims; ++i) {
      EXPECT(dims.d[i] >= 0);
      count *= dims.d[i] >= 0 ? static_cast<size_t>(dims.d[i]) : 0;
    }
    return get<T>(name, count);
  }

  Owned<nvinfer1::IExecutionContext> context;
  cudaStream_t stream = nullptr;

 private:
  void* device(char const* name, size_t bytes) {
    void*& memory = memory_[name];
    cudaFree(memory);
    memory = nullptr;
    EXPECT(cudaMalloc(&memory, bytes) == cudaSuccess);
    return memory;
  }
  std::map<std::string, void*> memory_;
};
