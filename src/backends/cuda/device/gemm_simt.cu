#include "backends/cuda/device/gemm_simt.h"

#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kDepth = 16;

/// Where a row of a starts, and its window's first element.
struct RowPlace {
  int64_t at;
  int first[3];
};
struct TapPlace {
  int64_t at;
  int offset[3];
  bool exists;
};

template <class T, int BM, int BN, bool kTransposed>
struct Simt {
  static constexpr int TM = BM / 16, TN = BN / 16;
  static constexpr int kPitchA = BM + 4, kPitchB = BN + 4;
  struct Shared {
    alignas(16) float a[2][kDepth][kPitchA];
    alignas(16) float b[2][kDepth][kPitchB];
    RowPlace rows[BM];
    TapPlace taps[2][kDepth];
  };
  static constexpr int kLoadsA = BM * kDepth / kThreads, kLoadsB = BN * kDepth / kThreads;

  const SimtGemmArgs& g;
  Shared& s;
  const T* a;
  const T* b;
  int row0, column0;
  bool a_by_rows, b_by_columns;  ///< neighbouring threads load neighbouring rows or columns, else neighbouring k
  float next_a[kLoadsA], next_b[kLoadsB];

  __device__ __forceinline__ void place_rows() {
    for (int i = threadIdx.x; i < BM; i += kThreads) {
      RowPlace place;
      const bool exists = row0 + i < g.rows;
      uint32_t index[3], rest = exists ? row0 + i : 0;
#pragma unroll
      for (int axis = 2; axis >= 0; --axis) {
        index[axis] = rest;
        rest = g.out[axis].split(index[axis]);
      }
      place.at = rest * g.a_image;
#pragma unroll
      for (int axis = 0; axis < 3; ++axis) {
        place.first[axis] =
            kTransposed ? int(index[axis]) + g.pad[axis] : int(index[axis]) * g.stride[axis] - g.pad[axis];
        if (!kTransposed) place.at += place.first[axis] * g.a_axis[axis];
      }
      if (!exists) place.first[0] = -(1 << 30);
      s.rows[i] = place;
    }
  }
  /// The taps of k from `first` on.
  __device__ __forceinline__ void place_taps(int buffer, int first) {
    if (threadIdx.x >= kDepth) return;
    const int k = first + threadIdx.x;
    TapPlace place;
    place.exists = k < g.depth;
    uint32_t channel = place.exists ? k : 0;
    uint32_t rest = g.channels.split(channel), index[3];
    index[2] = rest;
    rest = g.kernel[2].split(index[2]);
    index[1] = rest;
    index[0] = g.kernel[1].split(index[1]);
    place.at = channel * g.a_channel;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      place.offset[axis] = int(index[axis]) * (kTransposed ? -g.dilation[axis] : g.dilation[axis]);
      if (!kTransposed) place.at += place.offset[axis] * g.a_axis[axis];
    }
    s.taps[buffer][threadIdx.x] = place;
  }
  __device__ __forceinline__ void index_a(int i, int& row, int& k) const {
    const int e = threadIdx.x + i * kThreads;
    row = a_by_rows ? e % BM : e / kDepth;
    k = a_by_rows ? e / BM : e % kDepth;
  }
  __device__ __forceinline__ void index_b(int i, int& column, int& k) const {
    const int e = threadIdx.x + i * kThreads;
    column = b_by_columns ? e % BN : e / kDepth;
    k = b_by_columns ? e / BN : e % kDepth;
  }
  __device__ __forceinline__ void load(int buffer, int first) {
#pragma unroll
    for (int i = 0; i < kLoadsA; ++i) {
      int row, k;
      index_a(i, row, k);
      const RowPlace& r = s.rows[row];
      const TapPlace& t = s.taps[buffer][k];
      bool inside = t.exists;
      int64_t at = r.at + t.at;
#pragma unroll
      for (int axis = 0; axis < 3; ++axis) {
        int place = r.first[axis] + t.offset[axis];
        if constexpr (kTransposed) {
          const int whole = place / g.stride[axis];
          inside &= place >= 0 && whole * g.stride[axis] == place;
          place = whole;
          at += place * g.a_axis[axis];
        }
        inside &= unsigned(place) < unsigned(g.in[axis]);
      }
      next_a[i] = inside ? to_float(a[at]) : 0.f;
    }
#pragma unroll
    for (int i = 0; i < kLoadsB; ++i) {
      int column, k;
      index_b(i, column, k);
      const bool inside = first + k < g.depth && column0 + column < g.columns;
      next_b[i] = inside ? to_float(b[(column0 + column) * g.b_column + (first + k) * g.b_k]) : 0.f;
    }
  }
  __device__ __forceinline__ void keep(int buffer) {
#pragma unroll
    for (int i = 0; i < kLoadsA; ++i) {
      int row, k;
      index_a(i, row, k);
      s.a[buffer][k][row] = next_a[i];
    }
#pragma unroll
    for (int i = 0; i < kLoadsB; ++i) {
      int column, k;
      index_b(i, column, k);
      s.b[buffer][k][column] = next_b[i];
    }
  }
  __device__ __forceinline__ void multiply(int buffer, float (&sums)[TM][TN]) const {
    const int m0 = threadIdx.x / 16 * TM, n0 = threadIdx.x % 16 * TN;
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float fa[TM], fb[TN];
#pragma unroll
      for (int i = 0; i < TM; ++i) fa[i] = s.a[buffer][k][m0 + i];
#pragma unroll
      for (int i = 0; i < TN; ++i) fb[i] = s.b[buffer][k][n0 + i];
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) sums[i][j] = fmaf(fa[i], fb[j], sums[i][j]);
    }
  }
  __device__ __forceinline__ void store(float (&sums)[TM][TN], int z, int group) const {
    const int m0 = row0 + threadIdx.x / 16 * TM, n0 = column0 + threadIdx.x % 16 * TN;
    const int valid = min(TN, g.columns - n0);
    if (valid <= 0) return;
    const int column = group * g.columns + n0;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
      if (m0 + i >= g.rows) continue;
      const uint32_t row = uint32_t(z) * g.rows + m0 + i;
      uint32_t pixel = row;
      const uint32_t image = g.pixels.split(pixel);
      const int64_t at = image * g.y_image + pixel * g.y_pixel + column * g.y_column;
#pragma unroll
      for (int j = 0; j < TN; ++j) sums[i][j] *= g.alpha;
      add_bias(g.epilogue, sums[i], column, valid);
      if (!g.y_is_sums) {
        Words<T, TN> extra;
        load_extra(g.epilogue, row, column, false, valid, extra);
        apply_apart(g.epilogue, sums[i], extra);
      }
#pragma unroll
      for (int j = 0; j < TN; ++j) {
        if (j >= valid) continue;
        if (g.y_is_sums)
          static_cast<float*>(g.y)[at + j * g.y_column] = sums[i][j];
        else
          static_cast<T*>(g.y)[at + j * g.y_column] = from_float<T>(sums[i][j]);
      }
    }
  }
};

