// Depthwise convolution: a vector of channels at a time, several neighbours along w at once.
#include "backends/cpu/isa/gemm.h"
#include "backends/cpu/isa/parts.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int kWide = 8;           // neighbours along w
constexpr int64_t kRowBlock = 16;  // rows of y done for one strip of channels before the next
constexpr int kDeep = 4;           // vectors of channels where a border leaves one position
constexpr int kDeepLanes = kDeep * kLanes;

/// The taps along d and h that are inside the input for one row of y.
struct Row {
  int64_t d0, d1, h0, h1;  ///< kernel positions
  int64_t d, h, n;         ///< the input position of kernel position 0
};
TENON_INLINE void inside(int64_t at, int64_t kernel, int64_t dilation, int64_t in, int64_t& k0, int64_t& k1) {
  k0 = at >= 0 ? 0 : min64(kernel, (-at + dilation - 1) / dilation);
  k1 = at >= in ? 0 : min64(kernel, (in - 1 - at) / dilation + 1);
  k1 = max64(k0, k1);
}
TENON_INLINE Row find_row(const Depthwise& c, int64_t row) {
  Row r;
  const int64_t h = row % c.out[1], rest = row / c.out[1];
  r.n = rest / c.out[0];
  r.d = rest % c.out[0] * c.stride[0] - c.pad[0];
  r.h = h * c.stride[1] - c.pad[1];
  inside(r.d, c.kernel[0], c.dilation[0], c.in[0], r.d0, r.d1);
  inside(r.h, c.kernel[1], c.dilation[1], c.in[1], r.h0, r.h1);
  return r;
}

template <class T>
TENON_INLINE const T* input_row(const Depthwise& c, const Row& r, int64_t kd, int64_t kh) {
  const int64_t plane = r.n * c.in[0] + r.d + kd * c.dilation[0];
  return static_cast<const T*>(c.x) + (plane * c.in[1] + r.h + kh * c.dilation[1]) * c.in[2] * c.ldx;
}

/// W neighbouring outputs whose taps along w are all inside; `left` channels of the vector are real.
template <class T, int W, bool kPart>
void wide(const Depthwise& c, const Row& r, int64_t w, int64_t channel, int64_t left, const Sink& sink) {
  Vf acc[W];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) acc[j] = Vf{};
  const int64_t step = c.stride[2] * c.ldx, first = (w * c.stride[2] - c.pad[2]) * c.ldx + channel;
  for (int64_t kd = r.d0; kd < r.d1; ++kd)
    for (int64_t kh = r.h0; kh < r.h1; ++kh) {
      const T* x = input_row<T>(c, r, kd, kh) + first;
      const float* weights = c.w + (kd * c.kernel[1] + kh) * c.kernel[2] * c.c + channel;
      for (int64_t kw = 0; kw < c.kernel[2]; ++kw, x += c.dilation[2] * c.ldx, weights += c.c) {
        const Vf wv = kPart ? load_part(weights, left) : load(weights);
#pragma GCC unroll 8
        for (int j = 0; j < W; ++j) {
          const T* at = x + j * step;
          acc[j] = fma(kPart ? load_part(at, left) : load(at), wv, acc[j]);
        }
      }
    }
  if (!kPart && sink.plan->in_registers) {
    const Vf(&column)[W][1] = reinterpret_cast<const Vf(&)[W][1]>(acc);
    if (sink.plan->bf16)
      store_registers<uint16_t, W, 1>(column, sink);
    else
      store_registers<float, W, 1>(column, sink);
    return;
  }
  alignas(64) float sums[W * kLanes];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) store(sums + j * kLanes, acc[j]);
  store_rows(sink, sums, kLanes, W, left);
}

/// One output whose taps along w are [k0, k1), for up to kDeepLanes channels.
template <class T>
void deep(const Depthwise& c, const Row& r, int64_t w, int64_t channel, int64_t channels, float* sums) {
  int64_t k0, k1;
  const int64_t at = w * c.stride[2] - c.pad[2];
  inside(at, c.kernel[2], c.dilation[2], c.in[2], k0, k1);
  Vf acc[kDeep] = {};
  for (int64_t kd = r.d0; kd < r.d1; ++kd)
    for (int64_t kh = r.h0; kh < r.h1; ++kh) {
      const T* x = input_row<T>(c, r, kd, kh) + at * c.ldx + channel;
      const float* weights = c.w + (kd * c.kernel[1] + kh) * c.kernel[2] * c.c + channel;
      for (int64_t kw = k0; kw < k1; ++kw) {
        const T* from = x + kw * c.dilation[2] * c.ldx;
        const float* wv = weights + kw * c.c;
        if (channels == kDeepLanes) {
#pragma GCC unroll 4
          for (int v = 0; v < kDeep; ++v) acc[v] = fma(load(from + v * kLanes), load(wv + v * kLanes), acc[v]);
        } else {
#pragma GCC unroll 4
          for (int v = 0; v < kDeep; ++v) {
            const int64_t left = min64(kLanes, max64(0, channels - v * kLanes));
            if (left > 0) acc[v] = fma(load_part(from + v * kLanes, left), load_part(wv + v * kLanes, left), acc[v]);
          }
        }
      }
    }
#pragma GCC unroll 4
  for (int v = 0; v < kDeep; ++v) store(sums + v * kLanes, acc[v]);
}

