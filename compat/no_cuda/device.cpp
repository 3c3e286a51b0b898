// The one device: this machine's processor and memory, under the name of a GPU that no GPU code was built for.
#include <unistd.h>

#include <cstring>

#include "cudart.h"

using tenon::no_cuda::result;

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
#define TENON_ERROR(name, text) \
  { name, #name, text }
constexpr ErrorText kErrors[] = {
    TENON_ERROR(cudaSuccess, "no error"),
    TENON_ERROR(cudaErrorInvalidValue, "invalid argument"),
    TENON_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    TENON_ERROR(cudaErrorInitializationError, "initialization error"),
    TENON_ERROR(cudaErrorInvalidPitchValue, "row pitch is smaller than the row"),
    TENON_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    TENON_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    TENON_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    TENON_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available: device code needs a GPU"),
    TENON_ERROR(cudaErrorPeerAccessUnsupported, "peer access is not supported"),
    TENON_ERROR(cudaErrorPeerAccessNotEnabled, "peer access has not been enabled"),
    TENON_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    TENON_ERROR(cudaErrorIllegalState, "operation is not permitted in this state"),
    TENON_ERROR(cudaErrorNotReady, "device not ready"),
    TENON_ERROR(cudaErrorNotSupported, "operation not supported without a GPU"),
    TENON_ERROR(cudaErrorStreamCaptureUnsupported, "this stream cannot capture"),
    TENON_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef TENON_ERROR

const ErrorText& find(cudaError_t error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return entry;
  }
  return kErrors[std::size(kErrors) - 1];
}

constexpr const char* kBusId = "0000:00:00.0";

int processors() { return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)); }

}  // namespace

extern "C" {

const char* cudaGetErrorName(cudaError_t error) { return find(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return find(error).text; }

cudaError_t cudaGetDeviceCount(int* count) {
  if (!count) return result(cudaErrorInvalidValue);
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  if (!device) return result(cudaErrorInvalidValue);
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return result(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaSetDeviceFlags(unsigned int) { return cudaSuccess; }
cudaError_t cudaGetDeviceFlags(unsigned int* flags) {
  if (!flags) return result(cudaErrorInvalidValue);
  *flags = cudaDeviceScheduleAuto | cudaDeviceMapHost;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaDeviceReset() { return cudaSuccess; }
cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!properties) return result(cudaErrorInvalidValue);
  if (device != 0) return result(cudaErrorInvalidDevice);
  size_t available = 0;
  std::memset(properties, 0, sizeof(*properties));
  std::strcpy(properties->name, "CPU (Tenon, no GPU driver)");
  cudaMemGetInfo(&available, &properties->totalGlobalMem);
  properties->sharedMemPerBlock = properties->sharedMemPerMultiprocessor = properties->sharedMemPerBlockOptin = 48
                                                                                                                << 10;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  for (int i = 0; i < 3; ++i) properties->maxThreadsDim[i] = properties->maxGridSize[i] = 1024;
  properties->major = 7;
  properties->minor = 5;
  properties->multiProcessorCount = processors();
  properties->integrated = properties->canMapHostMemory = properties->unifiedAddressing = properties->managedMemory = 1;
  properties->pageableMemoryAccess = properties->concurrentManagedAccess = 1;
  properties->concurrentKernels = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess || !value) return result(value ? error : cudaErrorInvalidValue);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      break;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = 48 << 10;
      break;
    case cudaDevAttrIntegrated:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    default:
      *value = 0;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit) {
  if (!value) return result(cudaErrorInvalidValue);
  *value = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) { return cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  if (!can) return result(cudaErrorInvalidValue);
  *can = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned int) { return result(cudaErrorPeerAccessUnsupported); }
cudaError_t cudaDeviceDisablePeerAccess(int) { return result(cudaErrorPeerAccessNotEnabled); }
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  if (!id || length <= static_cast<int>(std::strlen(kBusId))) return result(cudaErrorInvalidValue);
  if (device != 0) return result(cudaErrorInvalidDevice);
  std::strcpy(id, kBusId);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetByPCIBusId(int* device, const char* id) {
  if (!device || !id) return result(cudaErrorInvalidValue);
  if (std::strcmp(id, kBusId) != 0) return result(cudaErrorInvalidDevice);
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  if (!version) return result(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

}  // extern "C"
