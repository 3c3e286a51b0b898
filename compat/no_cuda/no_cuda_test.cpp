#include "cuda.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_runtime.h"
#include "device_launch_parameters.h"
#include "nvToolsExt.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// What headers shared with device code declare.
__global__ void __launch_bounds__(256) scale_kernel(const float* in, float* out, int count);
__constant__ extern float kFactors[4];
struct __align__(16) Quad {
  float values[4];
};
static __host__ __device__ __forceinline__ int blocks(int count) { return (count + 255) / 256; }

TEST_CASE("memory is copied, set and told apart") {
  float* device = nullptr;
  REQUIRE(cudaMalloc(&device, 4 * sizeof(float)) == cudaSuccess);
  CHECK(reinterpret_cast<size_t>(device) % 256 == 0);
  float host[4] = {1, 2, 3, 4}, back[4] = {};
  CHECK(cudaMemcpy(device, host, sizeof(host), cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpyAsync(back, device, sizeof(host), cudaMemcpyDeviceToHost, nullptr) == cudaSuccess);
  CHECK(back[3] == 4);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, device + 2) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  CHECK(cudaPointerGetAttributes(&attributes, host) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(cudaMemset(device, 0, 16) == cudaSuccess);
  CHECK(device[1] == 0);
  CHECK(cudaFree(device) == cudaSuccess);
  CHECK(cudaFree(device) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("a captured graph replays its work") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  int from = 1, to = 0;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cudaMemcpyAsync(&to, &from, sizeof(int), cudaMemcpyDefault, stream) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(to == 0);
  CHECK(cudaGraphInstantiate(&exec, graph, nullptr, nullptr, 0) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
  CHECK(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  for (from = 5; from < 7; ++from) {
    CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
    CHECK(to == from);
  }
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("rows of a pitch are copied and set, the rest stays") {
  unsigned char* device = nullptr;
  size_t pitch = 0;
  REQUIRE(cudaMallocPitch(&device, &pitch, 3, 2) == cudaSuccess);
  CHECK(pitch >= 3);
  CHECK(cudaMemset(device, 7, 2 * pitch) == cudaSuccess);
  const unsigned char rows[6] = {1, 2, 3, 4, 5, 6};
  CHECK(cudaMemcpy2D(device, pitch, rows, 3, 3, 2, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(device[pitch + 2] == 6);
  CHECK(device[3] == 7);
  CHECK(cudaMemset2D(device, pitch, 9, 2, 2) == cudaSuccess);
  CHECK(device[pitch + 1] == 9);
  CHECK(device[pitch + 2] == 6);
  CHECK(cudaMemset2DAsync(device, 1, 9, 2, 2) == cudaErrorInvalidPitchValue);
  CHECK(cudaFree(device) == cudaSuccess);
  void* none = nullptr;
  CHECK(cudaMallocPitch(&none, &pitch, SIZE_MAX / 2, 4) == cudaErrorMemoryAllocation);
}

TEST_CASE("a graph's executable takes the work of another capture") {
  cudaStream_t stream = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  unsigned int flags = 0;
  CHECK(cudaStreamGetFlags(stream, &flags) == cudaSuccess);
  CHECK(flags == cudaStreamNonBlocking);
  cudaGraph_t graphs[2];
  char to[2] = {};
  for (int i = 0; i < 2; ++i) {
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
    CHECK(cudaMemsetAsync(to + i, 5, 1, stream) == cudaSuccess);
    CHECK(cudaStreamEndCapture(stream, &graphs[i]) == cudaSuccess);
  }
  size_t nodes = 0;
  CHECK(cudaGraphGetNodes(graphs[0], nullptr, &nodes) == cudaSuccess);
  CHECK(nodes == 1);
  cudaGraphExec_t exec = nullptr;
  CHECK(cudaGraphInstantiateWithFlags(&exec, graphs[0]) == cudaSuccess);
  cudaGraphExecUpdateResult answer = cudaGraphExecUpdateError;
  cudaGraphNode_t node = nullptr;
  CHECK(cudaGraphExecUpdate(exec, graphs[1], &node, &answer) == cudaSuccess);
  CHECK(answer == cudaGraphExecUpdateSuccess);
  CHECK(cudaGraphUpload(exec, stream) == cudaSuccess);
  CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(int(to[0]) == 0);
  CHECK(int(to[1]) == 5);
  for (cudaGraph_t graph : graphs) CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("the device is found by its bus, its pool keeps what it is told") {
  char id[16];
  int device = -1;
  CHECK(cudaDeviceGetPCIBusId(id, 4, 0) == cudaErrorInvalidValue);
  REQUIRE(cudaDeviceGetPCIBusId(id, sizeof(id), 0) == cudaSuccess);
  CHECK(cudaDeviceGetByPCIBusId(&device, id) == cudaSuccess);
  CHECK(device == 0);
  cudaMemPool_t pool = nullptr;
  REQUIRE(cudaDeviceGetDefaultMemPool(&pool, 0) == cudaSuccess);
  uint64_t threshold = UINT64_MAX, kept = 0, used = 1;
  CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold) == cudaSuccess);
  CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept) == cudaSuccess);
  CHECK(kept == threshold);
  CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used) == cudaSuccess);
  CHECK(used == 0);
  CHECK(cudaMemPoolTrimTo(pool, 0) == cudaSuccess);
}

TEST_CASE("ranges of a profiler may have domains and attributes") {
  const nvtxDomainHandle_t domain = nvtxDomainCreateA("layers");
  nvtxEventAttributes_t attributes = {};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.colorType = NVTX_COLOR_ARGB;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = "layer";
  CHECK(nvtxDomainRangePushEx(domain, &attributes) == NVTX_NO_PUSH_POP_TRACKING);
  CHECK(nvtxDomainRangePop(domain) == NVTX_NO_PUSH_POP_TRACKING);
  nvtxDomainRangeEnd(domain, nvtxDomainRangeStartEx(domain, &attributes));
  nvtxDomainDestroy(domain);
}

TEST_CASE("events measure time and wrong handles are refused") {
  cudaEvent_t start = nullptr, end = nullptr;
  float ms = -1;
  CHECK(cudaEventCreate(&start) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&end, cudaEventDisableTiming) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&ms, start, end) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(start) == cudaSuccess);
  CHECK(cudaEventRecord(end) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&ms, start, end) == cudaSuccess);
  CHECK(ms >= 0);
  CHECK(cudaEventDestroy(start) == cudaSuccess);
  CHECK(cudaEventDestroy(end) == cudaSuccess);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(properties.totalGlobalMem > 0);
}

