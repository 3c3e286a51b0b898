// The register tile: kRows x (kVectors vectors) sums over taps and k, fed by row pointers and a packed panel.
#pragma once
#include "backends/cpu/isa/post.h"

namespace tenon::isa::TENON_ISA {

#if defined(__AVX512F__)
constexpr int kRows = 14, kVectors = 2;
#elif defined(__AVX2__)
constexpr int kRows = 6, kVectors = 2;
#elif defined(__aarch64__)
constexpr int kRows = 12, kVectors = 2;
#else
constexpr int kRows = 6, kVectors = 2;
#endif
constexpr int kPanel = kVectors * kLanes;
constexpr int kRowPad = 16;  ///< row pointers of one tap

/// f32 times f32.
struct MacF32 {
  using A = float;
  using B = float;
  static constexpr int kStep = 1, kPack = 1;
  static constexpr bool kCut = true;
  TENON_INLINE static Vf broadcast(const A* a) { return splat(*a); }
  TENON_INLINE static Vf broadcast_last(const A* a) { return splat(*a); }
  TENON_INLINE static Vf load_b(const B* b) { return load(b); }
  TENON_INLINE static Vf mac(Vf acc, Vf a, Vf b) {
#if defined(__AVX512F__)
    // Spelled out, the sum stays in its register: the compiler's own choice of operands moves and spills sums.
    asm("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
#else
    return fma(a, b, acc);
#endif
  }
};
#if defined(__AVX512BF16__)
/// Pairs of bf16 products, added in f32.
struct MacBf16 {
  using A = uint16_t;
  using B = uint16_t;
  static constexpr int kStep = 2, kPack = 2;
  static constexpr bool kCut = false;
  TENON_INLINE static Vf broadcast(const A* a) {
    int32_t pair;
    std::memcpy(&pair, a, 4);
    return floats(splat_int(pair));
  }
  TENON_INLINE static Vf broadcast_last(const A* a) { return floats(splat_int(int32_t(*a))); }
  TENON_INLINE static Vf load_b(const B* b) { return load(reinterpret_cast<const float*>(b)); }
  TENON_INLINE static Vf mac(Vf acc, Vf a, Vf b) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
  }
};
#else
/// bf16 widened to f32; B is packed as f32 values that bf16 can hold.
struct MacBf16 {
  using A = uint16_t;
  using B = float;
  static constexpr int kStep = 1, kPack = 1;
  static constexpr bool kCut = false;
  TENON_INLINE static Vf broadcast(const A* a) { return floats(splat_int(int32_t(uint32_t(*a) << 16))); }
  TENON_INLINE static Vf broadcast_last(const A* a) { return broadcast(a); }
  TENON_INLINE static Vf load_b(const B* b) { return load(b); }
  TENON_INLINE static Vf mac(Vf acc, Vf a, Vf b) { return fma(a, b, acc); }
};
#endif

/// Elements of a packed panel row group: k rounded up to the pair, times columns.
template <class Mac>
TENON_INLINE int64_t padded_k(int64_t k) {
  return (k + Mac::kPack - 1) / Mac::kPack * Mac::kPack;
}

template <class Mac, int M, int V>
TENON_INLINE void mac_step(Vf (&acc)[M][V], const typename Mac::A* const (&a)[M], int64_t i, const typename Mac::B* b,
                           bool last) {
  Vf bv[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) bv[v] = Mac::load_b(b + v * kLanes * Mac::kPack);
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r) {
    Vf x = last ? Mac::broadcast_last(a[r] + i) : Mac::broadcast(a[r] + i);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[r][v] = Mac::mac(acc[r][v], x, bv[v]);
  }
}

/// Bytes that later tiles read, asked for on the way: so many lines for every kUnroll steps.
struct Ahead {
  const char* at;
  int lines;
};
constexpr int kUnroll = 4, kLine = 64;

