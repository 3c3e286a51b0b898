// Convolution by implicit GEMM: row pointers take the place of an im2col matrix. Dukhan, "The Indirect Convolution
// Algorithm".
#include "backends/cpu/isa/gemm.h"
#include "backends/cpu/isa/parts.h"

namespace tenon::isa::TENON_ISA {
namespace {

struct Shape {
  int64_t size, taps, k, pitch;  ///< bytes an element, taps, inputs a tap, bytes between neighbours
  int64_t tiles;                 ///< a block
  bool pads, copies;
};
TENON_INLINE Shape shape_of(const Conv& c) {
  Shape s;
  s.size = size_of(c.type);
  s.taps = c.kernel[0] * c.kernel[1] * (c.merge_w ? 1 : c.kernel[2]);
  s.k = c.c * (c.merge_w ? c.kernel[2] : 1);
  s.pitch = c.ldx * s.size;
  s.pads = false;
  for (int i = 0; i < 3; ++i) {
    int64_t last = (c.out[i] - 1) * c.stride[i] - c.pad[i] + (c.kernel[i] - 1) * c.dilation[i];
    s.pads |= c.pad[i] > 0 || last >= c.in[i];
  }
  s.tiles = c.merge_w ? 1 : block_tiles(c.c * s.size * c.stride[1] * c.stride[2]);
  s.copies = s.taps == 1 && collides(s.pitch * c.stride[2], s.k * s.size);
  if (s.copies) s.tiles = block_tiles(s.k * s.size);
  return s;
}

/// Positions of up to kRowPad output rows in the input: the first tap's place, which may lie outside.
struct Places {
  int64_t offset[kRowPad];  ///< bytes from x
  int64_t d[kRowPad], h[kRowPad], w[kRowPad];
};
TENON_INLINE void find_places(const Conv& c, int64_t pitch, int64_t m, int64_t rows, Places& p) {
  int64_t w = m % c.out[2], rest = m / c.out[2];
  int64_t h = rest % c.out[1];
  rest /= c.out[1];
  int64_t d = rest % c.out[0], n = rest / c.out[0];
  for (int64_t r = 0; r < rows; ++r) {
    p.d[r] = d * c.stride[0] - c.pad[0];
    p.h[r] = h * c.stride[1] - c.pad[1];
    p.w[r] = w * c.stride[2] - c.pad[2];
    p.offset[r] = (((n * c.in[0] + p.d[r]) * c.in[1] + p.h[r]) * c.in[2] + p.w[r]) * pitch;
    if (++w < c.out[2]) continue;
    w = 0;
    if (++h < c.out[1]) continue;
    h = 0;
    if (++d == c.out[0]) d = 0, ++n;
  }
}

/// Pointers of every tap; a tap outside the input is the zero row.
TENON_INLINE void point_taps(const Conv& c, const Shape& s, const Places& p, const char* zero, const void** out) {
  const uintptr_t x = reinterpret_cast<uintptr_t>(c.x), z = reinterpret_cast<uintptr_t>(zero);
  const uint64_t in_d = uint64_t(c.in[0]), in_h = uint64_t(c.in[1]), in_w = uint64_t(c.in[2]);
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < c.kernel[1]; ++kh)
      for (int64_t kw = 0; kw < c.kernel[2]; ++kw, out += kRowPad) {
        const int64_t dd = kd * c.dilation[0], dh = kh * c.dilation[1], dw = kw * c.dilation[2];
        const uintptr_t base = x + uintptr_t(((dd * c.in[1] + dh) * c.in[2] + dw) * s.pitch);
        uintptr_t* to = reinterpret_cast<uintptr_t*>(out);
        for (int r = 0; r < kRowPad; ++r) {
          const bool inside =
              (uint64_t(p.d[r] + dd) < in_d) & (uint64_t(p.h[r] + dh) < in_h) & (uint64_t(p.w[r] + dw) < in_w);
          to[r] = inside ? base + uintptr_t(p.offset[r]) : z;
        }
      }
}

/// A run of taps along w that leaves the input, copied with zeros around it.
TENON_INLINE void copy_run(const Conv& c, int64_t size, const char* row, int64_t w, char* to) {
  const int64_t c_bytes = c.c * size;
  for (int64_t kw = 0; kw < c.kernel[2]; ++kw)
    if (uint64_t(w + kw) < uint64_t(c.in[2]))
      std::memcpy(to + kw * c_bytes, row + kw * c_bytes, size_t(c_bytes));
    else
      std::memset(to + kw * c_bytes, 0, size_t(c_bytes));
}
TENON_INLINE void point_runs(const Conv& c, const Shape& s, const Places& p, int64_t rows, const char* zero,
                             char* border, const void** out) {
  const char* x = static_cast<const char*>(c.x);
  const int64_t end = rows - 1, apart = c.stride[2] * s.pitch;
  // Neighbours in one row of one image, all of whose runs are inside.
  const bool even = p.w[0] >= 0 && p.w[end] + c.kernel[2] <= c.in[2] && p.h[0] == p.h[end] && p.d[0] == p.d[end] &&
                    p.w[end] - p.w[0] == end * c.stride[2];
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd)
    for (int64_t kh = 0; kh < c.kernel[1]; ++kh, out += kRowPad) {
      const int64_t dd = kd * c.dilation[0], dh = kh * c.dilation[1];
      const int64_t step = (dd * c.in[1] + dh) * c.in[2] * s.pitch;
      if (even) {
        const bool inside = uint64_t(p.d[0] + dd) < uint64_t(c.in[0]) && uint64_t(p.h[0] + dh) < uint64_t(c.in[1]);
        const char* first = inside ? x + p.offset[0] + step : zero;
        for (int r = 0; r < kRowPad; ++r) out[r] = first + (inside ? r * apart : 0);
        continue;
      }
      for (int64_t r = 0; r < rows; ++r) {
        if (uint64_t(p.d[r] + dd) >= uint64_t(c.in[0]) || uint64_t(p.h[r] + dh) >= uint64_t(c.in[1])) {
          out[r] = zero;
        } else if (p.w[r] >= 0 && p.w[r] + c.kernel[2] <= c.in[2]) {
          out[r] = x + p.offset[r] + step;
        } else {
          char* to = border + ((kd * c.kernel[1] + kh) * kRows + r) * s.k * s.size;
          copy_run(c, s.size, x + p.offset[r] + step, p.w[r], to);
          out[r] = to;
        }
      }
    }
}