template <class T, bool kPart>
TENON_INLINE void wide_run(int64_t count, const Depthwise& c, const Row& r, int64_t w, int64_t channel, int64_t left,
                           const Sink& sink) {
  switch (count) {
    case 1:
      return wide<T, 1, kPart>(c, r, w, channel, left, sink);
    case 2:
      return wide<T, 2, kPart>(c, r, w, channel, left, sink);
    case 3:
      return wide<T, 3, kPart>(c, r, w, channel, left, sink);
    case 4:
      return wide<T, 4, kPart>(c, r, w, channel, left, sink);
    case 5:
      return wide<T, 5, kPart>(c, r, w, channel, left, sink);
    case 6:
      return wide<T, 6, kPart>(c, r, w, channel, left, sink);
    case 7:
      return wide<T, 7, kPart>(c, r, w, channel, left, sink);
    default:
      return wide<T, 8, kPart>(c, r, w, channel, left, sink);
  }
}

/// W neighbouring outputs from column w on, K x K window, stride S, dilation 1. The window's rows are `rows`, null
/// outside the input. Inputs are read once for all the outputs that share them. With kEdge, columns outside the input
/// count as zero and `left` channels are real.
template <class T, int K, int S, int W, bool kEdge>
void square(const Depthwise& c, const T* const (&rows)[K], int64_t w, int64_t channel, int64_t left, const Sink& sink) {
  constexpr int kColumns = (W - 1) * S + K;
  Vf acc[W][1];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) acc[j][0] = Vf{};
  const int64_t first = w * S - c.pad[2];
#pragma GCC unroll 1
  for (int h = 0; h < K; ++h) {
    if (!rows[h]) continue;
    const T* x = rows[h] + first * c.ldx + channel;
    const float* weights = c.w + h * K * c.c + channel;
    Vf wv[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k)
      wv[k] = kEdge && left < kLanes ? load_part(weights + k * c.c, left) : load(weights + k * c.c);
#pragma GCC unroll 24
    for (int i = 0; i < kColumns; ++i, x += c.ldx) {
      Vf v;
      if (kEdge) {
        const bool in = uint64_t(first + i) < uint64_t(c.in[2]);
        v = !in ? Vf{} : left < kLanes ? load_part(x, left) : load(x);
      } else {
        v = load(x);
      }
#pragma GCC unroll 8
      for (int j = 0; j < W; ++j)
        if (i - j * S >= 0 && i - j * S < K) acc[j][0] = fma(v, wv[i - j * S], acc[j][0]);
    }
  }
  if (sink.plan->in_registers && (!kEdge || left >= kLanes)) {
    if (sink.plan->bf16)
      store_registers<uint16_t, W, 1>(acc, sink);
    else
      store_registers<float, W, 1>(acc, sink);
    return;
  }
  alignas(64) float sums[W * kLanes];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) store(sums + j * kLanes, acc[j][0]);
  store_rows(sink, sums, kLanes, W, min64(left, kLanes));
}

#if defined(__AVX512BF16__)
template <int W>
struct StorePairs {
  const Sink& s;
  const float* sums;
  const Pair& bias;

  template <Act kAct>
  void run() const {
    const ActParams params = s.plan->act_params;
#pragma GCC unroll 8
    for (int j = 0; j < W; ++j) {
      const Vf even = load(sums + 2 * j * kLanes) + bias.even, odd = load(sums + (2 * j + 1) * kLanes) + bias.odd;
      store_pair(reinterpret_cast<uint16_t*>(s.y + j * s.plan->ldy),
                 {activate_rough<kAct>(even, params), activate_rough<kAct>(odd, params)});
    }
  }
};

/// What square() does for 2 * kLanes channels whose weights are paired. Meanwhile the lines of `ahead` come closer.
template <int K, int S, int W, bool kEdge>
void pair_square(const Depthwise& c, const uint16_t* const (&rows)[K], const uint16_t* ahead, int64_t w,
                 int64_t channel, const Sink& sink) {
  constexpr int kColumns = (W - 1) * S + K;
  Vf acc[W][2];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) acc[j][0] = acc[j][1] = Vf{};
  const int64_t first = w * S - c.pad[2];
  if (ahead) {
    const uint16_t* line = ahead + first * c.ldx + channel;
#pragma GCC unroll 16
    for (int i = 0; i < W * S; ++i, line += c.ldx) {
      __builtin_prefetch(line, 0, 2);
      if (S == 2) __builtin_prefetch(line - c.in[2] * c.ldx, 0, 2);
    }
  }
