// A GPU's memory, streams and graphs through the CUDA runtime.
#pragma once
#include <mutex>

#include "backends/cuda/cuda.h"

namespace tenon::cuda {

class CudaDevice final : public Device {
 public:
  CudaDevice(int ordinal, bool present);
  bool present() const override { return present_; }
  void* allocate(size_t bytes) const override;
  void release(void* memory) const noexcept override;
  void* allocate_host(size_t bytes) const override;
  void release_host(void* memory) const noexcept override;
  void copy(void* to, const void* from, size_t bytes, void* stream) const override;
  void fill(void* to, int byte, size_t bytes, void* stream) const override;
  void synchronize(void* stream) const override;
  void finish() const noexcept override;
  void call_host(void* stream, void (*function)(void* data), void* data) const override;
  void follow(void* stream, void* other) const override;
  void* own_stream() const override { return stream_; }
  std::shared_ptr<void> new_stream() const override;
  bool recording(void* stream) const override;
  std::unique_ptr<Recording> record(const Work& work) const override;
  float milliseconds(void* stream, const Work& work) const override;
  float time_us(const Work& work, double budget_ms, double hopeless_us) const override;
  bool reaches(const void* memory) const override;
  bool host_reaches(const void* memory) const override;
  void activate() const override;

 private:
  cudaMemoryType type_of(const void* memory) const;
  int ordinal_;
  bool present_;
  cudaStream_t stream_ = nullptr;
};

}  // namespace tenon::cuda
