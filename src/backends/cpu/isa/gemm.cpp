// Matrix products and the packing of B.
#include "backends/cpu/isa/gemm.h"
#include "backends/cpu/isa/parts.h"

namespace tenon::isa::TENON_ISA {
namespace {

TENON_INLINE bool pairs(Type type) { return type == Type::kBf16 && MacBf16::kPack == 2; }

/// One element as the packed type holds it: f32, or f32 rounded to bf16.
TENON_INLINE float element(const Pack& p, int64_t i) {
  if (p.source_bf16) {
    uint32_t u = uint32_t(static_cast<const uint16_t*>(p.source)[i]) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f * p.scale;
  }
  return static_cast<const float*>(p.source)[i] * p.scale;
}
TENON_INLINE uint16_t to_bits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  if ((u & 0x7fffffffu) > 0x7f800000u) return uint16_t((u >> 16) | 0x40u);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
TENON_INLINE float rounded(float x) {
  uint32_t u = uint32_t(to_bits(x)) << 16;
  std::memcpy(&x, &u, 4);
  return x;
}

/// Rows of B are contiguous f32 and stay f32: whole vectors move.
void pack_rows(const Pack& p, float* out, int64_t tap, int64_t n, int64_t columns, int64_t width, int64_t inner) {
  const float* source = static_cast<const float*>(p.source) + tap * p.st + n;
  const Vf scale = splat(p.scale);
  for (int64_t k = 0; k < p.k; ++k, out += width) {
    const float* row = source + k / inner * p.so + k % inner * p.sk;
    int64_t i = 0;
    for (; i + kLanes <= columns; i += kLanes) store(out + i, load(row + i) * scale);
    for (; i < width; i += kLanes) store(out + i, load_part(row + i, max64(0, columns - i)) * scale);
  }
}

/// B's columns are contiguous 32-bit words, `pitch` words apart: blocks are turned in registers. A word is an f32, to
/// be scaled, or a pair of bf16.
template <bool kScaled>
void pack_words(const float* source, int64_t pitch, int64_t k, int64_t columns, int64_t width, Vf scale, float* out) {
  for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
    const int64_t deep = min64(kLanes, k - k0);
    for (int64_t j = 0; j < width; j += kLanes) {
      Vf a[kLanes];
      if (deep == kLanes && j + kLanes <= columns) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) a[i] = load(source + (j + i) * pitch + k0);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) a[i] = j + i < columns ? load_part(source + (j + i) * pitch + k0, deep) : Vf{};
      }
      transpose(a);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i)
        if (i < deep) store(out + (k0 + i) * width + j, kScaled ? a[i] * scale : a[i]);
    }
  }
}

/// Rows of bf16, taken two at a time.
void pack_row_pairs(const Pack& p, uint16_t* out, int64_t tap, int64_t n, int64_t columns, int64_t width,
                    int64_t inner) {
  const uint16_t* source = static_cast<const uint16_t*>(p.source) + tap * p.st + n;
  for (int64_t k = 0; k < p.k; k += 2, out += 2 * width) {
    const uint16_t* even = source + k / inner * p.so + k % inner * p.sk;
    const uint16_t* odd = source + (k + 1) / inner * p.so + (k + 1) % inner * p.sk;
    for (int64_t j = 0; j < width; j += kLanes) {
      const int64_t left = max64(0, min64(kLanes, columns - j));
      const Vi low = bits(load_part(even + j, left)), high = k + 1 < p.k ? bits(load_part(odd + j, left)) : Vi{};
      store(reinterpret_cast<float*>(out + 2 * j),
            floats(reinterpret_cast<Vi>(reinterpret_cast<Vu>(low) >> 16) | high));
    }
  }
}

