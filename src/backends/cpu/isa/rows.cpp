#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec_math_more.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int64_t kBlock = 1024;  // elements summed in f32
constexpr int kChains = 4;        // independent accumulators

TENON_INLINE double total(Vf v) {
#if defined(__AVX512F__)
  const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(v)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
  return _mm512_reduce_add_pd(_mm512_add_pd(low, high));
#elif defined(__AVX2__)
  const __m256d sum =
      _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(sum), _mm256_extractf128_pd(sum, 1));
  return two[0] + two[1];
#else
  return (double(v[0]) + double(v[1])) + (double(v[2]) + double(v[3]));
#endif
}
/// v with zeros from lane `count` on.
TENON_INLINE Vf first_lanes(Vf v, int64_t count) {
  Vi lane{};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) lane[i] = i;
  return lane < splat_int(int32_t(count)) ? v : Vf{};
}

/// Sum of F::of(x, p) with blocks added in double.
template <class F>
double sum_of(const float* x, float p, int64_t n) {
  const Vf param = splat(p);
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = begin + kBlock < n ? begin + kBlock : n;
    Vf a[kChains] = {};
    int64_t i = begin;
    for (; i + kChains * kLanes <= end; i += kChains * kLanes) {
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) a[k] = F::add(a[k], load(x + i + k * kLanes), param);
    }
    for (; i + kLanes <= end; i += kLanes) a[0] = F::add(a[0], load(x + i), param);
    if (i < end) a[1] += first_lanes(F::add(Vf{}, load_part(x + i, end - i), param), end - i);
    sum += total((a[0] + a[1]) + (a[2] + a[3]));
  }
  return sum;
}
struct Sum {
  TENON_INLINE static Vf add(Vf a, Vf x, Vf) { return a + x; }
};
struct SumAbs {
  TENON_INLINE static Vf add(Vf a, Vf x, Vf) { return a + abs(x); }
};
struct SumSquares {
  TENON_INLINE static Vf add(Vf a, Vf x, Vf) { return fma(x, x, a); }
};
struct Centered {
  TENON_INLINE static Vf add(Vf a, Vf x, Vf mean) {
    const Vf d = x - mean;
    return fma(d, d, a);
  }
};
template <class F>
double reduce_sum(const float* x, int64_t n) {
  return sum_of<F>(x, 0, n);
}
double centered_squares(const float* x, float mean, int64_t n) { return sum_of<Centered>(x, mean, n); }

template <bool kMax>
double extreme(const float* x, int64_t n) {
  auto better = [](Vf a, Vf v) { return kMax ? max_to(a, v) : min_to(a, v); };
  float best = x[0];
  bool nan = false;
  int64_t i = 0;
  if (n >= kLanes) {
    Vf a[kChains];
    for (int k = 0; k < kChains; ++k) a[k] = load(x);
    Vi unordered{};
    for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) {
        const Vf v = load(x + i + k * kLanes);
        unordered |= v != v;
        a[k] = better(a[k], v);
      }
    }
    for (; i + kLanes <= n; i += kLanes) {
      const Vf v = load(x + i);
      unordered |= v != v;
      a[0] = better(a[0], v);
    }
    const Vf v = better(better(a[0], a[1]), better(a[2], a[3]));
    best = v[0];
    for (int k = 0; k < kLanes; ++k) {
      nan |= unordered[k] != 0;
      if (kMax ? v[k] > best : v[k] < best) best = v[k];
    }
  }
  for (; i < n; ++i) {
    nan |= x[i] != x[i];
    if (kMax ? x[i] > best : x[i] < best) best = x[i];
  }
  return nan || best != best ? double(__builtin_nanf("")) : double(best);
}

double product(const float* x, int64_t n) {
  double p = 1;
  for (int64_t i = 0; i < n; ++i) p *= double(x[i]);
  return p;
}

