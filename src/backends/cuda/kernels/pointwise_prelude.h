// The beginning of generated pointwise kernels: element types and vector accesses, without the toolkit's headers.
#pragma once

namespace tenon::cuda {

inline constexpr char kPointwisePrelude[] = R"cuda(
struct f16 { unsigned short bits; };
struct bf16 { unsigned short bits; };
struct bool8 { unsigned char value; };
template <class T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack { T v[N]; };

template <class S, class T> __device__ __forceinline__ S widen(T x) { return S(x); }
template <class S> __device__ __forceinline__ S widen(bool8 x) { return S(x.value); }
template <class S> __device__ __forceinline__ S widen(f16 x) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
  return S(f);
}
template <class S> __device__ __forceinline__ S widen(bf16 x) { return S(__uint_as_float(unsigned(x.bits) << 16)); }

__device__ __forceinline__ unsigned short round_bf16(float f) {
#if __CUDA_ARCH__ >= 800
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(f));
  return bits;
#else
  const unsigned u = __float_as_uint(f);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (unsigned short)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
#endif
}
__device__ __forceinline__ long long whole(long long v) { return v; }
__device__ __forceinline__ long long whole(float v) { return v != v ? 0 : (long long)v; }
__device__ __forceinline__ long long whole(double v) { return v != v ? 0 : (long long)v; }
template <class T> struct Narrow {
  template <class S> static __device__ __forceinline__ T of(S v) { return T(whole(v)); }
};
template <> struct Narrow<float> {
  template <class S> static __device__ __forceinline__ float of(S v) { return float(v); }
};
template <> struct Narrow<double> {
  template <class S> static __device__ __forceinline__ double of(S v) { return double(v); }
};
template <> struct Narrow<bool8> {
  template <class S> static __device__ __forceinline__ bool8 of(S v) { return bool8{(unsigned char)(v != S(0))}; }
};
template <> struct Narrow<f16> {
  template <class S> static __device__ __forceinline__ f16 of(S v) {
    f16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(float(v)));
    return h;
  }
};
template <> struct Narrow<bf16> {
  template <class S> static __device__ __forceinline__ bf16 of(S v) { return bf16{round_bf16(float(v))}; }
};

template <class T, int N, class I>
__device__ __forceinline__ void load(Pack<T, N>& to, const T* from, bool vector, int n, I stride) {
  if (vector) {
    to = *reinterpret_cast<const Pack<T, N>*>(from);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < n) to.v[i] = from[I(i) * stride];
}
template <class T, int N, class I>
__device__ __forceinline__ void store(T* to, const Pack<T, N>& from, bool vector, int n, I stride) {
  if (vector) {
    *reinterpret_cast<Pack<T, N>*>(to) = from;
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < n) to[I(i) * stride] = from.v[i];
}
/// n / d for n < 2^31.
__device__ __forceinline__ unsigned divide(unsigned n, unsigned magic, unsigned shift) {
  return (__umulhi(n, magic) + n) >> shift;
}
)cuda";

}  // namespace tenon::cuda