/// Columns of B are contiguous: each is read along k.
void pack_columns(const Pack& p, float* out, int64_t tap, int64_t n, int64_t columns, int64_t width, int64_t inner) {
  constexpr int64_t kStrip = 64;  // rows of the packed panel in the first-level cache
  for (int64_t k0 = 0; k0 < p.k; k0 += kStrip) {
    const int64_t k1 = min64(p.k, k0 + kStrip);
    for (int64_t j = 0; j < width; ++j) {
      int64_t outer = k0 / inner, rest = k0 % inner;
      for (int64_t k = k0; k < k1; ++k) {
        float v = j < columns ? element(p, tap * p.st + outer * p.so + rest * p.sk + (n + j) * p.sn) : 0.f;
        out[k * width + j] = p.type == Type::kBf16 ? rounded(v) : v;
        if (++rest == inner) rest = 0, ++outer;
      }
    }
  }
}
void pack_pairs(const Pack& p, uint16_t* out, int64_t tap, int64_t n, int64_t columns, int64_t width, int64_t inner) {
  constexpr int64_t kStrip = 64;
  const int64_t padded = (p.k + 1) / 2 * 2;
  for (int64_t k0 = 0; k0 < padded; k0 += kStrip) {
    const int64_t k1 = min64(padded, k0 + kStrip);
    for (int64_t j = 0; j < width; ++j) {
      int64_t outer = k0 / inner, rest = k0 % inner;
      for (int64_t k = k0; k < k1; ++k) {
        bool real = j < columns && k < p.k;
        float v = real ? element(p, tap * p.st + outer * p.so + rest * p.sk + (n + j) * p.sn) : 0.f;
        out[k / 2 * 2 * width + j * 2 + k % 2] = to_bits(v);
        if (++rest == inner) rest = 0, ++outer;
      }
    }
  }
}

int64_t packed_bytes(Type type, int64_t taps, int64_t k, int64_t n) {
  const int64_t panel = type == Type::kF32 ? panel_bytes<MacF32>(taps, k) : panel_bytes<MacBf16>(taps, k);
  const int64_t whole = n / kPanel, rest = n % kPanel;
  return whole * panel + (rest == 0 ? 0 : rest <= kLanes ? panel / kVectors : panel);
}

void pack(const Pack& p, void* packed, int64_t p0, int64_t p1) {
  const int64_t inner = p.inner > 0 ? p.inner : p.k, panels = ceil_div(p.n, kPanel);
  for (int64_t q = p0; q < min64(p1, panels); ++q) {
    const int64_t n = q * kPanel, columns = min64(kPanel, p.n - n);
    const int64_t width = columns > kLanes ? kPanel : kLanes;
    char* out = static_cast<char*>(packed) + packed_bytes(p.type, p.taps, p.k, n);
    for (int64_t t = 0; t < p.taps; ++t) {
      const bool plain = inner == p.k && p.sk == 1;
      const char* first = static_cast<const char*>(p.source) + (t * p.st + n * p.sn) * (p.source_bf16 ? 2 : 4);
      if (pairs(p.type)) {
        uint16_t* h = reinterpret_cast<uint16_t*>(out);
        if (p.source_bf16 && p.scale == 1 && plain && p.k % 2 == 0 && p.sn % 2 == 0)
          pack_words<false>(reinterpret_cast<const float*>(first), p.sn / 2, p.k / 2, columns, width, Vf{},
                            reinterpret_cast<float*>(out));
        else if (p.source_bf16 && p.scale == 1 && p.sn == 1)
          pack_row_pairs(p, h, t, n, columns, width, inner);
        else
          pack_pairs(p, h, t, n, columns, width, inner);
        out += (p.k + 1) / 2 * 2 * width * 2;
      } else {
        float* f = reinterpret_cast<float*>(out);
        const bool same = !p.source_bf16 && p.type == Type::kF32;
        if (same && p.sn == 1)
          pack_rows(p, f, t, n, columns, width, inner);
        else if (same && plain)
          pack_words<true>(reinterpret_cast<const float*>(first), p.sn, p.k, columns, width, splat(p.scale), f);
        else
          pack_columns(p, f, t, n, columns, width, inner);
        out += p.k * width * 4;
      }
    }
  }
}

