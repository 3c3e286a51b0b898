// How a row of a stage of gemm_tensor_core.h's ring lies in shared memory: its 16-byte chunks are exchanged by the
// row's number, so that matrix loads meet no bank twice.
#pragma once

namespace tenon::cuda {
namespace {

constexpr int kChunks = 8;    // of a row of a stage
constexpr int kSplitRun = 2;  // eights of k whose split products tensor cores add up

enum class GemmForm { kConv, kRows, kColumns };

/// Elements of a chunk.
template <class T>
constexpr int kEach = 16 / int(sizeof(T));

/// Offset in elements of chunk `chunk` of a row of kRowChunks chunks.
template <class T, int kRowChunks>
__device__ __forceinline__ int swizzled(int row, int chunk) {
  if constexpr (kRowChunks >= 8) return (row * kRowChunks + (chunk ^ (row & 7))) * kEach<T>;
  return (row * kRowChunks + (chunk ^ ((row >> 1) & 3))) * kEach<T>;
}

}  // namespace
}  // namespace tenon::cuda
