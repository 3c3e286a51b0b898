// Operands of wgmma that are not swizzled: eights of rows of 16 bytes, which may overlap and start at any multiple of
// 16 bytes, so that a window that moves over an image is read in place.
#pragma once
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {

/// Describes eights of rows of 16 bytes, `rows` bytes apart; the second eight of k lies `k` bytes further.
__device__ __forceinline__ uint64_t describe_plain(uint32_t at, int rows, int k) {
  return uint64_t(at >> 4 & 0x3fff) | uint64_t(k >> 4) << 16 | uint64_t(rows >> 4) << 32;
}

}  // namespace tenon::cuda