template <class T>
void scale_rows_of(const T* x, int64_t ldx, int64_t rows, int64_t k, const float* scale, T* to) {
  for (int64_t r = 0; r < rows; ++r, x += ldx, to += k) {
    int64_t i = 0;
    for (; i + 2 * kLanes <= k; i += 2 * kLanes)
      store_two(to + i, load(x + i) * load(scale + i), load(x + i + kLanes) * load(scale + i + kLanes));
    for (int64_t left = k - i; left > 0; i += kLanes, left -= kLanes) {
      const int64_t n = min64(left, kLanes);
      store_part(to + i, load_part(x + i, n) * load_part(scale + i, n), n);
    }
  }
}
void scale_rows(Type type, const void* x, int64_t ldx, int64_t rows, int64_t k, const float* scale, void* to) {
  if (type == Type::kF32)
    scale_rows_of(static_cast<const float*>(x), ldx, rows, k, scale, static_cast<float*>(to));
  else
    scale_rows_of(static_cast<const uint16_t*>(x), ldx, rows, k, scale, static_cast<uint16_t*>(to));
}

/// How a product is cut. Where only a few tiles of A would fit the second-level cache, k is taken in parts: the part of
/// A under `depth` stays there while a group of panels uses it, and sums wait in between.
struct Cuts {
  int64_t depth;   ///< of k: all of it, or a multiple of kChain
  int64_t tiles;   ///< of a block of rows
  int64_t panels;  ///< of a group
};
constexpr int64_t kFewTiles = 8;
constexpr int64_t kGroupBytes = 256 * 1024;  // of waiting sums
constexpr int64_t kTileFloats = kRows * kPanel;

TENON_INLINE Cuts cuts_of(const Gemm& g, int64_t rows) {
  const int64_t size = size_of(g.type), tiles = ceil_div(rows, kRows), whole = block_tiles(g.k * size);
  if (whole >= min64(tiles, kFewTiles) || g.k <= kChain) return {g.k, whole, 0};
  Cuts c;
  c.tiles = min64(kBlockTiles, tiles);
  c.depth = min64(g.k, max64(1, kBlockBytes / (c.tiles * kRows * size * kChain)) * kChain);
  c.panels = max64(1, kGroupBytes / (c.tiles * kTileFloats * 4));
  return c;
}

int64_t gemm_scratch(const Gemm& g) {
  const int64_t size = size_of(g.type), whole = block_tiles(g.k * size), most = kBlockTiles * kRows;
  const bool cut = cuts_of(g, g.m).depth < g.k;
  int64_t bytes = pointer_bytes(kBlockTiles, 1) + (cut ? kGroupBytes : 0);
  if (collides(g.lda * size, g.k * size)) {
    const int64_t parts = max64(kBlockBytes, most * kChain * size) + most * 2 * kAlign;
    bytes += max64(whole * kRows * copied_pitch(g.k * size), cut ? parts : 0);
  }
  return bytes;
}

/// Rows [m0, m1) of panels [p0, p1) in parts of k. fill(block_row, m, rows, k0, k1, pointers) names the rows of one
/// tile, of which [k0, k1) is read. `sums` is kGroupBytes.
template <class Mac, class Fill>
void run_parts(const Product& p, const Cuts& c, int64_t m0, int64_t m1, int64_t p0, int64_t p1, const void** pointers,
               float* sums, const Fill& fill) {
  const int64_t rows = m1 - m0, tiles = ceil_div(rows, kRows), size = sizeof(typename Mac::B);
  const int64_t panel = panel_bytes<Mac>(1, p.k);
  const int64_t panels = ceil_div(p.n, kPanel);
  p1 = min64(p1, panels);
  const auto first_row = [&](int64_t t) { return m0 + rows / tiles * t + min64(t, rows % tiles); };
  const auto columns_of = [&](int64_t q) { return min64(kPanel, p.n - q * kPanel); };
  const auto at = [&](int64_t q, int64_t i) {
    return p.b + q * panel + i * (columns_of(q) > kLanes ? kPanel : kLanes) * size;
  };
  for (int64_t t0 = 0; t0 < tiles; t0 += c.tiles) {
    const int64_t t1 = min64(tiles, t0 + c.tiles);
    // While one piece of B is used, the next comes closer, a share with each tile.
    const int64_t share = ceil_div(c.depth * kPanel * size / kLine, t1 - t0);
    const int lines = int(ceil_div(share, c.depth / (kUnroll * Mac::kStep)));
    for (int64_t g0 = p0; g0 < p1; g0 += c.panels)
      for (int64_t k0 = 0; k0 < p.k; k0 += c.depth) {
        const int64_t g1 = min64(p1, g0 + c.panels), k1 = min64(p.k, k0 + c.depth);
        for (int64_t t = t0; t < t1; ++t) {
          const int64_t m = first_row(t);
          fill(m - first_row(t0), m, first_row(t + 1) - m, k0, k1, pointers + (t - t0) * kRowPad);
        }
        for (int64_t q = g0; q < g1; ++q) {
          const char* next = q + 1 < g1 ? at(q + 1, k0) : k1 < p.k ? at(g0, k1) : g1 < panels ? at(g1, 0) : nullptr;
          const int64_t columns = columns_of(q);
          Feed f{pointers, 1, k0, k1, p.chain, at(q, k0)};
          f.begun = k0 > 0;
          f.ended = k1 == p.k;
          for (int64_t t = t0; t < t1; ++t, f.rows += kRowPad) {
            const int64_t m = first_row(t);
            const int count = int(first_row(t + 1) - m);
            f.sums = sums + ((q - g0) * c.tiles + t - t0) * kTileFloats;
            if (next) f.ahead = {next + (t - t0) * share * kLine, lines};
            const TileFn fn = columns > kLanes ? tile_of<Mac, kVectors>(count) : tile_of<Mac, 1>(count);
            fn(f, moved(p.sink, m, q * kPanel), columns);
          }
        }
      }
  }
}

