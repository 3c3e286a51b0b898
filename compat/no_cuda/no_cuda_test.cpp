#include "cuda.h"
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cuda_runtime.h"
#include "device_launch_parameters.h"
#include "nvToolsExt.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

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
