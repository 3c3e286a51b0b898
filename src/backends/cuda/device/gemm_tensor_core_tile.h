// A block's tile of gemm_tensor_core.h. f32 operands are sums of two TF32 numbers, the larger of which is the operand
// rounded: a b is al bh + ah bl + ah bh, and what is left out is below 2^-22 of it. Tensor cores cut off their sums, so
// these go to f32 registers every kSplitRun products. Where a sum is not finite, vector units repeat it: an infinite
// operand's parts are no numbers.
#pragma once
#include "backends/cuda/device/cluster.h"
#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/device/gemm_tensor_core_f32.h"
#include "backends/cuda/device/gemm_tensor_core_stage.h"
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/mma_tf32.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

template <class T, int BM, int BN, int WM, int WN, int kStages, GemmForm kForm>
struct GemmTiled {
  static constexpr int kWarpsM = BM / WM, kWarpsN = BN / WN, kThreads = kWarpsM * kWarpsN * 32;
  static constexpr int kRowStep = kThreads / kChunks, kRowsA = BM / kRowStep;
  static constexpr int kDepth = kChunks * kEach<T>;                                       ///< of k, a stage
  static constexpr int kChunksB = kForm == GemmForm::kColumns ? BN / kEach<T> : kChunks;  ///< of a row of b's tile
  static constexpr int kRowStepB = kThreads / kChunksB;
  static constexpr int kRowsB = (kForm == GemmForm::kColumns ? kDepth : BN) / kRowStepB;
  static constexpr int kTileRows = BM, kTileColumns = BN, kRing = kStages, kPiece = kEach<T>;
  static constexpr bool kWindows = kForm == GemmForm::kConv;
  static constexpr int kStage = (BM + BN) * kDepth;  ///< elements
  static constexpr int kSumsPitch = BN + 8;
  static constexpr size_t kShared = size_t(gemm_shared_bytes({BM, BN}, kStages));
  static constexpr int kM = WM / 16, kN = WN / 8;
  static_assert(BM % kRowStep == 0 && kRowsA > 0 && kRowsB > 0 && kN % 2 == 0);
  static_assert(sizeof(T) * kStage * kStages <= kShared && sizeof(float) * BM * kSumsPitch <= kShared);

  const GemmArgs& g;
  T* shared;
  int row0, column0, group, z;

  // Where this thread's chunks of a come from.
  const T* a;
  int a_at[kRowsA], a_d[kRowsA], a_h[kRowsA], a_w[kRowsA];  ///< of the window's first element; a_at in elements
  int a_chunk, kd, kh, kw;                                  ///< the chunk's place in its tap, and the tap
  const T* b;
  int b_k;    ///< first k of the next tile of b
  int b_tap;  ///< its tap, where taps are inside

  __device__ __forceinline__ GemmTiled(const GemmArgs& args, T* memory) : g(args), shared(memory) {}

  __device__ __forceinline__ int taps() const { return g.kernel[0] * g.kernel[1] * g.kernel[2]; }

  __device__ __forceinline__ void place(int first) {
    const int thread = threadIdx.x;
    int64_t a_matrix = 0, b_matrix = 0;
    if (g.batch > 1) {
      uint32_t inner = z;
      uint32_t middle = g.batch_inner[1].split(inner);
      const uint32_t outer = g.batch_inner[0].split(middle);
      a_matrix = outer * g.a_step[0] + middle * g.a_step[1] + inner * g.a_step[2];
      b_matrix = outer * g.b_step[0] + middle * g.b_step[1] + inner * g.b_step[2];
    }
    a = static_cast<const T*>(g.a) + a_matrix + int64_t(group) * g.chunks * kEach<T>;
    b = static_cast<const T*>(g.b) + b_matrix;
    if (kForm != GemmForm::kColumns) b += int64_t(group) * g.columns * g.b_pitch;
    const int chunk = first * kChunks + thread % kChunks;
    a_chunk = chunk;
    kd = kh = kw = 0;
    b_k = first * kDepth;
    b_tap = 0;
    if constexpr (kForm == GemmForm::kConv) {
      int tap = chunk / g.chunks;
      a_chunk = chunk - tap * g.chunks;
      if (g.taps_inside) {
        const int block = first / taps();
        b_tap = tap = first - block * taps();
        a_chunk = block * kChunks + thread % kChunks;
        b_k = (tap * g.chunks + block * kChunks) * kEach<T>;
      }
      kw = tap % g.kernel[2];
      tap /= g.kernel[2];
      kh = tap % g.kernel[1];
      kd = tap / g.kernel[1];
    }
#pragma unroll
    for (int i = 0; i < kRowsA; ++i) {
      uint32_t row = row0 + thread / kChunks + i * kRowStep;
      const bool exists = row < uint32_t(g.rows);
      if constexpr (kForm == GemmForm::kConv) {
        uint32_t w = exists ? row : 0;
        uint32_t h = g.out[2].split(w), d = g.out[1].split(h);
        const uint32_t image = g.out[0].split(d);
        a_w[i] = int(w) * g.stride[2] - g.pad[2];
        a_h[i] = int(h) * g.stride[1] - g.pad[1];
        const int first_d = int(d) * g.stride[0] - g.pad[0];
        a_d[i] = exists ? first_d : -(1 << 30);
        a_at[i] = (((int(image) * g.in[0] + first_d) * g.in[1] + a_h[i]) * g.in[2] + a_w[i]) * int(g.a_pitch);
      } else {
        a_at[i] = exists ? int(row) : -1;
      }
    }
  }

