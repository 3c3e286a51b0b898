#include "backends/cuda/kernel_attributes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

namespace tenon::cuda {
namespace {

constexpr size_t kAlwaysAllowed = 46 * 1024;  // the driver gives 48 KiB, of which static variables take some

/// As __CUDA_ARCH__ has it; 0 if the driver does not tell.
int architecture_of(int device) {
  static std::array<std::atomic<int>, 64> known;
  const bool kept = device >= 0 && size_t(device) < known.size();
  if (const int architecture = kept ? known[size_t(device)].load() : 0) return architecture;
  int major = 0, minor = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
    return 0;
  const int architecture = major * 100 + minor * 10;
  if (kept) known[size_t(device)] = architecture;
  return architecture;
}

}  // namespace

cudaError_t allow_shared(const void* kernel, size_t bytes) {
  if (bytes <= kAlwaysAllowed) return cudaSuccess;
  static std::mutex mutex;
  static std::map<std::pair<int, const void*>, size_t> allowed;
  int device = 0;
  if (const cudaError_t code = cudaGetDevice(&device); code != cudaSuccess) return code;
  const std::lock_guard lock(mutex);
  size_t& most = allowed[{device, kernel}];
  if (bytes <= most) return cudaSuccess;
  const cudaError_t code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes));
  if (code == cudaSuccess) most = bytes;
  return code;
}

bool wait_by_themselves(std::initializer_list<int> architectures) {
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return false;
  const int here = architecture_of(device);
  return std::any_of(architectures.begin(), architectures.end(),
                     [here](int compiled) { return compiled >= kFirstOverlap * 10 && compiled <= here; });
}

}  // namespace tenon::cuda