extern "C" cudaError_t cudaGetDeviceProperties_v2(void* properties, int device);
extern "C" cudaError_t cudaMemcpyAsync_ptsz(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t);
extern "C" cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, size_t, cudaStream_t);
extern "C" unsigned int __cudaPushCallConfiguration(dim3, dim3, size_t, cudaStream_t);
extern "C" void** __cudaRegisterFatBinary(void*);

TEST_CASE("what CUDA's headers put into a program is there, and only its kernels are missing") {
  CHECK(offsetof(cudaDeviceProp, multiProcessorCount) == 384);
  CHECK(offsetof(cudaDeviceProp, concurrentKernels) == 560);
  CHECK(offsetof(cudaDeviceProp, sharedMemPerMultiprocessor) == 624);
  CHECK(offsetof(cudaDeviceProp, concurrentManagedAccess) == 656);
  CHECK(offsetof(cudaDeviceProp, sharedMemPerBlockOptin) == 672);
  CHECK(sizeof(cudaDeviceProp) == 1008);
  cudaDeviceProp now;
  REQUIRE(cudaGetDeviceProperties(&now, 0) == cudaSuccess);
  alignas(8) char twelve[1040];
  std::memset(twelve, 7, sizeof(twelve));
  REQUIRE(cudaGetDeviceProperties_v2(twelve, 0) == cudaSuccess);
  auto number = [&](size_t at) { return *reinterpret_cast<const int*>(twelve + at); };
  CHECK(std::strcmp(twelve, now.name) == 0);
  CHECK(number(360) == now.major);
  CHECK(number(364) == now.minor);
  CHECK(number(388) == now.multiProcessorCount);
  CHECK(number(396) == 1);  // integrated
  CHECK(number(676) == now.concurrentManagedAccess);
  CHECK(*reinterpret_cast<const size_t*>(twelve + 640) == now.sharedMemPerMultiprocessor);
  CHECK(*reinterpret_cast<const size_t*>(twelve + 696) == now.sharedMemPerBlockOptin);
  CHECK(int(twelve[1031]) == 0);
  CHECK(int(twelve[1032]) == 7);
  int from = 3, to = 0;
  CHECK(cudaMemcpyAsync_ptsz(&to, &from, sizeof(int), cudaMemcpyDefault, cudaStreamPerThread) == cudaSuccess);
  CHECK(to == 3);
  (void)cudaGetLastError();  // of the cases before
  CHECK(__cudaRegisterFatBinary(&from) != nullptr);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(__cudaPushCallConfiguration(1, 1, 0, nullptr) != 0);
  CHECK(cudaGetLastError() == cudaErrorNoKernelImageForDevice);
  CHECK(cudaLaunchKernel(&from, 1, 1, nullptr, 0, nullptr) == cudaErrorNoKernelImageForDevice);
  CHECK(std::strstr(cudaGetErrorString(cudaGetLastError()), "GPU") != nullptr);
}

