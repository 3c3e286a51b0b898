#include <type_traits>

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
/// bf16 in pairs: a word holds an even channel in its low half and an odd one in its high half.
TENON_INLINE Vi load_words(const uint16_t* p) { return bits(load(reinterpret_cast<const float*>(p))); }
TENON_INLINE Vf low_half(Vi words) { return floats(words << 16); }
TENON_INLINE Vf high_half(Vi words) { return floats(words & splat_int(int32_t(0xffff0000u))); }
/// v rounded to bf16, to nearest even; a NaN stays one.
TENON_INLINE Vu rounded_words(Vf v) {
  const Vu u = reinterpret_cast<Vu>(v);
  return v == v ? u + 0x7fffu + ((u >> 16) & 1u) : u | 0x400000u;
}
TENON_INLINE void put_words(uint16_t* p, Vf even, Vf odd) {
  const Vu words = rounded_words(even) >> 16 | (rounded_words(odd) & 0xffff0000u);
  store(reinterpret_cast<float*>(p), floats(Vi(words)));
}

/// 2 * kLanes * kWords channels.
template <int kWords, Fold kFold>
TENON_INLINE void fold_words(const uint16_t* x, const Taps& taps, uint16_t* y) {
  constexpr bool kMax = kFold == Fold::kMax;
  Vf total[2 * kWords] = {}, sum[2 * kWords];
  for (int64_t first = 0; first < taps.count; first += kTapBlock) {
    const int64_t last = !kMax && first + kTapBlock < taps.count ? first + kTapBlock : taps.count;
#pragma GCC unroll 4
    for (int k = 0; k < 2 * kWords; ++k) sum[k] = kMax ? splat(-__builtin_inff()) : Vf{};
    for (int64_t t = first; t < last; ++t) {
      const uint16_t* from = x + taps.offsets[t];
#pragma GCC unroll 2
      for (int k = 0; k < kWords; ++k) {
        const Vi words = load_words(from + 2 * k * kLanes);
        const Vf pair[] = {low_half(words), high_half(words)};
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          Vf& s = sum[2 * k + i];
          if constexpr (kMax)
            s = s == s ? max_to(s, pair[i]) : s;
          else
            s = kFold == Fold::kWeighted ? fma(pair[i], splat(taps.weights[t]), s) : s + pair[i];
        }
      }
    }
#pragma GCC unroll 4
    for (int k = 0; k < 2 * kWords; ++k) total[k] = kMax ? sum[k] : total[k] + sum[k];
    if (kMax) break;
  }
#pragma GCC unroll 2
  for (int k = 0; k < kWords; ++k) {
    Vf even = total[2 * k], odd = total[2 * k + 1];
    if constexpr (kFold == Fold::kSum) even *= splat(taps.scale), odd *= splat(taps.scale);
    put_words(y + 2 * k * kLanes, even, odd);
  }
}

template <class T, Fold kFold>
void fold(const void* from, const Taps& taps, void* to, int64_t n) {
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  int64_t c = 0;
  if constexpr (std::is_same_v<T, uint16_t>) {
    for (; c + 4 * kLanes <= n; c += 4 * kLanes) fold_words<2, kFold>(x + c, taps, y + c);
    for (; c + 2 * kLanes <= n; c += 2 * kLanes) fold_words<1, kFold>(x + c, taps, y + c);
  }
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
