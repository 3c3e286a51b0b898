// f32 operands rounded to TF32 (compute capability 8.0).
#pragma once
#include <cstdint>

namespace tenon::cuda {

/// f32 to the nearest TF32 number, away from zero where two are.
__device__ __forceinline__ uint32_t round_to_tf32(uint32_t bits) {
  uint32_t rounded = bits;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(bits)));
#endif
  return rounded;
}
template <int N>
__device__ __forceinline__ void round_to_tf32(uint32_t (&bits)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) bits[i] = round_to_tf32(bits[i]);
}

}  // namespace tenon::cuda
