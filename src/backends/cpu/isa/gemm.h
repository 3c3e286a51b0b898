// Blocking over register tiles: which rows, which panels, in which order. A source says where rows of A are.
#pragma once
#include "backends/cpu/isa/tile.h"

namespace tenon::isa::TENON_ISA {

constexpr int64_t kBlockTiles = 16;          // tiles whose row pointers are kept at once
constexpr int64_t kBlockBytes = 448 * 1024;  // of A in a block, to stay in the second-level cache
constexpr int64_t kAlign = 64;

TENON_INLINE int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
TENON_INLINE int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
TENON_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
TENON_INLINE int64_t aligned(int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
TENON_INLINE int64_t size_of(Type t) { return t == Type::kBf16 ? 2 : 4; }

/// Tiles in a block of rows, given the bytes of A behind one row.
TENON_INLINE int64_t block_tiles(int64_t row_bytes) {
  return max64(1, min64(kBlockTiles, kBlockBytes / (kRows * max64(row_bytes, 1))));
}
TENON_INLINE int64_t pointer_bytes(int64_t tiles, int64_t taps) {
  return aligned(tiles * taps * kRowPad * int64_t(sizeof(void*)));
}

/// Bytes of one full panel.
template <class Mac>
TENON_INLINE int64_t panel_bytes(int64_t taps, int64_t k) {
  return taps * padded_k<Mac>(k) * kPanel * int64_t(sizeof(typename Mac::B));
}

/// Rows whose pitch is a multiple of the distance at which first-level cache sets repeat are copied apart.
TENON_INLINE bool collides(int64_t pitch_bytes, int64_t k_bytes) {
  return kRows > 8 && pitch_bytes % 4096 == 0 && k_bytes >= 1024;
}
TENON_INLINE int64_t copied_pitch(int64_t k_bytes) { return aligned(k_bytes) + kAlign; }
TENON_INLINE void copy_rows(const void** rows, int64_t count, int64_t k_bytes, char* to) {
  for (int64_t r = 0; r < count; ++r, to += copied_pitch(k_bytes)) {
    std::memcpy(to, rows[r], size_t(k_bytes));
    rows[r] = to;
  }
}

struct Product {
  int64_t taps, k, n;
  const char* b;
  Sink sink;                     ///< of row 0, column 0
  const char* next_b = nullptr;  ///< what is read after the last panel, or null
  int64_t chain = kChain;        ///< products of a running sum
};

/// Runs rows [m0, m1) against panels [p0, p1). fill(block_row, m, rows, pointers) names the rows of one tile.
template <class Mac, class Fill>
TENON_INLINE void run_product(const Product& p, int64_t m0, int64_t m1, int64_t p0, int64_t p1, int64_t tiles_a_block,
                              const void** pointers, const Fill& fill) {
  const int64_t rows = m1 - m0;
  const int64_t tiles = ceil_div(rows, kRows), panels = ceil_div(p.n, kPanel);
  const int64_t panel = panel_bytes<Mac>(p.taps, p.k), pointer_step = p.taps * kRowPad;
  p1 = min64(p1, panels);
  const auto first_row = [&](int64_t t) { return m0 + rows / tiles * t + min64(t, rows % tiles); };
  for (int64_t t0 = 0; t0 < tiles; t0 += tiles_a_block) {
    const int64_t t1 = min64(tiles, t0 + tiles_a_block);
    for (int64_t t = t0; t < t1; ++t) {
      const int64_t m = first_row(t);
      fill(m - first_row(t0), m, first_row(t + 1) - m, pointers + (t - t0) * pointer_step);
    }
    // While one panel is used, the next comes closer, a part with each tile.
    const int64_t part = ceil_div(panel / kLine, t1 - t0), strips = max64(1, p.taps * p.k / (kUnroll * Mac::kStep));
    const int lines = int(ceil_div(part, strips));
    int64_t q = p0;
    if (const WideTile wide = find_wide_tile(sizeof(typename Mac::A) == 2, rows); wide.run)
      for (; q + wide.panels <= min64(p1, p.n / kPanel); q += wide.panels)
        wide.run({pointers, p.taps, 0, p.k, p.chain, p.b + q * panel}, panel, moved(p.sink, m0, q * kPanel));
    for (; q < p1; ++q) {
      // Beyond p1 it is what this thread's next task begins with.
      const char* next = q + 1 < panels ? p.b + (q + 1) * panel : p.next_b;
      const int64_t n = q * kPanel, columns = min64(kPanel, p.n - n);
      for (int64_t t = t0; t < t1; ++t) {
        const int64_t m = first_row(t);
        const int count = int(first_row(t + 1) - m);
        const TileFn fn = columns > kLanes ? tile_of<Mac, kVectors>(count) : tile_of<Mac, 1>(count);
        fn({pointers + (t - t0) * pointer_step, p.taps, 0, p.k, p.chain, p.b + q * panel,
            next ? Ahead{next + (t - t0) * part * kLine, lines} : Ahead{nullptr, 0}},
           moved(p.sink, m, n), columns);
      }
    }
  }
}

}  // namespace tenon::isa::TENON_ISA
