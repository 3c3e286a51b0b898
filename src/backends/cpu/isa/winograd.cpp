// Winograd convolution on 6 x 6 input tiles: F(4x4, 3x3) and F(2x2, 5x5). Points 0, +-11/16, +-3/2 and infinity: their
// powers are exact in f32 and the error is half that of 0, +-1, +-2.
#include "backends/cpu/isa/gemm.h"
#include "backends/cpu/isa/parts.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int kSide = 6, kPoints = kSide * kSide;
constexpr double kA = 0.6875, kB = 1.5;
constexpr float kA1 = float(kA), kB1 = float(kB), kA2 = float(kA * kA), kB2 = float(kB * kB);
constexpr float kA3 = float(kA * kA * kA), kB3 = float(kB * kB * kB);
constexpr float kSum = float(kA * kA + kB * kB), kProduct = float(kA * kA * kB * kB);
constexpr int kOutVectors = 4;  // vectors of channels that the output transform gathers before it stores

/// y = B^T x on six values.
TENON_INLINE void input_transform(const Vf (&x)[kSide], Vf (&y)[kSide]) {
  const Vf even_a = fnma(x[2], splat(kB2), x[4]), odd_a = fnma(x[1], splat(kB2), x[3]);
  const Vf even_b = fnma(x[2], splat(kA2), x[4]), odd_b = fnma(x[1], splat(kA2), x[3]);
  y[0] = fma(x[0], splat(kProduct), fnma(x[2], splat(kSum), x[4]));
  y[1] = fma(odd_a, splat(kA1), even_a);
  y[2] = fnma(odd_a, splat(kA1), even_a);
  y[3] = fma(odd_b, splat(kB1), even_b);
  y[4] = fnma(odd_b, splat(kB1), even_b);
  y[5] = fma(x[1], splat(kProduct), fnma(x[3], splat(kSum), x[5]));
}
/// y = A^T x: the first M of the four outputs of F(4, 3), or the two of F(2, 5).
template <int M>
TENON_INLINE void output_transform(const Vf (&x)[kSide], Vf (&y)[M]) {
  const Vf sum_a = x[1] + x[2], difference_a = x[1] - x[2], sum_b = x[3] + x[4], difference_b = x[3] - x[4];
  y[0] = x[0] + (sum_a + sum_b);
  y[1] = fma(difference_b, splat(kB1), difference_a * splat(kA1));
  if constexpr (M == 4) {
    y[2] = fma(sum_b, splat(kB2), sum_a * splat(kA2));
    y[3] = fma(difference_b, splat(kB3), difference_a * splat(kA3));
  }
  y[M - 1] += x[5];
}

/// G[6][r]: the weights' polynomial at each point, over the product of distances to the other points.
void weight_matrix(int64_t r, double (&g)[kSide][5]) {
  const double points[5] = {0, kA, -kA, kB, -kB};
  for (int j = 0; j < 5; ++j) {
    double scale = 1, power = 1;
    for (int l = 0; l < 5; ++l)
      if (l != j) scale *= points[j] - points[l];
    for (int i = 0; i < r; ++i, power *= points[j]) g[j][i] = power / scale;
  }
  for (int i = 0; i < r; ++i) g[5][i] = i == r - 1;
}

struct Geometry {
  int64_t m;                        ///< outputs a side of a tile
  int64_t tiles_h, tiles_w, plane;  ///< tiles a phase of the dilation, tiles a plane
  int64_t pitch;                    ///< floats between rows of V
};
TENON_INLINE Geometry geometry_of(const Winograd& c) {
  Geometry g;
  g.m = kSide + 1 - c.r;
  g.tiles_h = ceil_div(ceil_div(c.out[1], c.dilation), g.m);
  g.tiles_w = ceil_div(ceil_div(c.out[2], c.dilation), g.m);
  g.plane = c.dilation * c.dilation * g.tiles_h * g.tiles_w;
  g.pitch = ceil_div(c.c, 16) * 16;
  if (g.pitch % 256 == 0) g.pitch += 16;  // rows must not meet in one set of the first-level cache
  return g;
}

/// The first output of tile s of a plane.
struct Spot {
  int64_t h, w;
};
TENON_INLINE Spot spot_of(const Winograd& c, const Geometry& g, int64_t s) {
  const int64_t tile = s % (g.tiles_h * g.tiles_w), phase = s / (g.tiles_h * g.tiles_w);
  return {phase / c.dilation + tile / g.tiles_w * g.m * c.dilation,
          phase % c.dilation + tile % g.tiles_w * g.m * c.dilation};
}

