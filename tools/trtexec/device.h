// Memory and streams for inference: of the GPU where a driver answers, else host memory.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

struct CUstream_st;

namespace trtexec {

/// The CUDA runtime, looked up while running so that one program serves machines with and without it.
class Device {
 public:
  /// Throws std::runtime_error if GPU `index` does not exist on a machine that has GPUs.
  static std::unique_ptr<Device> open(int index);
  virtual ~Device() = default;
  virtual std::vector<std::string> describe() const = 0;
  virtual bool is_gpu() const = 0;
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual CUstream_st* create_stream() = 0;
  virtual void destroy_stream(CUstream_st* stream) = 0;
  virtual void synchronize(CUstream_st* stream) = 0;
  virtual void to_device(void* device, const void* host, size_t bytes, CUstream_st* stream) = 0;
  virtual void to_host(void* host, const void* device, size_t bytes, CUstream_st* stream) = 0;
};

}  // namespace trtexec