template <bool kStore>
double exp_sum_of(const float* x, float scale, float bias, float* y, int64_t n) {
  const Vf s = splat(scale), b = splat(-bias);
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = begin + kBlock < n ? begin + kBlock : n;
    Vf a[2] = {};
    int64_t i = begin;
    for (; i + 2 * kLanes <= end; i += 2 * kLanes) {
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        const Vf e = exp(fma(load(x + i + k * kLanes), s, b));
        if constexpr (kStore) store(y + i + k * kLanes, e);
        a[k] += e;
      }
    }
    for (; i + kLanes <= end; i += kLanes) {
      const Vf e = exp(fma(load(x + i), s, b));
      if constexpr (kStore) store(y + i, e);
      a[0] += e;
    }
    if (i < end) {
      const Vf e = first_lanes(exp(fma(load_part(x + i, end - i), s, b)), end - i);
      if constexpr (kStore) store_part(y + i, e, end - i);
      a[1] += e;
    }
    sum += total(a[0] + a[1]);
  }
  return sum;
}
double exp_sum(const float* x, float scale, float bias, float* y, int64_t n) {
  return y ? exp_sum_of<true>(x, scale, bias, y, n) : exp_sum_of<false>(x, scale, bias, y, n);
}

template <bool kGamma, bool kBeta>
void normalize_of(const float* x, float mean, float scale, const float* gamma, const float* beta, float* y, int64_t n) {
  const Vf m = splat(mean), s = splat(scale);
  auto at = [&](Vf v, Vf g, Vf b) {
    Vf r = (v - m) * s;
    if constexpr (kGamma && kBeta) return fma(r, g, b);
    if constexpr (kGamma) return r * g;
    if constexpr (kBeta) return r + b;
    return r;
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(y + i, at(load(x + i), kGamma ? load(gamma + i) : m, kBeta ? load(beta + i) : m));
  if (const int64_t rest = n - i; rest > 0)
    store_part(
        y + i,
        at(load_part(x + i, rest), kGamma ? load_part(gamma + i, rest) : m, kBeta ? load_part(beta + i, rest) : m),
        rest);
}
void normalize(const float* x, float mean, float scale, const float* gamma, const float* beta, float* y, int64_t n) {
  if (gamma && beta) return normalize_of<true, true>(x, mean, scale, gamma, beta, y, n);
  if (gamma) return normalize_of<true, false>(x, mean, scale, gamma, beta, y, n);
  if (beta) return normalize_of<false, true>(x, mean, scale, gamma, beta, y, n);
  return normalize_of<false, false>(x, mean, scale, gamma, beta, y, n);
}

/// Columns stay in registers while rows pass.
template <class F>
void fold_rows(float* to, const float* x, int64_t pitch, int64_t rows, int64_t n) {
  int64_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
    Vf a[kChains];
#pragma GCC unroll 4
    for (int k = 0; k < kChains; ++k) a[k] = load(to + i + k * kLanes);
    const float* p = x + i;
    for (int64_t r = 0; r < rows; ++r, p += pitch) {
#pragma GCC unroll 4
      for (int k = 0; k < kChains; ++k) a[k] = F::fold(a[k], load(p + k * kLanes));
    }
#pragma GCC unroll 4
    for (int k = 0; k < kChains; ++k) store(to + i + k * kLanes, a[k]);
  }
  while (i < n) {
    const int64_t part = n - i < kLanes ? n - i : kLanes;
    Vf a = load_part(to + i, part);
    for (int64_t r = 0; r < rows; ++r) a = F::fold(a, load_part(x + i + r * pitch, part));
    store_part(to + i, a, part);
    i += part;
  }
}
struct FoldSum {
  TENON_INLINE static Vf fold(Vf a, Vf x) { return a + x; }
};
struct FoldMax {
  TENON_INLINE static Vf fold(Vf a, Vf x) { return a == a ? max_to(a, x) : a; }
};

}  // namespace

void fill_rows(RowLoops& t) {
  t.reduce[int(RowReduce::kSum)] = reduce_sum<Sum>;
  t.reduce[int(RowReduce::kSumAbs)] = reduce_sum<SumAbs>;
  t.reduce[int(RowReduce::kSumSquares)] = reduce_sum<SumSquares>;
  t.reduce[int(RowReduce::kMax)] = extreme<true>;
  t.reduce[int(RowReduce::kMin)] = extreme<false>;
  t.reduce[int(RowReduce::kProduct)] = product;
  t.centered_squares = centered_squares;
  t.exp_sum = exp_sum;
  t.normalize = normalize;
  t.add_rows = fold_rows<FoldSum>;
  t.max_rows = fold_rows<FoldMax>;
}

}  // namespace tenon::isa::TENON_ISA
