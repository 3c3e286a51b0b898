// Products of one warp of f32 operands on tensor cores (compute capability 8.0): each operand is the sum of two TF32
// numbers, the larger of which is the operand rounded.
#pragma once
#include <cstdint>

namespace tenon::cuda {

/// d = a b + c of TF32 numbers, whose lower 13 bits do not matter. Fragments of m16n8k8, with g = lane / 4 and
/// i = lane % 4: A holds rows g and g + 8 at column i and again at i + 4; B holds column g at the same rows.
__device__ __forceinline__ void mma_16x8x8(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                           const float (&c)[4]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
#endif
}

/// f32 numbers as sums of two TF32 numbers, off by at most 2^-22. The second of an infinite number, or of none, is no
/// number.
template <int N>
struct Tf32Pair {
  uint32_t high[N], low[N];
  __device__ __forceinline__ void split(const uint32_t (&bits)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      high[i] = (bits[i] + 0x1000u) & 0xffffe000u;
      low[i] = __float_as_uint(__uint_as_float(bits[i]) - __uint_as_float(high[i]));
    }
  }
};

/// d0 and d1 += a b, or = a b where `zero`, of an eight of k: kTiles sixteens of rows and two eights of columns, whose
/// sums d0 and d1 are. b has the fragments of both. What is left out of a product is below 2^-22 of it.
template <int kTiles>
__device__ __forceinline__ void multiply_pairs(float (&d0)[kTiles][4], float (&d1)[kTiles][4],
                                               const Tf32Pair<4> (&a)[kTiles], const Tf32Pair<4>& b, bool zero) {
  constexpr float kZero[4] = {};
#pragma unroll
  for (int m = 0; m < kTiles; ++m) {
    if (zero) {
      mma_16x8x8(d0[m], a[m].low, b.high[0], b.high[1], kZero);
      mma_16x8x8(d1[m], a[m].low, b.high[2], b.high[3], kZero);
    } else {
      mma_16x8x8(d0[m], a[m].low, b.high[0], b.high[1], d0[m]);
      mma_16x8x8(d1[m], a[m].low, b.high[2], b.high[3], d1[m]);
    }
  }
#pragma unroll
  for (int m = 0; m < kTiles; ++m) {
    mma_16x8x8(d0[m], a[m].high, b.low[0], b.low[1], d0[m]);
    mma_16x8x8(d1[m], a[m].high, b.low[2], b.low[3], d1[m]);
  }
#pragma unroll
  for (int m = 0; m < kTiles; ++m) {
    mma_16x8x8(d0[m], a[m].high, b.high[0], b.high[1], d0[m]);
    mma_16x8x8(d1[m], a[m].high, b.high[2], b.high[3], d1[m]);
  }
}

}  // namespace tenon::cuda
