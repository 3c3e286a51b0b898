// The end of products whose left operand is weights, so that their columns are pixels (compute capability 9.0).
#pragma once
#include "backends/cuda/device/epilogue_columns.h"
#ifdef __CUDACC__
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/tma.h"
#endif

namespace tenon::cuda {

/// Bytes of 64 channels of a tile of so many places, and of a row behind them for places that are no pixel.
constexpr int turned_bytes(int places) { return (places / 8 + 1) * 1024; }

/// Which places of a tile are pixels: the first `pixels` of every `pitch`, at least 16, of `lines`.
struct TurnedPlaces {
  int pixels, lines, pitch;
};

/// Whether finish_turned() knows an epilogue.
inline bool turned_does(const Epilogue& e) {
  if (e.join != Join::kNone)
    return e.join == Join::kAddFirst && e.extra_step == 1 && e.extra_rows.value == 1 &&
           (e.act == Act::kNone || e.act == Act::kRelu);
  return e.act == Act::kNone || e.act == Act::kRelu || e.act == Act::kClip || e.act == Act::kSilu;
}

#ifdef __CUDACC__
/// As describe_rows(), from any row of what was swizzled in groups of 1024 bytes on: rows keep their places.
__device__ __forceinline__ uint64_t describe_rows_at(uint32_t at) {
  return uint64_t(at >> 4 & 0x3fff) | uint64_t(1) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}
__device__ __forceinline__ void load_turned(uint32_t (&r)[4], uint32_t at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at)
               : "memory");
}
__device__ __forceinline__ void store_turned(uint32_t at, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(at), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}

template <class T, Act kAct, bool kExtra, int kEights>
__device__ __forceinline__ void finish_turned_as(Epilogue e, const float (&sums)[kEights][4], int first, int columns,
                                                 const TurnedPlaces& p, unsigned char* to) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  e.act = kAct;
  e.join = kExtra ? Join::kAddFirst : Join::kNone;
  const int channel = first + warp * 16 + lane / 4;
  const float bias[2] = {e.bias && channel < columns ? e.bias[channel] : 0,
                         e.bias && channel + 8 < columns ? e.bias[channel + 8] : 0};
  const uint32_t start = shared_address(to), chunk = warp * 2 + lane / 8 % 2;
  int line = 0, column = lane % 8 + lane / 16 * 8, row = column;
#pragma unroll
  for (int n = 0; n < kEights; n += 2) {
    const bool whole = n + 1 < kEights;
    const bool pixel = column < p.pixels && line < p.lines && (whole || lane < 16);
    const uint32_t at = start + (pixel ? row * 128 + ((chunk ^ (row & 7)) * 16) : kEights * 1024 + chunk * 16);
    column += 16, row += 16;
    if (column >= p.pitch) column -= p.pitch, row += p.pixels - p.pitch, ++line;
    Words<T, 8> extra;
    extra.clear();
    if constexpr (kExtra) load_turned(extra.w, at);
    float v[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const bool there = whole || i < 4;
      v[i] = (there ? sums[there ? n + i / 4 : n][i % 4] : 0.f) + bias[i / 2 % 2];
    }
    apply_columns(e, v, extra);
    uint32_t packed[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) packed[i] = pack_pair<T>(v[2 * i], v[2 * i + 1]);
    store_turned(at, packed);
  }
}

/// Finishes 64 channels from `first` on, of `columns` that there are, by a group of 128 threads: pixels become dense
/// rows of 128 bytes at `to`, swizzled, where the other operand lies before.
template <class T, int kEights>
__device__ __forceinline__ void finish_turned(const Epilogue& e, const float (&sums)[kEights][4], int first,
                                              int columns, const TurnedPlaces& p, unsigned char* to) {
  if (e.join != Join::kNone) {
    if (e.act == Act::kRelu) return finish_turned_as<T, Act::kRelu, true>(e, sums, first, columns, p, to);
    return finish_turned_as<T, Act::kNone, true>(e, sums, first, columns, p, to);
  }
  switch (e.act) {
    case Act::kRelu:
      return finish_turned_as<T, Act::kRelu, false>(e, sums, first, columns, p, to);
    case Act::kClip:
      return finish_turned_as<T, Act::kClip, false>(e, sums, first, columns, p, to);
    case Act::kSilu:
      return finish_turned_as<T, Act::kSilu, false>(e, sums, first, columns, p, to);
    default:
      return finish_turned_as<T, Act::kNone, false>(e, sums, first, columns, p, to);
  }
}
#endif

}  // namespace tenon::cuda