/// Products that a running sum takes before it goes into a total, where the factors are f32 (Mac::kCut): the rounding
/// error of a long sum grows with the root of its length. Long products are cut there, too.
constexpr int64_t kChain = 128, kEndless = INT64_MAX;

/// What a tile is summed from: row pointers of each tap, k in [from, k), the panel from there on.
struct Feed {
  const void* const* rows = nullptr;
  int64_t taps = 1, from = 0, k = 0;
  int64_t chain = 0;
  const char* b = nullptr;
  Ahead ahead{nullptr, 0};
  /// Where sums wait between parts of k, M * V vectors, or null: `begun` says that there are some, `ended` that they
  /// are complete with this part.
  float* sums = nullptr;
  bool begun = false, ended = true;
};

/// Adds the sums to their totals, or begins these, and starts the sums again.
template <int M, int V>
TENON_INLINE void cut_off(Vf (&acc)[M][V], float* total, bool first) {
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      float* t = total + (r * V + v) * kLanes;
      store(t, first ? acc[r][v] : load(t) + acc[r][v]);
      acc[r][v] = Vf{};
    }
}
template <int M, int V>
TENON_INLINE void add_totals(Vf (&acc)[M][V], const float* total) {
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[r][v] += load(total + (r * V + v) * kLanes);
}

/// Every sum runs over taps, then k, one after the other, and, with Mac::kCut, is cut off between runs of k once it is
/// `chain` long, whatever M and V are: bits do not depend on the tiling. `total` is room for M * V vectors.
template <class Mac, int M, int V>
TENON_INLINE void sum_tile(Vf (&acc)[M][V], float* total, const Feed& f) {
  constexpr int64_t kWidth = V * kLanes * Mac::kPack;  // elements of B a step
  const int64_t k = f.k, chain = Mac::kCut ? f.chain : kEndless;
  const void* const* rows = f.rows;
  const typename Mac::B* b = reinterpret_cast<const typename Mac::B*>(f.b);
  Ahead ahead = f.ahead;
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) acc[r][v] = Vf{};
  if (!Mac::kCut && f.begun) add_totals(acc, total);
  int64_t length = 0;
  bool cut = Mac::kCut && f.begun;
  for (int64_t t = 0; t < f.taps; ++t, rows += kRowPad) {
    const typename Mac::A* a[M];
#pragma GCC unroll 16
    for (int r = 0; r < M; ++r) a[r] = static_cast<const typename Mac::A*>(rows[r]);
    for (int64_t i = f.from, end = 0; i < k; length += end) {
      if (Mac::kCut && length >= chain) {
        cut_off(acc, total, !cut);
        cut = true;
        length = 0;
      }
      end = k - i > chain ? i + chain : k;
      length -= i;
      for (; i + kUnroll * Mac::kStep <= end; i += kUnroll * Mac::kStep) {
#pragma GCC unroll 4
        for (int u = 0; u < kUnroll; ++u) mac_step<Mac, M, V>(acc, a, i + u * Mac::kStep, b + u * kWidth, false);
        b += kUnroll * kWidth;
        for (int line = 0; line < ahead.lines; ++line, ahead.at += kLine) __builtin_prefetch(ahead.at, 0, 2);
      }
      for (; i + Mac::kStep <= end; i += Mac::kStep, b += kWidth) mac_step<Mac, M, V>(acc, a, i, b, false);
      if (Mac::kStep > 1 && i < end) {
        mac_step<Mac, M, V>(acc, a, i, b, true);
        b += kWidth;
        i = end;
      }
    }
  }
  if (Mac::kCut && cut) add_totals(acc, total);
}

template <class Mac>
TENON_INLINE const typename Mac::B* at_panel(const char* b, int p, int64_t panel) {
  return reinterpret_cast<const typename Mac::B*>(b + p * panel);
}