template <class T, int BM, int BN, bool kTransposed>
__global__ void __launch_bounds__(kThreads) simt(const __grid_constant__ SimtGemmArgs g) {
  begin();
  finish_early();
  using S = Simt<T, BM, BN, kTransposed>;
  S t{g, *dynamic_shared<typename S::Shared>()};
  const int group = blockIdx.z % g.groups, z = blockIdx.z / g.groups;
  int64_t a_at = group * g.a_group, b_at = int64_t(group) * g.columns * g.b_column;
  if (g.batch > 1) {
    uint32_t inner = z;
    uint32_t middle = g.batch_inner[1].split(inner);
    const uint32_t outer = g.batch_inner[0].split(middle);
    a_at += outer * g.a_step[0] + middle * g.a_step[1] + inner * g.a_step[2];
    b_at += outer * g.b_step[0] + middle * g.b_step[1] + inner * g.b_step[2];
  }
  t.a = static_cast<const T*>(g.a) + a_at;
  t.b = static_cast<const T*>(g.b) + b_at;
  t.row0 = blockIdx.y * BM;
  t.column0 = blockIdx.x * BN;
  t.a_by_rows = g.a_channel != 1;
  t.b_by_columns = g.b_k != 1;
  t.place_rows();
  t.place_taps(0, 0);
  __syncthreads();
  t.load(0, 0);
  t.keep(0);
  float sums[S::TM][S::TN] = {};
  for (int first = 0, buffer = 0; first < g.depth; first += kDepth, buffer ^= 1) {
    const bool more = first + kDepth < g.depth;
    if (more) t.place_taps(buffer ^ 1, first + kDepth);
    __syncthreads();
    if (more) t.load(buffer ^ 1, first + kDepth);
    t.multiply(buffer, sums);
    if (more) t.keep(buffer ^ 1);
  }
  t.store(sums, z, group);
}

template <class T, int BM, int BN, bool kTransposed = false>
cudaError_t launch_tile(const SimtGemmArgs& g, cudaStream_t stream) {
  const dim3 grid((g.columns + BN - 1) / BN, (g.rows + BM - 1) / BM, unsigned(g.batch * g.groups));
  return launch(simt<T, BM, BN, kTransposed>, grid, dim3(kThreads),
                sizeof(typename Simt<T, BM, BN, kTransposed>::Shared), stream, g);
}

}  // namespace

cudaError_t gemm_simt(const SimtGemmArgs& g, Elem type, int tile, cudaStream_t stream) {
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    if (g.transposed) return launch_tile<T, 64, 64, true>(g, stream);
    return tile == 0   ? launch_tile<T, 128, 128>(g, stream)
           : tile == 1 ? launch_tile<T, 64, 64>(g, stream)
                       : launch_tile<T, 32, 32>(g, stream);
  });
}

}  // namespace tenon::cuda