int64_t conv_scratch(const Conv& c) {
  const Shape s = shape_of(c);
  int64_t bytes = pointer_bytes(s.tiles, s.taps) + aligned(s.k * s.size);
  if (c.merge_w) bytes += aligned(s.taps * kRows * s.k * s.size);
  if (s.copies) bytes += s.tiles * kRows * copied_pitch(s.k * s.size);
  return bytes;
}

template <class Mac>
void conv_rows(const Conv& c, int64_t m0, int64_t m1, int64_t p0, int64_t p1, char* scratch) {
  const Shape s = shape_of(c);
  const void** pointers = reinterpret_cast<const void**>(scratch);
  char* zero = scratch + pointer_bytes(s.tiles, s.taps);
  char* border = zero + aligned(s.k * s.size);
  if (s.pads) std::memset(zero, 0, size_t(s.k * s.size));
  const Plan plan = make_plan(c.post, c.ldy, c.y_type);
  const Product p{s.taps, s.k, c.n, static_cast<const char*>(c.b), make_sink(plan, c.y)};
  Places places{};
  run_product<Mac>(p, m0, m1, p0, p1, s.tiles, pointers,
                   [&](int64_t block_row, int64_t m, int64_t rows, const void** out) {
                     find_places(c, s.pitch, m, rows, places);
                     if (c.merge_w)
                       point_runs(c, s, places, rows, zero, border, out);
                     else
                       point_taps(c, s, places, zero, out);
                     if (s.copies) copy_rows(out, rows, s.k * s.size, border + block_row * copied_pitch(s.k * s.size));
                   });
}

void conv(const Conv& c, int64_t m0, int64_t m1, int64_t p0, int64_t p1, void* scratch) {
  if (m1 <= m0) return;
  if (c.type == Type::kF32)
    conv_rows<MacF32>(c, m0, m1, p0, p1, static_cast<char*>(scratch));
  else
    conv_rows<MacBf16>(c, m0, m1, p0, p1, static_cast<char*>(scratch));
}

}  // namespace

void fill_conv(IsaTable& t) {
  t.conv_scratch = conv_scratch;
  t.conv = conv;
}

}  // namespace tenon::isa::TENON_ISA
