#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec_f16.h"
#include "backends/cpu/isa/vec_math_more.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int kChains = 4;
constexpr int64_t kTapBlock = 64;  // taps summed before they join the total

/// kChains vectors of channels, or one, or a part of one.
template <class T, int kVectors>
struct Columns {
  TENON_INLINE static void get(const T* p, Vf (&v)[kVectors], int64_t) {
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; ++k) v[k] = load(p + k * kLanes);
  }
  TENON_INLINE static void put(T* p, const Vf (&v)[kVectors], int64_t) {
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; ++k) store(p + k * kLanes, v[k]);
  }
};
template <class T>
struct Columns<T, 0> {
  TENON_INLINE static void get(const T* p, Vf (&v)[1], int64_t n) { v[0] = load_part(p, n); }
  TENON_INLINE static void put(T* p, const Vf (&v)[1], int64_t n) { store_part(p, v[0], n); }
};

struct Taps {
  const int64_t* offsets;
  const float* weights;
  int64_t count;
  float scale;
};

template <class T, int kVectors>
TENON_INLINE void max_columns(const T* x, const Taps& taps, T* y, int64_t n) {
  constexpr int kCount = kVectors > 0 ? kVectors : 1;
  Vf best[kCount], v[kCount];
  Columns<T, kVectors>::get(x + taps.offsets[0], best, n);
  for (int64_t t = 1; t < taps.count; ++t) {
    Columns<T, kVectors>::get(x + taps.offsets[t], v, n);
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) best[k] = best[k] == best[k] ? max_to(best[k], v[k]) : best[k];
  }
  Columns<T, kVectors>::put(y, best, n);
}
template <class T, int kVectors, bool kWeighted>
TENON_INLINE void sum_columns(const T* x, const Taps& taps, T* y, int64_t n) {
  constexpr int kCount = kVectors > 0 ? kVectors : 1;
  Vf total[kCount] = {};
  for (int64_t first = 0; first < taps.count; first += kTapBlock) {
    const int64_t last = first + kTapBlock < taps.count ? first + kTapBlock : taps.count;
    Vf sum[kCount] = {}, v[kCount];
    for (int64_t t = first; t < last; ++t) {
      Columns<T, kVectors>::get(x + taps.offsets[t], v, n);
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) sum[k] = kWeighted ? fma(v[k], splat(taps.weights[t]), sum[k]) : sum[k] + v[k];
    }
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) total[k] += sum[k];
  }
  if constexpr (!kWeighted) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) total[k] *= splat(taps.scale);
  }
  Columns<T, kVectors>::put(y, total, n);
}

enum class Fold { kMax, kSum, kWeighted };
template <class T, int kVectors, Fold kFold>
TENON_INLINE void fold_columns(const T* x, const Taps& taps, T* y, int64_t n) {
  if constexpr (kFold == Fold::kMax)
    max_columns<T, kVectors>(x, taps, y, n);
  else
    sum_columns<T, kVectors, kFold == Fold::kWeighted>(x, taps, y, n);
}
template <class T, Fold kFold>
void fold(const void* from, const Taps& taps, void* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  int64_t c = 0;
  for (; c + kChains * kLanes <= n; c += kChains * kLanes) fold_columns<T, kChains, kFold>(x + c, taps, y + c, n);
  for (; c + kLanes <= n; c += kLanes) fold_columns<T, 1, kFold>(x + c, taps, y + c, n);
  if (c < n) fold_columns<T, 0, kFold>(x + c, taps, y + c, n - c);
}

template <class T>
void max(const void* x, const int64_t* offsets, int64_t taps, void* y, int64_t n) {
  fold<T, Fold::kMax>(x, {offsets, nullptr, taps, 1}, y, n);
}
template <class T>
void sum(const void* x, const int64_t* offsets, int64_t taps, float scale, void* y, int64_t n) {
  fold<T, Fold::kSum>(x, {offsets, nullptr, taps, scale}, y, n);
}
template <class T>
void weighted(const void* x, const int64_t* offsets, const float* weights, int64_t taps, void* y, int64_t n) {
  fold<T, Fold::kWeighted>(x, {offsets, weights, taps, 1}, y, n);
}

}  // namespace

void fill_pool(PoolLoops& t) {
  t = {{max<float>, max<uint16_t>, max<Half>},
       {sum<float>, sum<uint16_t>, sum<Half>},
       {weighted<float>, weighted<uint16_t>, weighted<Half>}};
}

}  // namespace tenon::isa::TENON_ISA