  /// Moves on to the next tap; after the last to the first, and returns true.
  __device__ __forceinline__ bool next_tap() {
    if (++kw < g.kernel[2]) return false;
    kw = 0;
    if (++kh < g.kernel[1]) return false;
    kh = 0;
    if (++kd < g.kernel[0]) return false;
    kd = 0;
    return true;
  }

  __device__ __forceinline__ void load_a(int stage) {
    T* const to = shared + stage * kStage;
    const int thread = threadIdx.x, chunk = thread % kChunks;
    if constexpr (kForm == GemmForm::kConv) {
      const bool exists = kd < g.kernel[0];
      const int dd = kd * g.dilation[0], dh = kh * g.dilation[1], dw = kw * g.dilation[2];
      const int step = ((dd * g.in[1] + dh) * g.in[2] + dw) * int(g.a_pitch) + a_chunk * kEach<T>;
#pragma unroll
      for (int i = 0; i < kRowsA; ++i) {
        const int d = a_d[i] + dd, h = a_h[i] + dh, w = a_w[i] + dw;
        const bool inside = exists && unsigned(d) < unsigned(g.in[0]) && unsigned(h) < unsigned(g.in[1]) &&
                            unsigned(w) < unsigned(g.in[2]);
        const T* from = a + (inside ? a_at[i] + step : 0);
        copy_part_async_cached(to + swizzled<T, kChunks>(thread / kChunks + i * kRowStep, chunk), from,
                               inside ? 16 : 0);
      }
      if (g.taps_inside) {
        if (next_tap()) a_chunk += kChunks;
      } else {
        for (a_chunk += kChunks; a_chunk >= g.chunks; a_chunk -= g.chunks)
          if (next_tap()) kd = g.kernel[0];
      }
    } else {
      const int bytes = min(16, max(0, (g.depth - a_chunk * kEach<T>)*int(sizeof(T))));
#pragma unroll
      for (int i = 0; i < kRowsA; ++i) {
        const bool inside = a_at[i] >= 0 && bytes > 0;
        const T* from = a + (inside ? int64_t(a_at[i]) * g.a_pitch + a_chunk * kEach<T> : 0);
        copy_part_async(to + swizzled<T, kChunks>(thread / kChunks + i * kRowStep, chunk), from, inside ? bytes : 0);
      }
      a_chunk += kChunks;
    }
  }

  /// Offset of a chunk of b's tile. Columns of f32 are read one by one, four neighbouring rows together.
  static __device__ __forceinline__ int place_b(int row, int chunk) {
    if constexpr (kForm == GemmForm::kColumns && sizeof(T) == 4)
      return (row * kChunksB + (chunk ^ ((row & 3) * 2))) * kEach<T>;
    return swizzled<T, kChunksB>(row, chunk);
  }

  __device__ __forceinline__ void load_b(int stage) {
    T* const to = shared + stage * kStage + BM * kDepth;
    const int thread = threadIdx.x, chunk = thread % kChunksB;
#pragma unroll
    for (int i = 0; i < kRowsB; ++i) {
      const int row = thread / kChunksB + i * kRowStepB;
      const T* from = b;
      int bytes;
      if constexpr (kForm == GemmForm::kColumns) {
        const int k = b_k + row, column = column0 + chunk * kEach<T>;
        bytes = k < g.depth ? min(16, max(0, (g.columns - column) * int(sizeof(T)))) : 0;
        if (bytes > 0) from += int64_t(k) * g.b_pitch + column;
      } else {
        const int k = b_k + chunk * kEach<T>, column = column0 + row;
        const int left = kForm == GemmForm::kConv || g.b_constant ? 16 : (g.depth - k) * int(sizeof(T));
        bytes = column < g.columns ? min(16, max(0, left)) : 0;
        if (bytes > 0) from += int64_t(column) * g.b_pitch + k;
      }
      copy_part_async(to + place_b(row, chunk), from, bytes);
    }
    b_k += kDepth;
    if (kForm == GemmForm::kConv && g.taps_inside) {
      b_k += g.chunks * kEach<T> - kDepth;
      if (++b_tap == taps()) {
        b_k += kDepth - taps() * g.chunks * kEach<T>;
        b_tap = 0;
      }
    }
  }

