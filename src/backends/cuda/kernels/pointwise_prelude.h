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

/// N elements as they were read. They are unpacked where they are used, so that all reads are under way before the
/// first is waited for, whichever way each was made.
template <class T, int N> struct Loaded {
  static constexpr int kBytes = sizeof(T) * N, kWords = (kBytes + 3) / 4, kPerWord = sizeof(T) < 4 ? 4 / sizeof(T) : 1;
  unsigned w[kWords];
  __device__ __forceinline__ T at(int i) const {
    T to;
    if constexpr (sizeof(T) == 8) {
      const unsigned long long both = w[2 * i] | (unsigned long long)(w[2 * i + 1]) << 32;
      memcpy(&to, &both, 8);
    } else if constexpr (sizeof(T) == 4) {
      memcpy(&to, &w[i], 4);
    } else {
      const unsigned one = w[i / kPerWord] >> i % kPerWord * (8 * sizeof(T));
      memcpy(&to, &one, sizeof(T));
    }
    return to;
  }
  __device__ __forceinline__ void put(int i, T v) {
    if constexpr (sizeof(T) == 8) {
      unsigned long long both;
      memcpy(&both, &v, 8);
      w[2 * i] = unsigned(both);
      w[2 * i + 1] = unsigned(both >> 32);
    } else {
      unsigned one = 0;
      memcpy(&one, &v, sizeof(T));
      if (i % kPerWord == 0) w[i / kPerWord] = 0;
      w[i / kPerWord] |= one << i % kPerWord * (8 * sizeof(T));
    }
  }
};
template <class T, int N, class I>
__device__ __forceinline__ void load(Loaded<T, N>& to, const T* from, bool vector, int n, I stride) {
  if (vector) {
    if constexpr (Loaded<T, N>::kBytes % 16 == 0) {
#pragma unroll
      for (int i = 0; i < Loaded<T, N>::kBytes / 16; ++i) {
        const uint4 v = reinterpret_cast<const uint4*>(from)[i];
        to.w[4 * i] = v.x, to.w[4 * i + 1] = v.y, to.w[4 * i + 2] = v.z, to.w[4 * i + 3] = v.w;
      }
    } else if constexpr (Loaded<T, N>::kBytes == 8) {
      const uint2 v = *reinterpret_cast<const uint2*>(from);
      to.w[0] = v.x, to.w[1] = v.y;
    } else if constexpr (Loaded<T, N>::kBytes == 4) {
      to.w[0] = *reinterpret_cast<const unsigned*>(from);
    } else {
      to.put(0, from[0]);
      if constexpr (N == 2) to.put(1, from[1]);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) to.put(i, i < n ? from[I(i) * stride] : T{});
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