#pragma GCC unroll 1
  for (int h = 0; h < K; ++h) {
    if (!rows[h]) continue;
    const uint16_t* x = rows[h] + first * c.ldx + channel;
    const float* weights = c.w + h * K * c.c + channel;
    Vf wv[K][2];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) wv[k][0] = load(weights + k * c.c), wv[k][1] = load(weights + k * c.c + kLanes);
#pragma GCC unroll 24
    for (int i = 0; i < kColumns; ++i, x += c.ldx) {
      Pair v{};
      if (!kEdge || uint64_t(first + i) < uint64_t(c.in[2])) v = load_pair(x);
#pragma GCC unroll 8
      for (int j = 0; j < W; ++j)
        if (i - j * S >= 0 && i - j * S < K) {
          acc[j][0] = fma(v.even, wv[i - j * S][0], acc[j][0]);
          acc[j][1] = fma(v.odd, wv[i - j * S][1], acc[j][1]);
        }
    }
  }
  const Pair bias = sink.bias ? load_pair(sink.bias) : Pair{};
  if (sink.plan->in_registers) {
    const Vf lo = sink.plan->lo, hi = sink.plan->hi;
#pragma GCC unroll 8
    for (int j = 0; j < W; ++j)
      store_pair(reinterpret_cast<uint16_t*>(sink.y + j * sink.plan->ldy),
                 {clip(acc[j][0] + bias.even, lo, hi), clip(acc[j][1] + bias.odd, lo, hi)});
    return;
  }
  alignas(64) float sums[W * 2 * kLanes];
#pragma GCC unroll 8
  for (int j = 0; j < W; ++j) store(sums + 2 * j * kLanes, acc[j][0]), store(sums + (2 * j + 1) * kLanes, acc[j][1]);
  with_act(sink.plan->act, StorePairs<W>{sink, sums, bias});
}
#endif

/// One row of outputs for the channels from `ch` on; returns how many channels it did.
template <class T, int K, int S, int W>
TENON_INLINE int64_t square_row(const Depthwise& c, const T* const (&rows)[K], [[maybe_unused]] const T* ahead,
                                int64_t ch, int64_t left, const Sink& row) {
  [[maybe_unused]] const auto is_inside = [&](int64_t first) {
    return first >= 0 && first + (W - 1) * S + K <= c.in[2];
  };
  for (int64_t w = 0; w < c.out[2]; w += W) {
    const int64_t at = min64(w, c.out[2] - W), first = at * S - c.pad[2];
    const Sink sink = moved(row, at, ch);
#if defined(__AVX512BF16__)
    if constexpr (sizeof(T) == 2)
      if (c.paired && left >= 2 * kLanes) {
        if (is_inside(first))
          pair_square<K, S, W, false>(c, rows, ahead, at, ch, sink);
        else
          pair_square<K, S, W, true>(c, rows, ahead, at, ch, sink);
        continue;
      }
#endif
    if (left >= kLanes && is_inside(first))
      square<T, K, S, W, false>(c, rows, at, ch, left, sink);
    else
      square<T, K, S, W, true>(c, rows, at, ch, left, sink);
  }
  return sizeof(T) == 2 && c.paired && left >= 2 * kLanes ? 2 * kLanes : kLanes;
}

/// Rows [r0, r1) in runs of W columns; the last run may overlap the one before it.
template <class T, int K, int S, int W>
void square_rows(const Depthwise& c, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  const Plan plan = make_plan(c.post, c.ldy, c.y_type);
  const Sink all = make_sink(plan, c.y);
  for (int64_t block = r0; block < r1; block += kRowBlock) {
    const int64_t count = min64(kRowBlock, r1 - block);
    const T* rows[kRowBlock][K];
    for (int64_t i = 0; i < count; ++i) {
      const Row r = find_row(c, block + i);
      for (int h = 0; h < K; ++h) rows[i][h] = h >= r.h0 && h < r.h1 ? input_row<T>(c, r, 0, h) : nullptr;
    }
    for (int64_t ch = c0, done = 0; ch < c1; ch += done)
      for (int64_t i = 0; i < count; ++i)
        done = square_row<T, K, S, W>(c, rows[i], i + 1 < count ? rows[i + 1][K - 1] : nullptr, ch, c1 - ch,
                                      moved(all, (block + i) * c.out[2], 0));
  }
}

