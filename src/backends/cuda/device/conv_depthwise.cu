// A thread holds the window's weights of a few neighbouring channels in registers and walks down the rows of the input:
// each row is read once and added to every row of results that it belongs to.
#include "backends/cuda/device/conv_depthwise.h"

#include "backends/cuda/device/epilogue_apart.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 128, W = kDepthwiseColumns;

/// Blocks a multiprocessor that registers suffice for without spilling.
constexpr int blocks_wanted(int bytes, int kernel, int vector) {
  if (vector == 1) return kernel == 3 ? 8 : 5;
  if (kernel == 5) return 2;
  return bytes == 2 ? 4 : 3;
}

struct Walk {
  DepthwiseArgs a;
  Divisor vectors, tiles, strips;  ///< of a row's channels, of a row's columns, of a column's rows
  uint32_t threads;
  int rows;
};

template <class T, int K, int S, int V>
struct Window {
  static constexpr int kInputs = (W - 1) * S + K;  ///< columns of the input that W results see
  static constexpr int kOpen = (K - 1) / S + 1;    ///< rows of results that one row of the input belongs to

  /// A row of the input; zeros outside of it.
  static __device__ __forceinline__ void load(const DepthwiseArgs& a, const T* image, int row, int first,
                                              Words<T, V> (&to)[kInputs]) {
    const bool inside = unsigned(row) < unsigned(a.in_h);
    const T* line = image + int64_t(inside ? row : 0) * a.in_w * a.x_pitch;
#pragma unroll
    for (int i = 0; i < kInputs; ++i) {
      to[i].clear();
      if (inside && unsigned(first + i) < unsigned(a.in_w)) to[i].read(line + (first + i) * a.x_pitch);
    }
  }

  /// Adds a row of the input, row `at` of the window of the first open results.
  template <int at>
  static __device__ __forceinline__ void add(const Words<T, V> (&in)[kInputs], const Words<T, V> (&w)[K * K],
                                             float (&sums)[kOpen][W][V]) {
    float x[kInputs][V];
#pragma unroll
    for (int i = 0; i < kInputs; ++i)
#pragma unroll
      for (int v = 0; v < V; ++v) x[i][v] = in[i].at(v);
#pragma unroll
    for (int j = 0; j < kOpen; ++j) {
      constexpr int kRow = at;
      const int row = kRow - j * S;
      if (row < 0) continue;
#pragma unroll
      for (int k = 0; k < K; ++k)
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const float weight = w[row * K + k].at(v);
#pragma unroll
          for (int t = 0; t < W; ++t) sums[j][t][v] = fmaf(weight, x[t * S + k][v], sums[j][t][v]);
        }
    }
  }
};

