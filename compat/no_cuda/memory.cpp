// Memory: device and pinned allocations are aligned host memory, remembered so that a pointer's kind can be told.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "cudart.h"

using tenon::no_cuda::result;
using tenon::no_cuda::submit;

struct CUmemPoolHandle_st {
  std::atomic<uint64_t> release_threshold = 0;
};

namespace {

constexpr size_t kAlignment = 256;

struct Allocation {
  size_t size;
  cudaMemoryType type;
};

class Allocations {
 public:
  cudaError_t make(void** pointer, size_t size, cudaMemoryType type) {
    if (!pointer) return result(cudaErrorInvalidValue);
    *pointer = nullptr;
    if (size == 0) return cudaSuccess;
    if (size > SIZE_MAX - kAlignment) return result(cudaErrorMemoryAllocation);
    void* memory = std::aligned_alloc(kAlignment, (size + kAlignment - 1) / kAlignment * kAlignment);
    if (!memory) return result(cudaErrorMemoryAllocation);
    std::lock_guard lock(mutex_);
    by_address_[reinterpret_cast<uintptr_t>(memory)] = {size, type};
    *pointer = memory;
    return cudaSuccess;
  }
  cudaError_t drop(void* pointer) {
    if (!pointer) return cudaSuccess;
    {
      std::lock_guard lock(mutex_);
      if (by_address_.erase(reinterpret_cast<uintptr_t>(pointer)) == 0) return result(cudaErrorInvalidValue);
    }
    std::free(pointer);
    return cudaSuccess;
  }
  cudaMemoryType type_of(const void* pointer) {
    auto address = reinterpret_cast<uintptr_t>(pointer);
    std::lock_guard lock(mutex_);
    auto next = by_address_.upper_bound(address);
    if (next == by_address_.begin()) return cudaMemoryTypeUnregistered;
    --next;
    return address - next->first < next->second.size ? next->second.type : cudaMemoryTypeUnregistered;
  }

 private:
  std::mutex mutex_;
  std::map<uintptr_t, Allocation> by_address_;
};

Allocations& allocations() {
  static auto* all = new Allocations;  // outlives clients' static objects
  return *all;
}

CUmemPoolHandle_st default_pool;

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t size) { return allocations().make(pointer, size, cudaMemoryTypeDevice); }
cudaError_t cudaFree(void* pointer) { return allocations().drop(pointer); }
cudaError_t cudaMallocHost(void** pointer, size_t size) {
  return allocations().make(pointer, size, cudaMemoryTypeHost);
}
cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned int) { return cudaMallocHost(pointer, size); }
cudaError_t cudaFreeHost(void* pointer) { return allocations().drop(pointer); }
cudaError_t cudaMallocManaged(void** pointer, size_t size, unsigned int) {
  return allocations().make(pointer, size, cudaMemoryTypeManaged);
}
cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  if (!pointer || !pitch) return result(cudaErrorInvalidValue);
  if (width > SIZE_MAX - kAlignment) return result(cudaErrorMemoryAllocation);
  *pitch = (width + kAlignment - 1) / kAlignment * kAlignment;
  if (height > 0 && *pitch > SIZE_MAX / height) return result(cudaErrorMemoryAllocation);
  return cudaMalloc(pointer, *pitch * height);
}
cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t) { return cudaMalloc(pointer, size); }
cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  return submit(stream, [pointer] { allocations().drop(pointer); });
}
cudaError_t cudaHostRegister(void* pointer, size_t, unsigned int) {
  return result(pointer ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaHostUnregister(void* pointer) { return result(pointer ? cudaSuccess : cudaErrorInvalidValue); }
cudaError_t cudaHostGetFlags(unsigned int* flags, void* pointer) {
  if (!flags || allocations().type_of(pointer) != cudaMemoryTypeHost) return result(cudaErrorInvalidValue);
  *flags = cudaHostAllocMapped;
  return cudaSuccess;
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned int) {
  if (!device || !host) return result(cudaErrorInvalidValue);
  *device = host;
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  if (!attributes) return result(cudaErrorInvalidValue);
  cudaMemoryType type = allocations().type_of(pointer);
  void* address = const_cast<void*>(pointer);
  attributes->type = type;
  attributes->device = type == cudaMemoryTypeUnregistered ? -2 : 0;
  attributes->devicePointer = type == cudaMemoryTypeUnregistered ? nullptr : address;
  attributes->hostPointer = address;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  if (!available || !total) return result(cudaErrorInvalidValue);
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *available = static_cast<size_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  *total = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * page;
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t count, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, count, kind, nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t count, cudaMemcpyKind kind, cudaStream_t stream) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return result(cudaErrorInvalidMemcpyDirection);
  if (count == 0) return cudaSuccess;
  if (!to || !from) return result(cudaErrorInvalidValue);
  return submit(stream, [=] { std::memmove(to, from, count); });
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return result(cudaErrorInvalidPitchValue);
  if (width == 0 || height == 0) return cudaSuccess;
  if (!to || !from) return result(cudaErrorInvalidValue);
  return submit(stream, [=] {
    for (size_t row = 0; row < height; ++row) {
      std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    }
  });
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
  return cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, height, kind, nullptr);
}
cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t count) {
  return cudaMemcpy(to, from, count, cudaMemcpyDefault);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t count, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, count, cudaMemcpyDefault, stream);
}
cudaError_t cudaMemset(void* pointer, int value, size_t count) {
  return cudaMemsetAsync(pointer, value, count, nullptr);
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  if (!pointer) return result(cudaErrorInvalidValue);
  return submit(stream, [=] { std::memset(pointer, value, count); });
}
cudaError_t cudaMemset2D(void* pointer, size_t pitch, int value, size_t width, size_t height) {
  return cudaMemset2DAsync(pointer, pitch, value, width, height, nullptr);
}
cudaError_t cudaMemset2DAsync(void* pointer, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  if (width > pitch) return result(cudaErrorInvalidPitchValue);
  if (width == 0 || height == 0) return cudaSuccess;
  if (!pointer) return result(cudaErrorInvalidValue);
  return submit(stream, [=] {
    for (size_t row = 0; row < height; ++row) std::memset(static_cast<char*>(pointer) + row * pitch, value, width);
  });
}

// Freed memory goes back at once, so a pool keeps none and its threshold has nothing to act on.
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  if (!pool) return result(cudaErrorInvalidValue);
  if (device != 0) return result(cudaErrorInvalidDevice);
  *pool = &default_pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (!pool || !value) return result(cudaErrorInvalidValue);
  if (attribute == cudaMemPoolAttrReleaseThreshold) pool->release_threshold = *static_cast<uint64_t*>(value);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (!pool || !value) return result(cudaErrorInvalidValue);
  if (attribute < cudaMemPoolAttrReleaseThreshold) {
    *static_cast<int*>(value) = 0;
  } else {
    *static_cast<uint64_t*>(value) =
        attribute == cudaMemPoolAttrReleaseThreshold ? pool->release_threshold.load() : uint64_t{0};
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) { return result(pool ? cudaSuccess : cudaErrorInvalidValue); }

}  // extern "C"