  __device__ __forceinline__ void multiply(int stage, float (&sums)[kM][kN][4]) const {
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int k = 0; k < kDepth / 8; k += kSplitRun) multiply_split(stage, k, sums);
    } else {
      multiply_narrow(stage, sums);
    }
  }

  /// The products of 16-bit operands.
  __device__ __forceinline__ void multiply_narrow(int stage, float (&sums)[kM][kN][4]) const {
    const T* const tile_a = shared + stage * kStage;
    const T* const tile_b = tile_a + BM * kDepth;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int m0 = warp % kWarpsM * WM, n0 = warp / kWarpsM * WN;
#pragma unroll
    for (int k = 0; k < kDepth / 16; ++k) {
      uint32_t fa[kM][4], fb[kN / 2][4];
#pragma unroll
      for (int m = 0; m < kM; ++m)
        load_matrices(fa[m], tile_a + swizzled<T, kChunks>(m0 + m * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n < kN / 2; ++n) {
        if constexpr (kForm == GemmForm::kColumns)
          load_matrices_transposed(fb[n], tile_b + place_b(k * 16 + lane % 16, n0 / 8 + n * 2 + lane / 16));
        else
          load_matrices(fb[n],
                        tile_b + swizzled<T, kChunks>(n0 + n * 16 + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
      }
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int n = 0; n < kN; ++n) mma_16x8x16<T>(sums[m][n], fa[m], fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]);
    }
  }

  template <class Fn>
  static __device__ __forceinline__ void for_each_sum(const Fn& fn) {
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) fn(m, n, e);
  }

  /// Infinite or no number.
  static __device__ __forceinline__ bool is_special(float v) { return !(fabsf(v) < INFINITY); }
  static __device__ __forceinline__ bool any_special(const float (&sums)[kM][kN][4]) {
    bool any = false;
    for_each_sum([&](int m, int n, int e) { any |= is_special(sums[m][n][e]); });
    return any;
  }

  /// The products of the first stage on vector units.
  __device__ __forceinline__ void multiply_plain(float (&sums)[kM][kN][4]) const {
    const T* const tile_b = shared + BM * kDepth;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int row = warp % kWarpsM * WM + lane / 4, column = warp / kWarpsM * WN + lane % 4 * 2;
#pragma unroll 1
    for (int k = 0; k < kDepth; ++k) {
      float a[kM][2], b[kN][2];
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          a[m][half] = shared[swizzled<T, kChunks>(row + m * 16 + half * 8, k / kEach<T>) + k % kEach<T>];
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int at = column + n * 8 + e;
          const bool across = kForm == GemmForm::kColumns;
          b[n][e] =
              tile_b[across ? place_b(k, at / kEach<T>) + at % kEach<T> : place_b(at, k / kEach<T>) + k % kEach<T>];
        }
      for_each_sum([&](int m, int n, int e) { sums[m][n][e] = fmaf(a[m][e / 2], b[n][e % 2], sums[m][n][e]); });
    }
  }

  /// Writes this block's sums to shared memory, rows of kSumsPitch floats.
  __device__ __forceinline__ void keep(const float (&sums)[kM][kN][4]) {
    float* const to = reinterpret_cast<float*>(shared);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int m0 = warp % kWarpsM * WM + lane / 4, n0 = warp / kWarpsM * WN + lane % 4 * 2;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float2 pair = {sums[m][n][half * 2], sums[m][n][half * 2 + 1]};
          *reinterpret_cast<float2*>(to + (m0 + m * 16 + half * 8) * kSumsPitch + n0 + n * 8) = pair;
        }
  }

  /// Adds up the parts of the cluster's blocks in their order and stores this block's share of the tile's rows.
  __device__ __forceinline__ void finish(int splits, int rank) const {
    constexpr int kShare = BM * (BN / 8) / kThreads, kMost = 4;  // eights of columns a thread
    constexpr int kTogether = kShare < kMost ? kShare : kMost;   // whose other operand is under way at a time
    const int rows = BM / splits, first = rank * rows, count = rows * (BN / 8);
    const bool aligned =
        g.y_pitch % 8 == 0 && reinterpret_cast<uintptr_t>(g.y) % (8 * sizeof(T)) == 0 && g.columns % 8 == 0;
    for (int base = threadIdx.x; base < count; base += kTogether * kThreads) {
      Words<T, 8> extra[kTogether];
#pragma unroll
      for (int u = 0; u < kTogether; ++u) {
        const Piece p = piece(first, base + u * kThreads, count);
        load_extra(g.epilogue, p.y_row, p.y_column, aligned && p.valid == 8, g.sums ? 0 : p.valid, extra[u]);
      }
#pragma unroll
      for (int u = 0; u < kTogether; ++u) {
        const Piece p = piece(first, base + u * kThreads, count);
        if (p.valid <= 0) continue;
        float v[8] = {};
        add_up(p.from, splits, v);
        store(v, p, aligned && p.valid == 8, extra[u]);
      }
    }
  }

 private:
  /// Elements (k, column) and (k + 4, column) of b for 16 columns, as two fragments of mma_16x8x8.
  __device__ __forceinline__ void load_columns(uint32_t (&r)[4], const T* tile, int k, int column) const {
    const int lane = threadIdx.x % 32;
    if constexpr (kForm == GemmForm::kColumns) {
      const uint32_t* const from = reinterpret_cast<const uint32_t*>(tile);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = column + i / 2 * 8 + lane / 4;
        r[i] = from[place_b(k * 8 + i % 2 * 4 + lane % 4, at / 4) + at % 4];
      }
    } else {
      load_matrices(r, tile + place_b(column + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
    }
  }

  /// Adds the products of kSplitRun eights of k, from the k-th on, of f32 operands.
  __device__ __forceinline__ void multiply_split(int stage, int first, float (&sums)[kM][kN][4]) const {
    const T* const tile_a = shared + stage * kStage;
    const T* const tile_b = tile_a + BM * kDepth;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int m0 = warp % kWarpsM * WM, n0 = warp / kWarpsM * WN;
    float part[kN][kM][4];
#pragma unroll
    for (int k = first; k < first + kSplitRun; ++k) {
      Tf32Pair<4> a[kM];
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        uint32_t raw[4];
        load_matrices(raw, tile_a + swizzled<T, kChunks>(m0 + m * 16 + lane % 16, k * 2 + lane / 16));
        a[m].split(raw);
      }
#pragma unroll
      for (int n = 0; n < kN; n += 2) {
        uint32_t raw[4];
        load_columns(raw, tile_b, k, n0 + n * 8);
        Tf32Pair<4> b;
        b.split(raw);
        multiply_pairs<kM>(part[n], part[n + 1], a, b, k == first);
      }
    }
    for_each_sum([&](int m, int n, int e) { sums[m][n][e] += part[n][m][e]; });
  }

  /// Eight columns of a row of the tile, of which `valid` exist.
  struct Piece {
    const float* from;
    uint32_t y_row;
    int y_column, valid;
  };
  __device__ __forceinline__ Piece piece(int first, int number, int count) const {
    const int tile_row = first + number / (BN / 8), tile_column = number % (BN / 8) * 8;
    const int row = row0 + tile_row, column = column0 + tile_column;
    Piece p;
    p.from = reinterpret_cast<const float*>(shared) + tile_row * kSumsPitch + tile_column;
    p.y_row = uint32_t(z) * g.rows + row;
    p.y_column = group * g.columns + column;
    p.valid = number < count && row < g.rows ? min(8, g.columns - column) : 0;
    return p;
  }

  static __device__ __forceinline__ void add_up(const float* from, int splits, float (&v)[8]) {
    for (int s = 0; s < splits; ++s) {
      const float4* const local = reinterpret_cast<const float4*>(from);
      const float4 low = splits == 1 ? local[0] : load_from_cluster(from, s);
      const float4 high = splits == 1 ? local[1] : load_from_cluster(from + 4, s);
      v[0] += low.x, v[1] += low.y, v[2] += low.z, v[3] += low.w;
      v[4] += high.x, v[5] += high.y, v[6] += high.z, v[7] += high.w;
    }
  }

  __device__ __forceinline__ void store(float (&v)[8], const Piece& p, bool vector, const Words<T, 8>& extra) const {
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] *= g.alpha;
    add_bias(g.epilogue, v, p.y_column, p.valid);
    if (g.sums) {
#pragma unroll
      for (int i = 0; i < 8; ++i)
        if (i < p.valid) g.sums[p.y_row * g.sums_pitch + p.y_column + i] = v[i];
      return;
    }
    apply_apart(g.epilogue, v, extra);
    T* const to = static_cast<T*>(g.y) + p.y_row * g.y_pitch + p.y_column;
    if (vector) return store_floats(to, v);
#pragma unroll
    for (int i = 0; i < 8; ++i)
      if (i < p.valid) to[i] = from_float<T>(v[i]);
  }
};

}  // namespace
}  // namespace tenon::cuda