template <class T, int K, int S, int V>
__global__ void __launch_bounds__(kThreads, blocks_wanted(sizeof(T), K, V))
    depthwise(const __grid_constant__ Walk walk) {
  begin();
  using Win = Window<T, K, S, V>;
  const DepthwiseArgs& a = walk.a;
  uint32_t vector = blockIdx.x * kThreads + threadIdx.x;
  if (vector >= walk.threads) return;
  uint32_t tile = walk.vectors.split(vector), strip = walk.tiles.split(tile);
  const uint32_t image = walk.strips.split(strip);
  const int channel = int(vector) * V, column = int(tile) * W, first_row = int(strip) * walk.rows;
  const int end_row = min(first_row + walk.rows, a.out_h);

  Words<T, V> w[K * K];
#pragma unroll
  for (int k = 0; k < K * K; ++k) w[k].read(static_cast<const T*>(a.w) + k * a.weights_pitch + channel);
  float bias[V] = {};
  add_bias(a.epilogue, bias, channel, V);

  const T* x = static_cast<const T*>(a.x) + int64_t(image) * a.in_h * a.in_w * a.x_pitch + channel;
  const int left = column * S - a.pad_w, top = first_row * S - a.pad_h;
  float sums[Win::kOpen][W][V];
#pragma unroll
  for (int j = 0; j < Win::kOpen; ++j)
#pragma unroll
    for (int t = 0; t < W; ++t)
#pragma unroll
      for (int v = 0; v < V; ++v) sums[j][t][v] = bias[v];

  // Rows are loaded kAhead results before they are added.
  constexpr int kAhead = S == 1 ? 2 : 1;
  Words<T, V> rows[K - S][Win::kInputs], next[kAhead][S][Win::kInputs];
#pragma unroll
  for (int i = 0; i < K - S; ++i) Win::load(a, x, top + i, left, rows[i]);
#pragma unroll
  for (int d = 0; d < kAhead; ++d)
#pragma unroll
    for (int i = 0; i < S; ++i) Win::load(a, x, top + d * S + K - S + i, left, next[d][i]);
  [&]<int... i>(std::integer_sequence<int, i...>) { (Win::template add<i>(rows[i], w, sums), ...); }
  (std::make_integer_sequence<int, K - S>());

  for (int row = first_row; row < end_row; ++row) {
    Words<T, V> now[S][Win::kInputs];
#pragma unroll
    for (int i = 0; i < S; ++i)
#pragma unroll
      for (int c = 0; c < Win::kInputs; ++c) {
        now[i][c] = next[0][i][c];
#pragma unroll
        for (int d = 0; d + 1 < kAhead; ++d) next[d][i][c] = next[d + 1][i][c];
      }
    if (row + kAhead < end_row) {
#pragma unroll
      for (int i = 0; i < S; ++i) Win::load(a, x, (row + kAhead) * S - a.pad_h + K - S + i, left, next[kAhead - 1][i]);
    }
    const uint32_t y_row = (image * a.out_h + row) * a.out_w + column;
    Words<T, V> extra[W];
#pragma unroll
    for (int t = 0; t < W; ++t) {
      const bool exists = column + t < a.out_w && !a.sums;
      load_extra(a.epilogue, y_row + t, channel, true, exists ? V : 0, extra[t]);
    }
    [&]<int... i>(std::integer_sequence<int, i...>) { (Win::template add<K - S + i>(now[i], w, sums), ...); }
    (std::make_integer_sequence<int, S>());
#pragma unroll
    for (int t = 0; t < W; ++t) {
      if (column + t >= a.out_w) continue;
      if (a.sums) {
        store_floats(a.sums + int64_t(y_row + t) * a.channels + channel, sums[0][t]);
      } else {
        apply_apart(a.epilogue, sums[0][t], extra[t]);
        store_floats(static_cast<T*>(a.y) + (y_row + t) * a.y_pitch + channel, sums[0][t]);
      }
    }
#pragma unroll
    for (int j = 0; j < Win::kOpen; ++j)
#pragma unroll
      for (int t = 0; t < W; ++t)
#pragma unroll
        for (int v = 0; v < V; ++v) sums[j][t][v] = j + 1 < Win::kOpen ? sums[j + 1][t][v] : bias[v];
  }
}

template <class T, int K, int S>
cudaError_t launch_window(const Walk& walk, int vector, cudaStream_t stream) {
  const dim3 grid((walk.threads + kThreads - 1) / kThreads), block(kThreads);
  const auto kernel = vector == 1 ? depthwise<T, K, S, 1> : depthwise<T, K, S, kDepthwiseVector>;
  return launch(kernel, grid, block, 0, stream, walk);
}

template <class T>
cudaError_t launch_type(const Walk& walk, int kernel, int stride, int vector, cudaStream_t stream) {
  if (kernel == 3)
    return stride == 1 ? launch_window<T, 3, 1>(walk, vector, stream) : launch_window<T, 3, 2>(walk, vector, stream);
  return stride == 1 ? launch_window<T, 5, 1>(walk, vector, stream) : launch_window<T, 5, 2>(walk, vector, stream);
}

/// Whether accesses of kDepthwiseVector elements are possible.
bool is_aligned(const DepthwiseArgs& a, Elem type) {
  constexpr int V = kDepthwiseVector;
  const uintptr_t bytes = V * (type == Elem::kF32 ? 4 : 2);
  const bool extra = a.epilogue.join == Join::kNone || a.epilogue.extra_step == 0 || a.epilogue.extra_vector;
  return a.channels % V == 0 && a.x_pitch % V == 0 && a.y_pitch % V == 0 && extra &&
         reinterpret_cast<uintptr_t>(a.x) % bytes == 0 && reinterpret_cast<uintptr_t>(a.y) % bytes == 0;
}

}  // namespace

cudaError_t conv_depthwise(const DepthwiseArgs& a, Elem type, int kernel, int stride, int rows, cudaStream_t stream) {
  const int vector = is_aligned(a, type) ? kDepthwiseVector : 1, vectors = a.channels / vector,
            tiles = (a.out_w + W - 1) / W, strips = (a.out_h + rows - 1) / rows;
  Walk walk{a, Divisor(uint32_t(vectors)), Divisor(uint32_t(tiles)), Divisor(uint32_t(strips)), 0, rows};
  walk.threads = uint32_t(vectors) * uint32_t(tiles) * uint32_t(strips) * uint32_t(a.batch);
  return with_elem(type, [&](auto t) { return launch_type<decltype(t)>(walk, kernel, stride, vector, stream); });
}

}  // namespace tenon::cuda
