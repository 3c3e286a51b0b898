#include "trtexec/device.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>

namespace trtexec {
namespace {

class Host final : public Device {
 public:
  std::vector<std::string> describe() const override {
    std::string model = "CPU";
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("model name")) {
        model = line.substr(line.find(':') + 2);
        break;
      }
    return {"Selected Device: " + model, "Processors: " + std::to_string(std::thread::hardware_concurrency())};
  }
  bool is_gpu() const override { return false; }
  void* allocate(size_t bytes) override { return ::operator new(bytes ? bytes : 1, std::align_val_t(64)); }
  void release(void* memory) override { ::operator delete(memory, std::align_val_t(64)); }
  CUstream_st* create_stream() override { return nullptr; }
  void destroy_stream(CUstream_st*) override {}
  void synchronize(CUstream_st*) override {}
  void to_device(void* device, const void* host, size_t bytes, CUstream_st*) override {
    if (device != host) std::memcpy(device, host, bytes);
  }
  void to_host(void* host, const void* device, size_t bytes, CUstream_st*) override {
    if (device != host) std::memcpy(host, device, bytes);
  }
};

class Cuda final : public Device {
 public:
  Cuda(void* library, int index) : library_(library) {
    load(set_device_, "cudaSetDevice");
    load(malloc_, "cudaMalloc");
    load(free_, "cudaFree");
    load(stream_create_, "cudaStreamCreateWithFlags");
    load(stream_destroy_, "cudaStreamDestroy");
    load(stream_synchronize_, "cudaStreamSynchronize");
    load(copy_, "cudaMemcpyAsync");
    load(error_text_, "cudaGetErrorString");
    load(attribute_, "cudaDeviceGetAttribute");
    check(set_device_(index), "cudaSetDevice");
    index_ = index;
  }
  std::vector<std::string> describe() const override {
    auto get = [&](int what) {
      int v = 0;
      attribute_(&v, what, index_);
      return v;
    };
    return {"Selected Device ID: " + std::to_string(index_),
            "Compute Capability: " + std::to_string(get(75)) + "." + std::to_string(get(76)),
            "SMs: " + std::to_string(get(16)), "Memory Bus Width: " + std::to_string(get(37)) + " bits"};
  }
  bool is_gpu() const override { return true; }
  void* allocate(size_t bytes) override {
    void* p = nullptr;
    check(malloc_(&p, bytes ? bytes : 1), "cudaMalloc");
    return p;
  }
  void release(void* memory) override { free_(memory); }
  CUstream_st* create_stream() override {
    CUstream_st* s = nullptr;
    check(stream_create_(&s, 1), "cudaStreamCreateWithFlags");
    return s;
  }
  void destroy_stream(CUstream_st* stream) override { stream_destroy_(stream); }
  void synchronize(CUstream_st* stream) override { check(stream_synchronize_(stream), "cudaStreamSynchronize"); }
  void to_device(void* device, const void* host, size_t bytes, CUstream_st* s) override {
    check(copy_(device, host, bytes, 1, s), "cudaMemcpyAsync");
  }
  void to_host(void* host, const void* device, size_t bytes, CUstream_st* s) override {
    check(copy_(host, device, bytes, 2, s), "cudaMemcpyAsync");
  }

 private:
  template <class F>
  void load(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(library_, name));
    if (!function) throw std::runtime_error(std::string("the CUDA runtime has no ") + name);
  }
  void check(int error, const char* call) const {
    if (error != 0) throw std::runtime_error(std::string(call) + ": " + error_text_(error));
  }
  void* library_;
  int index_ = 0;
  int (*set_device_)(int) = nullptr;
  int (*malloc_)(void**, size_t) = nullptr;
  int (*free_)(void*) = nullptr;
  int (*stream_create_)(CUstream_st**, unsigned) = nullptr;
  int (*stream_destroy_)(CUstream_st*) = nullptr;
  int (*stream_synchronize_)(CUstream_st*) = nullptr;
  int (*copy_)(void*, const void*, size_t, int, CUstream_st*) = nullptr;
  const char* (*error_text_)(int) = nullptr;
  int (*attribute_)(int*, int, int) = nullptr;
};

}  // namespace

std::unique_ptr<Device> Device::open(int index) {
  const auto host = [index] {
    if (index > 0)
      throw std::runtime_error("--device=" + std::to_string(index) + ": there is no GPU; the processor is device 0");
    return std::make_unique<Host>();
  };
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible && !*visible) return host();
  if (!dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) return host();
  for (const char* name : {"libcudart.so.13", "libcudart.so.12", "libcudart.so"}) {
    void* library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (!library) continue;
    auto count_devices = reinterpret_cast<int (*)(int*)>(dlsym(library, "cudaGetDeviceCount"));
    int count = 0;
    if (!count_devices || count_devices(&count) != 0 || count == 0) continue;
    if (index >= count)
      throw std::runtime_error("--device=" + std::to_string(index) + ": the machine has " + std::to_string(count) +
                               " GPUs");
    return std::make_unique<Cuda>(library, index);
  }
  return host();
}

}  // namespace trtexec