template <class T, int K, int S>
bool try_square(const Depthwise& c, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  if (c.kernel[1] != K || c.kernel[2] != K || c.stride[2] != S || c.out[2] < 4) return false;
  if (c.out[2] % 7 == 0)
    square_rows<T, K, S, 7>(c, r0, r1, c0, c1);
  else if (c.out[2] >= 8)
    square_rows<T, K, S, 8>(c, r0, r1, c0, c1);
  else
    square_rows<T, K, S, 4>(c, r0, r1, c0, c1);
  return true;
}
template <class T>
bool try_squares(const Depthwise& c, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  if (c.kernel[0] != 1 || c.dilation[1] != 1 || c.dilation[2] != 1) return false;
  return try_square<T, 3, 1>(c, r0, r1, c0, c1) || try_square<T, 3, 2>(c, r0, r1, c0, c1) ||
         try_square<T, 5, 1>(c, r0, r1, c0, c1) || try_square<T, 5, 2>(c, r0, r1, c0, c1) ||
         try_square<T, 7, 1>(c, r0, r1, c0, c1);
}

template <class T>
void depthwise_rows(const Depthwise& c, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  if (try_squares<T>(c, r0, r1, c0, c1)) return;
  alignas(64) float sums[kDeepLanes];
  const Plan plan = make_plan(c.post, c.ldy, c.y_type);
  const Sink all = make_sink(plan, c.y);
  // Outputs [w0, w1) see every tap along w.
  const int64_t span = (c.kernel[2] - 1) * c.dilation[2], room = c.in[2] + c.pad[2] - 1 - span;
  const int64_t w0 = min64(c.out[2], ceil_div(c.pad[2], c.stride[2]));
  const int64_t w1 = max64(w0, min64(c.out[2], room < 0 ? 0 : room / c.stride[2] + 1));
  // Borders first, many channels at a time; then strips of channels down the rows, whose inputs stay in the first-level
  // cache from one row to the next.
  for (int64_t row = r0; row < r1; ++row) {
    const Row r = find_row(c, row);
    const Sink sink = moved(all, row * c.out[2], 0);
    for (int64_t side = 0; side < 2; ++side)
      for (int64_t w = side ? w1 : 0; w < (side ? c.out[2] : w0); ++w)
        for (int64_t ch = c0; ch < c1; ch += kDeepLanes) {
          const int64_t channels = min64(kDeepLanes, c1 - ch);
          deep<T>(c, r, w, ch, channels, sums);
          store_rows(moved(sink, w, ch), sums, kDeepLanes, 1, channels);
        }
  }
  const int64_t runs = ceil_div(w1 - w0, kWide);
  for (int64_t first = r0; first < r1; first += kRowBlock) {
    const int64_t count = min64(kRowBlock, r1 - first);
    Row rows[kRowBlock];
    for (int64_t i = 0; i < count; ++i) rows[i] = find_row(c, first + i);
    for (int64_t ch = c0; ch < c1; ch += kLanes) {
      const int64_t left = min64(kLanes, c1 - ch);
      for (int64_t i = 0; i < count; ++i)
        // Equal runs: 9 become 5 and 4, not 8 and 1.
        for (int64_t run = 0, w = w0; run < runs; ++run) {
          const int64_t width = int64_t(uint32_t(w1 - w) / uint32_t(runs - run));
          const Sink sink = moved(all, (first + i) * c.out[2] + w, ch);
          if (left == kLanes)
            wide_run<T, false>(width, c, rows[i], w, ch, left, sink);
          else
            wide_run<T, true>(width, c, rows[i], w, ch, left, sink);
          w += width;
        }
    }
  }
}

void depthwise(const Depthwise& c, int64_t r0, int64_t r1, int64_t c0, int64_t c1) {
  if (c.type == Type::kF32)
    depthwise_rows<float>(c, r0, r1, c0, c1);
  else
    depthwise_rows<uint16_t>(c, r0, r1, c0, c1);
}

bool depthwise_pairs(const Depthwise& c) {
#if defined(__AVX512BF16__)
  const bool square = c.kernel[0] == 1 && c.kernel[1] == c.kernel[2] && c.stride[1] == c.stride[2] &&
                      c.dilation[1] == 1 && c.dilation[2] == 1 && c.out[2] >= 4;
  const int64_t k = c.kernel[2], s = c.stride[2];
  return c.type == Type::kBf16 && c.y_type == Type::kBf16 && square &&
         (((k == 3 || k == 5) && (s == 1 || s == 2)) || (k == 7 && s == 1));
#else
  return c.c < 0;
#endif
}

}  // namespace

void fill_depthwise(IsaTable& t) {
  t.depthwise = depthwise;
  t.depthwise_pairs = depthwise_pairs;
}

}  // namespace tenon::isa::TENON_ISA