/// Floats between the 36 matrices of V or M; the odd line keeps them in different cache sets.
TENON_INLINE int64_t point_step(int64_t rows, int64_t pitch) { return (rows * pitch + 31) / 32 * 32 + 16; }

/// The planes of x that planes [d0, d1) of y read.
struct Slices {
  int64_t first, count;
};
TENON_INLINE Slices slices_of(const Winograd& c, int64_t d0, int64_t d1) {
  const int64_t lo = max64(0, d0 * c.stride_d - c.pad[0]);
  const int64_t hi = min64(c.in[0], (d1 - 1) * c.stride_d - c.pad[0] + (c.kernel_d - 1) * c.dilation_d + 1);
  return {lo, max64(0, hi - lo)};
}

struct Layout {
  int64_t v_step, m_step, m_pitch;  ///< floats
  int64_t v_bytes, m_bytes, zero_bytes, tiles;
};
TENON_INLINE Layout layout_of(const Winograd& c, const Geometry& g, int64_t tiles, int64_t slices, int64_t planes,
                              int64_t columns) {
  Layout l;
  l.m_pitch = ceil_div(columns, kPanel) * kPanel;
  if (l.m_pitch % 256 == 0) l.m_pitch += 16;
  l.v_step = point_step(tiles * slices, g.pitch);
  l.m_step = point_step(tiles * planes, l.m_pitch);
  l.v_bytes = kPoints * l.v_step * 4;
  l.m_bytes = kPoints * l.m_step * 4;
  l.zero_bytes = aligned(g.pitch * 4);
  l.tiles = block_tiles(c.c * c.kernel_d * 4);
  return l;
}

/// V of one tile: all channels of x around it.
template <class T>
void transform_tile(const Winograd& c, const T* plane, int64_t h0, int64_t w0, const T* zero, float* v, int64_t step) {
  const T* from[kSide][kSide];
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) {
      const int64_t h = h0 + i * c.dilation, w = w0 + j * c.dilation;
      const bool in = uint64_t(h) < uint64_t(c.in[1]) && uint64_t(w) < uint64_t(c.in[2]);
      from[i][j] = in ? plane + (h * c.in[2] + w) * c.ldx : zero;
    }
  for (int64_t ch = 0; ch < c.c; ch += kLanes) {
    const int64_t left = c.c - ch;
    Vf t[kSide][kSide];
#pragma GCC unroll 6
    for (int i = 0; i < kSide; ++i) {
      Vf x[kSide];
      if (left >= kLanes) {
#pragma GCC unroll 6
        for (int j = 0; j < kSide; ++j) x[j] = load(from[i][j] + ch);
      } else {
#pragma GCC unroll 6
        for (int j = 0; j < kSide; ++j) x[j] = load_part(from[i][j] + ch, left);
      }
      input_transform(x, t[i]);
    }
#pragma GCC unroll 6
    for (int j = 0; j < kSide; ++j) {
      const Vf x[kSide] = {t[0][j], t[1][j], t[2][j], t[3][j], t[4][j], t[5][j]};
      Vf y[kSide];
      input_transform(x, y);
#pragma GCC unroll 6
      for (int i = 0; i < kSide; ++i) store(v + (i * kSide + j) * step + ch, y[i]);
    }
  }
}

template <class T>
void transform_input(const Winograd& c, const Geometry& g, const Layout& l, const Slices& s, int64_t q0, int64_t q1,
                     const T* zero, float* v) {
  for (int64_t slice = 0; slice < s.count; ++slice)
    for (int64_t q = q0; q < q1; ++q) {
      const Spot at = spot_of(c, g, q % g.plane);
      const int64_t plane = q / g.plane * c.in[0] + s.first + slice;
      const T* x = static_cast<const T*>(c.x) + plane * c.in[1] * c.in[2] * c.ldx;
      transform_tile<T>(c, x, at.h - c.pad[1], at.w - c.pad[2], zero, v + (slice * (q1 - q0) + q - q0) * g.pitch,
                        l.v_step);
    }
}

