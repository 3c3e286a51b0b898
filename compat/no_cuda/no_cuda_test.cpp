#include "cuda_runtime.h"

#include <doctest/doctest.h>

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