TEST_CASE("headers shared with device code compile") {
  CHECK(alignof(Quad) == 16);
  CHECK(blocks(257) == 2);
}

TEST_CASE("every half survives the way through float") {
  int bad = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const __half h = __ushort_as_half(static_cast<unsigned short>(bits));
    const uint16_t back = __half_as_ushort(__float2half(__half2float(h)));
    bad += __hisnan(h) ? !__hisnan(__ushort_as_half(back)) : back != bits;
  }
  CHECK(bad == 0);
}

TEST_CASE("floats round to the nearest half, ties to even") {
  auto value = [](uint32_t bits) { return double(__half2float(__ushort_as_half(static_cast<unsigned short>(bits)))); };
  int bad = 0;
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const double low = value(bits), high = value(bits + 1), middle = (low + high) / 2;
    const uint32_t even = bits % 2 == 0 ? bits : bits + 1;
    bad += __half_as_ushort(__float2half(float(middle))) != even;
    bad += __half_as_ushort(__float2half(std::nextafter(float(middle), 0.0F))) != bits;
    bad += __half_as_ushort(__float2half(std::nextafter(float(middle), 1e9F))) != bits + 1;
    bad += __half_as_ushort(__float2half(-float(middle))) != (even | 0x8000);
  }
  CHECK(bad == 0);
  CHECK(__half_as_ushort(__float2half(65519.0F)) == 0x7bff);
  CHECK(__half_as_ushort(__float2half(65520.0F)) == 0x7c00);
  CHECK(__hisinf(__float2half(-1e30F)) == -1);
  CHECK(__hisnan(__float2half(NAN)));
}

TEST_CASE("every bfloat16 survives the way through float, floats round to the nearest, ties to even") {
  auto value = [](uint32_t bits) { return __bfloat162float(__ushort_as_bfloat16(static_cast<unsigned short>(bits))); };
  auto bits_of = [](float v) { return uint32_t(__bfloat16_as_ushort(__float2bfloat16(v))); };
  int bad = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits)
    bad += std::isnan(value(bits)) ? !std::isnan(value(bits_of(value(bits)))) : bits_of(value(bits)) != bits;
  for (uint32_t bits = 0x80; bits < 0x7f7f; ++bits) {
    const float middle = float((double(value(bits)) + double(value(bits + 1))) / 2);
    bad += bits_of(middle) != (bits % 2 == 0 ? bits : bits + 1);
    bad += bits_of(std::nextafter(middle, 0.0F)) != bits;
    bad += bits_of(-std::nextafter(middle, INFINITY)) != ((bits + 1) | 0x8000);
  }
  CHECK(bad == 0);
  const nv_bfloat16 a = 1.5F, b = -0.25F;
  CHECK(float(a + b) == 1.25F);
  CHECK(float(__hmul(a, b)) == -0.375F);
  CHECK((b < a && __hge(a, a)));
}

TEST_CASE("half arithmetic on the host") {
  const half a = 1.5F, b = -0.25F;
  CHECK(float(a + b) == 1.25F);
  CHECK(float(__hmul(a, b)) == -0.375F);
  CHECK(float(a / b) == -6.0F);
  CHECK(float(__hfma(a, b, a)) == 1.125F);
  CHECK((b < a && __hge(a, b) && !(a == b) && float(-a) == -1.5F));
  CHECK(float(hsqrt(half(2.25F))) == 1.5F);
  half2 pair = __floats2half2_rn(1.0F, 2.0F);
  pair += __half2half2(a);
  CHECK(__low2float(pair) == 2.5F);
  CHECK(__half22float2(pair).y == 3.5F);
  CHECK(sizeof(half) == 2);
  CHECK(sizeof(half2) == 4);
}
