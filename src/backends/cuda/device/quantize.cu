#include "backends/cuda/device/quantize.h"

#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kItems = 4;

__device__ __forceinline__ int64_t parameter_of(const QuantizeParams& p, uint32_t i) {
  if (p.one) return 0;
  uint32_t outer = i;
  const uint32_t inner = p.inner.take(outer), k = p.block.divide(p.size.take(outer));
  return p.blocked ? (int64_t(outer) * p.blocks + k) * p.inner.value + inner : k;
}

/// Lowest and highest number of an integer type of up to 16 bits.
struct Range {
  float low, high;
};
__device__ __forceinline__ Range range_of(Plain t) {
  if (t == Plain::kI8) return {-128, 127};
  if (t == Plain::kU8) return {0, 255};
  if (t == Plain::kI16) return {-32768, 32767};
  return {0, 65535};
}

__device__ __forceinline__ float load_float(const void* p, Plain type, int64_t i) {
  if (type == Plain::kF32) return static_cast<const float*>(p)[i];
  if (type == Plain::kF16) return to_float(static_cast<const __half*>(p)[i]);
  if (type == Plain::kBF16) return to_float(static_cast<const __nv_bfloat16*>(p)[i]);
  return float(load_plain<int64_t>(p, type, i));
}

__global__ void __launch_bounds__(kThreads) quantize_kernel(const __grid_constant__ QuantizeParams p) {
  begin();
  finish_early();
  const Range range = range_of(p.to);
  const uint32_t first = blockIdx.x * (kThreads * kItems) + threadIdx.x;
#pragma unroll
  for (int n = 0; n < kItems; ++n) {
    const uint32_t i = first + n * kThreads;
    if (i >= p.count) return;
    const int64_t k = parameter_of(p, i);
    const float zero = p.zero ? float(load_plain<int64_t>(p.zero, p.to, k)) : 0;
    const float q = rintf(__fdiv_rn(load_float(p.x, p.from, i), load_float(p.scale, p.scale_type, k)));
    // Bounds that the zero point shifts are whole numbers as well: nothing is rounded twice.
    const float held = q != q ? 0 : fminf(fmaxf(q, range.low - zero), range.high - zero);
    store_plain(p.y, p.to, i, int64_t(int(held) + int(zero)));
  }
}

__global__ void __launch_bounds__(kThreads) dequantize_kernel(const __grid_constant__ QuantizeParams p) {
  begin();
  finish_early();
  const uint32_t first = blockIdx.x * (kThreads * kItems) + threadIdx.x;
#pragma unroll
  for (int n = 0; n < kItems; ++n) {
    const uint32_t i = first + n * kThreads;
    if (i >= p.count) return;
    const int64_t k = parameter_of(p, i);
    const int64_t zero = p.zero ? load_plain<int64_t>(p.zero, p.from, k) : 0;
    const float v = float(load_plain<int64_t>(p.x, p.from, i) - zero) * load_float(p.scale, p.scale_type, k);
    if (p.to == Plain::kF32)
      static_cast<float*>(p.y)[i] = v;
    else if (p.to == Plain::kF16)
      static_cast<__half*>(p.y)[i] = from_float<__half>(v);
    else
      static_cast<__nv_bfloat16*>(p.y)[i] = from_float<__nv_bfloat16>(v);
  }
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads * kItems - 1) / (kThreads * kItems)); }

}  // namespace

cudaError_t quantize(const QuantizeParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return launch(quantize_kernel, blocks_for(p.count), kThreads, 0, stream, p);
}

cudaError_t dequantize(const QuantizeParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return launch(dequantize_kernel, blocks_for(p.count), kThreads, 0, stream, p);
}

}  // namespace tenon::cuda