/// y of one tile from the columns [0, columns) of its 36 rows of M.
template <int M>
void output_tile(const Winograd& c, const float* m, int64_t step, const Sink& plane, const Plan& spread, const Spot& at,
                 int64_t n, int64_t columns) {
  constexpr int64_t kWidth = kOutVectors * kLanes;
  alignas(64) float buffer[M * M * kWidth];
  const int64_t rows = min64(M, ceil_div(c.out[1] - at.h, c.dilation));
  const int64_t across = min64(M, ceil_div(c.out[2] - at.w, c.dilation));
  if (rows <= 0 || across <= 0) return;
  for (int64_t n0 = 0; n0 < columns; n0 += kWidth) {
    const int64_t width = min64(kWidth, columns - n0);
    for (int64_t i = 0; i < width; i += kLanes) {
      Vf t[kSide][M];
#pragma GCC unroll 6
      for (int j = 0; j < kSide; ++j) {
        Vf x[kSide];
#pragma GCC unroll 6
        for (int k = 0; k < kSide; ++k) x[k] = load(m + (k * kSide + j) * step + n0 + i);
        output_transform<M>(x, t[j]);
      }
#pragma GCC unroll 4
      for (int h = 0; h < M; ++h) {
        const Vf x[kSide] = {t[0][h], t[1][h], t[2][h], t[3][h], t[4][h], t[5][h]};
        Vf y[M];
        output_transform<M>(x, y);
#pragma GCC unroll 4
        for (int w = 0; w < M; ++w) store(buffer + (h * M + w) * kWidth + i, y[w]);
      }
    }
    for (int64_t h = 0; h < rows; ++h) {
      Sink to = moved(plane, (at.h + h * c.dilation) * c.out[2] + at.w, n + n0);
      to.plan = &spread;
      store_rows(to, buffer + h * M * kWidth, kWidth, across, width);
    }
  }
}

int64_t weight_count(const Winograd& c, int64_t p) { return kPoints * panel_bytes<MacF32>(c.kernel_d, c.c) / 4 * p; }

/// One panel: [point][tap along depth][c][kPanel or kLanes].
void transform_weights(const Winograd& c, const float* w, float* u, int64_t p0, int64_t p1) {
  double g[kSide][5];
  weight_matrix(c.r, g);
  const int64_t r = c.r, taps = c.kernel_d, step = panel_bytes<MacF32>(taps, c.c) / 4;
  for (int64_t p = p0; p < min64(p1, ceil_div(c.n, kPanel)); ++p) {
    const int64_t n0 = p * kPanel, columns = min64(kPanel, c.n - n0), width = columns > kLanes ? kPanel : kLanes;
    float* out = u + kPoints * step * p;
    for (int64_t kd = 0; kd < taps; ++kd)
      for (int64_t k = 0; k < c.c; ++k) {
        double in[25][kPanel] = {}, half[kSide][5][kPanel];
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t i = 0; i < r * r; ++i) in[i][j] = double(w[(((n0 + j) * c.c + k) * taps + kd) * r * r + i]);
        for (int a = 0; a < kSide; ++a)
          for (int64_t i = 0; i < r; ++i)
            for (int j = 0; j < kPanel; ++j) {
              double sum = 0;
              for (int64_t h = 0; h < r; ++h) sum += g[a][h] * in[h * r + i][j];
              half[a][i][j] = sum;
            }
        for (int a = 0; a < kSide; ++a)
          for (int b = 0; b < kSide; ++b) {
            float* to = out + (a * kSide + b) * step + (kd * c.c + k) * width;
            for (int64_t j = 0; j < width; ++j) {
              double sum = 0;
              for (int64_t i = 0; i < r; ++i) sum += g[b][i] * half[a][i][j];
              to[j] = float(sum);
            }
          }
      }
  }
}

int64_t plane_tiles(const Winograd& c) { return geometry_of(c).plane; }

int64_t winograd_scratch(const Winograd& c, int64_t tiles, int64_t planes, int64_t panels) {
  const Geometry g = geometry_of(c);
  const int64_t slices = min64(c.in[0], (planes - 1) * c.stride_d + (c.kernel_d - 1) * c.dilation_d + 1);
  const Layout l = layout_of(c, g, tiles, slices, planes, panels * kPanel);
  return l.zero_bytes + l.v_bytes + l.m_bytes + pointer_bytes(l.tiles, c.kernel_d);
}

/// Products of a running sum: fewer than elsewhere, because the output transform amplifies the sums' errors.
TENON_INLINE int64_t point_chain(int64_t channels) { return channels < 128 ? 16 : 32; }

