#include "backends/device.h"

#include <dlfcn.h>

#include <charconv>
#include <string>

#include "backends/backend.h"
#include "backends/cuda_runtime.h"
#include "backends/device_weights.h"
#include "base/build_identity.h"
#include "base/error.h"
#include "base/knobs.h"

namespace tenon {
namespace {

/// libtenon_cuda's entry points; null where it cannot serve, with the reason.
struct CudaLibrary {
  const Backend* (*backend)(int ordinal, std::string* why) = nullptr;
  const Backend* (*description)(int sm, std::string* why) = nullptr;
  int (*current)() = nullptr;
  std::string why;

  CudaLibrary() {
    Dl_info here{};
    std::string path = "libtenon_cuda.so.1";
    if (dladdr(reinterpret_cast<const void*>(&cpu_backend), &here) && here.dli_fname) {
      const std::string own = here.dli_fname;
      if (const size_t slash = own.rfind('/'); slash != std::string::npos) path = own.substr(0, slash + 1) + path;
    }
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* error = dlerror();
      why = error ? error : "libtenon_cuda.so.1 cannot be loaded";
      return;
    }
    const char* (*build)() = nullptr;
    find(library, "tenon_cuda_build", build);
    find(library, "tenon_cuda_backend", backend);
    find(library, "tenon_cuda_description", description);
    find(library, "tenon_cuda_current", current);
    const std::string_view theirs = build ? build() : "without an identity";
    if (theirs != build_identity() || !backend || !description || !current)
      why = cat(path, " is of build ", theirs, ", libtenon.so.1 of build ", build_identity(),
                ": libraries of different builds do not fit together");
  }
  template <class Fn>
  static void find(void* library, const char* name, Fn& fn) {
    fn = reinterpret_cast<Fn>(dlsym(library, name));
  }
};

const CudaLibrary& cuda_library() {
  static const CudaLibrary library;
  return library;
}

struct LoadedRuntimes {
  bool ours = false, others = false;
};
LoadedRuntimes loaded_runtimes() {
  LoadedRuntimes found;
  for (const char* name : {"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2"}) {
    void* library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (!library) continue;
    (dlsym(library, "tenonNoCudaSubmit") ? found.ours : found.others) = true;
    dlclose(library);
  }
  return found;
}

bool driver_present() {
  static const bool present = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != nullptr;
  return present;
}

/// Whether the driver has a GPU.
bool gpu_present() {
  static const bool present = [] {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver) return false;
    const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
    const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
    int gpus = 0;
    return init && count && init(0) == 0 && count(&gpus) == 0 && gpus > 0;
  }();
  return present;
}

}  // namespace

bool host_runtime_loaded() { return loaded_runtimes().ours; }
bool cuda_runtime_in_process() {
  const LoadedRuntimes found = loaded_runtimes();
  return found.others && !found.ours && gpu_present();
}

const Backend* cuda_backend(int ordinal, std::string* why) {
  std::string unused;
  std::string& reason = why ? *why : unused;
  if (host_runtime_loaded()) {
    reason = "the process holds the CUDA runtime for machines without a GPU";
    return nullptr;
  }
  if (!driver_present()) {
    reason = "there is no NVIDIA driver (libcuda.so.1)";
    return nullptr;
  }
  const CudaLibrary& library = cuda_library();
  if (!library.why.empty()) {
    reason = library.why;
    return nullptr;
  }
  return library.backend(ordinal, &reason);
}

const Backend* cuda_description(int sm, std::string* why) {
  std::string unused;
  std::string& reason = why ? *why : unused;
  const CudaLibrary& library = cuda_library();
  if (!library.why.empty()) {
    reason = library.why;
    return nullptr;
  }
  return library.description(sm, &reason);
}

namespace {

const Backend* current_gpu(std::string* why) {
  if (knob_text(Knob::kDevice) == "cpu" || host_runtime_loaded() || !driver_present()) return nullptr;
  return cuda_backend(cuda_library().why.empty() ? cuda_library().current() : 0, why);
}

}  // namespace

const Backend& default_backend() {
  const Backend* gpu = current_gpu(nullptr);
  return gpu ? *gpu : cpu_backend();
}

std::string unused_gpu() {
  std::string why;
  return current_gpu(&why) || !gpu_present() ? "" : why;
}

std::shared_ptr<void> device_memory(const Device& device, size_t bytes) {
  return {device.allocate(bytes), [&device](void* p) { device.release(p); }};
}
std::shared_ptr<void> page_locked_memory(const Device& device, size_t bytes) {
  return {device.allocate_host(bytes), [&device](void* p) { device.release_host(p); }};
}

std::shared_ptr<void> weight_memory(WeightCache* weights, const Device& device, size_t bytes) {
  auto* source = dynamic_cast<DeviceWeights*>(weights);
  return source ? source->allocate(device, bytes) : device_memory(device, bytes);
}

std::optional<size_t> free_memory(const Device& device) {
  device.activate();
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return std::nullopt;
  const auto ask = reinterpret_cast<int (*)(size_t*, size_t*)>(dlsym(driver, "cuMemGetInfo_v2"));
  size_t free = 0, total = 0;
  if (!ask || ask(&free, &total) != 0) return std::nullopt;
  return free;
}

const Backend& find_backend(std::string_view device) {
  if (device == "cpu") return cpu_backend();
  int number = 0;
  auto parse = [&](std::string_view text) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
  };
  std::string why = "accepted are cpu, cuda, cuda:N and sm75, sm80, sm86, sm89, sm90";
  const Backend* found = nullptr;
  if (device == "cuda" || (device.starts_with("cuda:") && parse(device.substr(5))))
    found = cuda_backend(number, &why);
  else if (device.starts_with("sm") && parse(device.substr(2)))
    found = cuda_description(number, &why);
  require(found != nullptr, ErrorCode::kInvalidArgument, "device '", device, "': ", why);
  return *found;
}

}  // namespace tenon