template <class Mac>
void gemm_rows(const Gemm& g, int64_t m0, int64_t m1, int64_t p0, int64_t p1, char* scratch) {
  const int64_t size = sizeof(typename Mac::A), pitch = g.lda * size;
  const char* a = static_cast<const char*>(g.a);
  const void** pointers = reinterpret_cast<const void**>(scratch);
  float* sums = reinterpret_cast<float*>(scratch + pointer_bytes(kBlockTiles, 1));
  const Cuts cuts = cuts_of(g, m1 - m0);
  char* copy = scratch + pointer_bytes(kBlockTiles, 1) + (cuts.depth < g.k ? kGroupBytes : 0);
  const bool copies = collides(pitch, g.k * size);
  const Plan plan = make_plan(g.post, g.ldy, g.y_type);
  const Product p{1, g.k, g.n, static_cast<const char*>(g.b), make_sink(plan, g.y)};
  const int64_t copy_pitch = copied_pitch(cuts.depth * size);
  const auto fill = [&](int64_t block_row, int64_t m, int64_t rows, int64_t k0, int64_t k1, const void** out) {
    for (int64_t r = 0; r < rows; ++r) out[r] = a + (m + r) * pitch + k0 * size;
    if (copies) copy_rows(out, rows, (k1 - k0) * size, copy + block_row * copy_pitch);
    for (int64_t r = 0; r < rows; ++r) out[r] = static_cast<const char*>(out[r]) - k0 * size;
  };
  if (cuts.depth < g.k)
    run_parts<Mac>(p, cuts, m0, m1, p0, p1, pointers, sums, fill);
  else
    run_product<Mac>(
        p, m0, m1, p0, p1, cuts.tiles, pointers,
        [&](int64_t block_row, int64_t m, int64_t r, const void** out) { fill(block_row, m, r, 0, g.k, out); });
}

void gemm(const Gemm& g, int64_t m0, int64_t m1, int64_t p0, int64_t p1, void* scratch) {
  if (m1 <= m0) return;
  if (g.type == Type::kF32)
    gemm_rows<MacF32>(g, m0, m1, p0, p1, static_cast<char*>(scratch));
  else
    gemm_rows<MacBf16>(g, m0, m1, p0, p1, static_cast<char*>(scratch));
}

}  // namespace

void fill_gemm(IsaTable& t) {
  t.lanes = kLanes;
  t.rows = kRows;
  t.panel = kPanel;
  t.fast_bf16 = MacBf16::kPack == 2;
  t.packed_bytes = packed_bytes;
  t.pack = pack;
  t.scale_rows = scale_rows;
  t.gemm_scratch = gemm_scratch;
  t.gemm = gemm;
}

}  // namespace tenon::isa::TENON_ISA