/// The 36 products: M[point][plane, tile][n] = sum over taps of V[point][slice, tile][c] U[point][tap][c][n].
void multiply(const Winograd& c, const Geometry& g, const Layout& l, const Slices& s, int64_t tiles, int64_t d0,
              int64_t d1, int64_t p0, int64_t p1, const float* v, const float* zero, float* m, const void** pointers) {
  const int64_t step = panel_bytes<MacF32>(c.kernel_d, c.c), first = p0 * kPanel;
  const Post none;
  const Plan plan = make_plan(none, l.m_pitch, Type::kF32);
  for (int64_t p = p0; p < p1; ++p)
    for (int64_t point = 0; point < kPoints; ++point) {
      const int64_t n = p * kPanel;
      Product product{c.kernel_d, c.c, min64(kPanel, c.n - n),
                      reinterpret_cast<const char*>(c.u) + (p * kPoints + point) * step,
                      make_sink(plan, m + point * l.m_step + n - first)};
      const bool last = p + 1 == p1 && point + 1 == kPoints;
      product.chain = c.type == Type::kF32 ? point_chain(c.c) : kEndless;
      if (!last) product.next_b = product.b + step;  // panels are stored point after point
      const float* from = v + point * l.v_step;
      run_product<MacF32>(
          product, 0, tiles * (d1 - d0), 0, 1, l.tiles, pointers,
          [&](int64_t, int64_t row, int64_t rows, const void** out) {
            for (int64_t kd = 0; kd < c.kernel_d; ++kd, out += kRowPad)
              for (int64_t r = 0; r < rows; ++r) {
                const int64_t d = d0 + (row + r) / tiles;
                const int64_t at = d * c.stride_d - c.pad[0] + kd * c.dilation_d - s.first;
                out[r] = uint64_t(at) < uint64_t(s.count) ? from + (at * tiles + (row + r) % tiles) * g.pitch : zero;
              }
          });
    }
}

void winograd(const Winograd& c, int64_t q0, int64_t q1, int64_t d0, int64_t d1, int64_t p0, int64_t p1,
              void* scratch) {
  const Geometry g = geometry_of(c);
  const Slices s = slices_of(c, d0, d1);
  const int64_t tiles = q1 - q0;
  p1 = min64(p1, ceil_div(c.n, kPanel));
  if (tiles <= 0 || d1 <= d0 || p1 <= p0) return;
  const int64_t n0 = p0 * kPanel, columns = min64(c.n, p1 * kPanel) - n0;
  const Layout l = layout_of(c, g, tiles, s.count, d1 - d0, (p1 - p0) * kPanel);
  char* at = static_cast<char*>(scratch);
  float* zero = reinterpret_cast<float*>(at);
  float* v = reinterpret_cast<float*>(at + l.zero_bytes);
  float* m = reinterpret_cast<float*>(at + l.zero_bytes + l.v_bytes);
  const void** pointers = reinterpret_cast<const void**>(at + l.zero_bytes + l.v_bytes + l.m_bytes);
  std::memset(zero, 0, size_t(l.zero_bytes));
  if (c.type == Type::kF32)
    transform_input<float>(c, g, l, s, q0, q1, zero, v);
  else
    transform_input<uint16_t>(c, g, l, s, q0, q1, reinterpret_cast<const uint16_t*>(zero), v);
  multiply(c, g, l, s, tiles, d0, d1, p0, p1, v, zero, m, pointers);
  const Plan plan = make_plan(c.post, c.ldy, c.type);
  Plan spread = plan;  // neighbouring outputs of a tile
  spread.ldy *= c.dilation;
  spread.ldr *= c.dilation;
  spread.step = c.dilation;
  const Sink all = make_sink(plan, c.y);
  for (int64_t d = d0; d < d1; ++d)
    for (int64_t q = q0; q < q1; ++q) {
      const int64_t plane = q / g.plane * c.out[0] + d;
      const Sink sink = moved(all, plane * c.out[1] * c.out[2], 0);
      const float* from = m + ((d - d0) * tiles + q - q0) * l.m_pitch;
      if (g.m == 4)
        output_tile<4>(c, from, l.m_step, sink, spread, spot_of(c, g, q % g.plane), n0, columns);
      else
        output_tile<2>(c, from, l.m_step, sink, spread, spot_of(c, g, q % g.plane), n0, columns);
    }
}

}  // namespace

void fill_winograd(IsaTable& t) {
  t.winograd_weight_count = weight_count;
  t.winograd_weights = transform_weights;
  t.winograd_plane_tiles = plane_tiles;
  t.winograd_scratch = winograd_scratch;
  t.winograd = winograd;
}

}  // namespace tenon::isa::TENON_ISA
