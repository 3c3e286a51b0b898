// What the programs of TensorRT 7 and 8 share: buffers by binding index through the CUDA runtime.
#pragma once
#include <cuda_runtime_api.h>

#include <string>
#include <vector>

#include "client.h"
#include "reference.h"

inline nvinfer1::Weights weights_of(std::vector<float> const& values) {
  return nvinfer1::Weights{nvinfer1::DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
}
inline nvinfer1::Weights no_weights() { return nvinfer1::Weights{nvinfer1::DataType::kFLOAT, nullptr, 0}; }

/// Device memory for each binding, in floats.
class Buffers {
 public:
  explicit Buffers(std::vector<size_t> const& counts) : counts_(counts) {
    for (size_t count : counts) {
      void* memory = nullptr;
      EXPECT(cudaMalloc(&memory, count * sizeof(float)) == cudaSuccess);
      pointers_.push_back(memory);
    }
    EXPECT(cudaStreamCreate(&stream_) == cudaSuccess);
  }
  Buffers(Buffers const&) = delete;
  Buffers& operator=(Buffers const&) = delete;
  ~Buffers() {
    cudaStreamDestroy(stream_);
    for (void* memory : pointers_) {
      cudaFree(memory);
    }
  }
  void** bindings() { return pointers_.data(); }
  cudaStream_t stream() const { return stream_; }
  void upload(size_t index, std::vector<float> const& values) {
    EXPECT(cudaMemcpyAsync(pointers_[index], values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice,
                           stream_) == cudaSuccess);
  }
  std::vector<float> download(size_t index) { return download(index, counts_[index]); }
  std::vector<float> download(size_t index, size_t count) {
    std::vector<float> values(count);
    EXPECT(cudaMemcpyAsync(values.data(), pointers_[index], count * sizeof(float), cudaMemcpyDeviceToHost, stream_) ==
           cudaSuccess);
    EXPECT(cudaStreamSynchronize(stream_) == cudaSuccess);
    return values;
  }

 private:
  std::vector<size_t> counts_;
  std::vector<void*> pointers_;
  cudaStream_t stream_ = nullptr;
};

inline uint32_t explicit_batch() {
  return 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
}

/// Ends the program with its count of failures.
inline int finish(KeepingLogger const& logger, size_t expected_errors = 0) {
  EXPECT(logger.errors.size() == expected_errors);
  for (std::string const& error : logger.errors) {
    if (logger.errors.size() != expected_errors) {
      std::fprintf(stderr, "%s\n", error.c_str());
    }
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
