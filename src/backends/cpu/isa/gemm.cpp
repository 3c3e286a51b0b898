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

int64_t gemm_scratch(const Gemm& g) {
  const int64_t k_bytes = g.k * size_of(g.type), tiles = block_tiles(k_bytes);
  int64_t bytes = pointer_bytes(tiles, 1);
  if (collides(g.lda * size_of(g.type), k_bytes)) bytes += tiles * kRows * copied_pitch(k_bytes);
  return bytes;
}

template <class Mac>
void gemm_rows(const Gemm& g, int64_t m0, int64_t m1, int64_t p0, int64_t p1, char* scratch) {
  const int64_t size = sizeof(typename Mac::A), pitch = g.lda * size, k_bytes = g.k * size;
  const int64_t tiles = block_tiles(k_bytes), copy_pitch = copied_pitch(k_bytes);
  const char* a = static_cast<const char*>(g.a);
  const void** pointers = reinterpret_cast<const void**>(scratch);
  char* copy = scratch + pointer_bytes(tiles, 1);
  const bool copies = collides(pitch, k_bytes);
  const Plan plan = make_plan(g.post, g.ldy, g.y_type);
  const Product p{1, g.k, g.n, static_cast<const char*>(g.b), make_sink(plan, g.y)};
  run_product<Mac>(p, m0, m1, p0, p1, tiles, pointers,
                   [&](int64_t block_row, int64_t m, int64_t rows, const void** out) {
                     for (int64_t r = 0; r < rows; ++r) out[r] = a + (m + r) * pitch;
                     if (copies) copy_rows(out, rows, k_bytes, copy + block_row * copy_pitch);
                   });
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
  t.gemm_scratch = gemm_scratch;
  t.gemm = gemm;
}

}  // namespace tenon::isa::TENON_ISA