/// Asks for the lines of y that a tile will write.
template <int M, int V>
TENON_INLINE void expect_stores(const Sink& s) {
  const int64_t bytes = V * kLanes * s.plan->size;
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r) {
    __builtin_prefetch(s.y + r * s.plan->ldy, 1, 3);
    if (bytes > kLine) __builtin_prefetch(s.y + r * s.plan->ldy + kLine, 1, 3);
  }
}

/// Stores one tile's sums, of which `columns` columns are real.
template <int M, int V>
TENON_INLINE void store_tile(const Vf (&acc)[M][V], const Sink& s, int64_t columns) {
  if (s.plan->in_registers && columns == V * kLanes) {
    if (s.plan->bf16)
      store_registers<uint16_t, M, V>(acc, s);
    else
      store_registers<float, M, V>(acc, s);
    return;
  }
  alignas(64) float buffer[M * V * kLanes];
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(buffer + (r * V + v) * kLanes, acc[r][v]);
  store_rows(s, buffer, V * kLanes, M, columns);
}

/// One tile: M rows, V vectors of which `columns` values are real.
template <class Mac, int M, int V>
void tile(const Feed& f, const Sink& s, int64_t columns) {
  Vf acc[M][V];
  alignas(64) float total[M * V * kLanes];
  if (f.ended) expect_stores<M, V>(s);
  sum_tile<Mac, M, V>(acc, f.sums ? f.sums : total, f);
  if (f.ended) return store_tile(acc, s, columns);
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(f.sums + (r * V + v) * kLanes, acc[r][v]);
}

/// M rows, too few for the multipliers' latency, against P whole panels at once, each in the order of sum_tile.
template <class Mac, int M, int P>
void wide_tile(const Feed& f, int64_t panel, const Sink& s) {
  const int64_t k = f.k, chain = Mac::kCut ? f.chain : kEndless;
  const void* const* rows = f.rows;
  const char* b = f.b;
  constexpr int64_t kWidth = kPanel * Mac::kPack;
  constexpr int64_t kTotals = M * kPanel;
  Vf acc[P][M][kVectors] = {};
  alignas(64) float total[P * kTotals];
  int64_t length = 0;
  bool cut = false;
  for (int64_t t = 0; t < f.taps; ++t, rows += kRowPad) {
    const typename Mac::A* a[M];
#pragma GCC unroll 4
    for (int r = 0; r < M; ++r) a[r] = static_cast<const typename Mac::A*>(rows[r]);
    const auto step = [&](int64_t i, bool last) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) mac_step<Mac, M, kVectors>(acc[p], a, i, at_panel<Mac>(b, p, panel), last);
      b += kWidth * int64_t(sizeof(typename Mac::B));
    };
    for (int64_t i = 0, end = 0; i < k; length += end) {
      if (Mac::kCut && length >= chain) {
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) cut_off(acc[p], total + p * kTotals, !cut);
        cut = true;
        length = 0;
      }
      end = k - i > chain ? i + chain : k;
      length -= i;
      for (; i + Mac::kStep <= end; i += Mac::kStep) step(i, false);
      if (Mac::kStep > 1 && i < end) step(i, true), i = end;
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < P; ++p) {
    if (Mac::kCut && cut) add_totals(acc[p], total + p * kTotals);
    store_tile(acc[p], moved(s, 0, p * kPanel), kPanel);
  }
}

/// The wide tile of so few rows: how many panels it takes, 0 if there is none.
struct WideTile {
  void (*run)(const Feed& f, int64_t panel, const Sink& s);
  int panels;
};
WideTile find_wide_tile(bool bf16, int64_t rows);

using TileFn = void (*)(const Feed& f, const Sink& s, int64_t columns);

/// The tile of so many rows and vectors; compiled once, in tile.cpp.
TileFn find_tile(bool bf16, int vectors, int rows);
template <class Mac, int V>
TENON_INLINE TileFn tile_of(int rows) {
  return find_tile(sizeof(typename Mac::A) == 2, V, rows);
}

}  // namespace tenon::isa::TENON_ISA
