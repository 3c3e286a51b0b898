// The kernel of gemm_small.h. One warp copies, groups of 128 threads multiply 64 rows each; their sums meet in shared
// memory, where each block that had a part of k finishes its share of the rows.
#pragma once
#include "backends/cuda/device/cluster.h"
#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/gemm_small.h"
#include "backends/cuda/device/tensor_maps.h"
#include "backends/cuda/device/tma.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"
#ifdef STAMPS
__device__ unsigned long long* stamps_to;
__device__ unsigned int stamp_kernel;
#define STAMP(i) stamp(g.number, i)
__device__ __forceinline__ void stamp(int number, int i) {
  unsigned long long t;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
  if (number >= 0) stamps_to[(number * 512 + (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) * 8 + i] = t;
}
#else
#define STAMP(i)
#endif

namespace tenon::cuda {

struct SmallArgs {
  struct {
    CUtensorMap a, b;
  } maps;
  int steps = 0, stages = 0;  ///< of 64 of k in all
  SmallCluster cluster;
  int rows = 0, columns = 0;
  bool b_constant = false;
  void* y = nullptr;
  int64_t y_pitch = 0;
  float alpha = 1;
  Epilogue epilogue;
#ifdef STAMPS
  int number = -1;
#endif
};

namespace {

constexpr int kSmallMostStages = 16;

template <int kGroups_, int kColumns_>
struct SmallForm {
  static constexpr int kGroups = kGroups_, kColumns = kColumns_, kRows = 64 * kGroups;
  static constexpr int kConsumers = 128 * kGroups, kThreads = kConsumers + 32;
  static constexpr int kBytesA = kRows * 128, kBytesB = kColumns * 128, kStageBytes = kBytesA + kBytesB;
  /// Floats between rows of sums: 8 more than a multiple of 32, so that four rows fill the banks.
  static constexpr int kPitch = (kColumns + 23) / 32 * 32 + 8;
  static constexpr int kPieces = kColumns / 8, kFinish = (kRows * kPieces + kConsumers - 1) / kConsumers;
  static constexpr int shared_bytes(int stages) {
    const int ring = stages * kStageBytes, sums = kRows * kPitch * 4;
    return (ring > sums ? ring : sums) + 1024;
  }
};

template <class F, class T>
struct SmallBlock {
  const SmallArgs& g;
  unsigned char* stages;
  uint64_t *full, *empty;
  int rank;

  // Ranks run through neighbours along the columns, then along the rows, then through the parts of k.
  __device__ __forceinline__ int across() const { return rank % g.cluster.across; }
  __device__ __forceinline__ int down() const { return rank / g.cluster.across % g.cluster.down; }
  __device__ __forceinline__ int split() const { return rank / (g.cluster.across * g.cluster.down); }
  __device__ __forceinline__ int row() const { return (int(blockIdx.y) * g.cluster.down + down()) * F::kRows; }
  __device__ __forceinline__ int column() const {
    return (int(blockIdx.x) * g.cluster.across + across()) * F::kColumns;
  }
  __device__ __forceinline__ int first_step() const { return g.steps * split() / g.cluster.splits; }
  __device__ __forceinline__ int steps() const {
    return g.steps * (split() + 1) / g.cluster.splits - first_step();
  }

  struct Copies {
    int k, row, column, row_at, column_at;  ///< of the first step; what this block copies, and bytes of a stage before
    uint16_t row_mask, column_mask;         ///< blocks that get it
  };
  __device__ __forceinline__ Copies copies() const {
    const int wide = g.cluster.across, tall = g.cluster.down, rows = F::kRows / wide, columns = F::kColumns / tall;
    const int first = rank - rank % (wide * tall);
    uint32_t column_mask = 0;
    for (int i = 0; i < tall; ++i) column_mask |= 1u << (first + i * wide + across());
    return {first_step() * kGemmDepth,
            row() + across() * rows,
            column() + down() * columns,
            across() * rows * 128,
            F::kBytesA + down() * columns * 128,
            uint16_t(((1u << wide) - 1) << (first + down() * wide)),
            uint16_t(column_mask)};
  }
  __device__ __forceinline__ void copy_a(const Copies& c, int step, int stage) const {
    unsigned char* const to = stages + stage * F::kStageBytes + c.row_at;
    if (g.cluster.across > 1)
      copy_box_to(c.row_mask, to, g.maps.a, full + stage, c.k + step * kGemmDepth, c.row, 0);
    else
      copy_box(to, g.maps.a, full + stage, c.k + step * kGemmDepth, c.row, 0);
  }
  __device__ __forceinline__ void copy_b(const Copies& c, int step, int stage) const {
    expect_bytes(full + stage, F::kStageBytes);
    unsigned char* const to = stages + stage * F::kStageBytes + c.column_at;
    if (g.cluster.down > 1)
      copy_box_to(c.column_mask, to, g.maps.b, full + stage, c.k + step * kGemmDepth, c.column, 0);
    else
      copy_box(to, g.maps.b, full + stage, c.k + step * kGemmDepth, c.column, 0);
  }

  /// One thread.
  __device__ __forceinline__ void produce() const {
    const int count = steps(), ahead = min(g.stages, count);
    const Copies c = copies();
    if (g.b_constant) {
      for (int i = 0; i < ahead; ++i) copy_b(c, i, i);
      for (int i = ahead; i < count; ++i) prefetch_box(g.maps.b, c.k + i * kGemmDepth, c.column, 0);
    }
    finish_early();
    prefetch_map(g.maps.a);
    STAMP(0);
    begin();
    STAMP(1);
    for (int i = 0; i < ahead; ++i) {
      if (!g.b_constant) copy_b(c, i, i);
      copy_a(c, i, i);
    }
    int stage = 0;
    uint32_t parity = 0;
    for (int i = ahead; i < count; ++i) {
      wait_barrier(empty + stage, parity);
      copy_b(c, i, stage);
      copy_a(c, i, stage);
      if (++stage == g.stages) stage = 0, parity ^= 1;
    }
  }

  /// Tells the blocks that copy to this one that a stage is free: those of its rows and those of its columns.
  __device__ __forceinline__ void release(int stage) const {
    const int thread = int(threadIdx.x) % 128, wide = g.cluster.across, tall = g.cluster.down;
    if (wide * tall == 1) {
      if (thread == 0) arrive_barrier(empty + stage);
      return;
    }
    const int first = rank - rank % (wide * tall);
    if (thread < wide)
      arrive_in_cluster(empty + stage, uint32_t(first + down() * wide + thread));
    else if (thread < wide + tall && thread - wide != down())
      arrive_in_cluster(empty + stage, uint32_t(first + (thread - wide) * wide + across()));
  }

  __device__ __forceinline__ void multiply(int group, float (&sums)[F::kColumns / 8][4]) const {
    int stage = 0, before = 0;
    uint32_t parity = 0;
    const int count = steps();
    for (int i = 0; i < count; ++i) {
      wait_barrier(full + stage, parity);
#ifdef STAMPS
      if (i == 0 && threadIdx.x == 0) STAMP(2);
#endif
      const unsigned char* const at = stages + stage * F::kStageBytes;
      const uint64_t at_a = describe_rows(at + group * 64 * 128), at_b = describe_rows(at + F::kBytesA);
      fence_products();
#pragma unroll
      for (int k = 0; k < kGemmDepth / 16; ++k)
        multiply_rows<T>(sums, at_a + uint64_t(k * 2), at_b + uint64_t(k * 2), i + k > 0);
      commit_products();
      wait_products<1>();
      if (i > 0 && i + g.stages <= count) release(before);  // nobody waits for the others
      before = stage;
      if (++stage == g.stages) stage = 0, parity ^= 1;
    }
    wait_products();
    pin(sums);
  }

  /// All threads of the groups, and of the cluster at its barriers.
  __device__ __forceinline__ void consume() const {
    const int thread = int(threadIdx.x), group = thread / 128, lane = thread % 32;
    const int share = F::kRows / g.cluster.splits, count = share * F::kPieces, above = split() * share;
    begin();
    const bool join = g.epilogue.join != Join::kNone;
    Words<T, 8> extra[F::kFinish];
    float bias[F::kFinish][8];
#pragma unroll
    for (int i = 0; i < F::kFinish; ++i) {
      const int piece = i * F::kConsumers + thread, at = column() + piece % F::kPieces * 8;
      const int r = row() + above + piece / F::kPieces;
      const bool mine = piece < count && r < g.rows && at < g.columns;
      if (join) load_extra(g.epilogue, uint32_t(r), at, true, mine ? 8 : 0, extra[i]);
#pragma unroll
      for (int j = 0; j < 8; j += 4) {
        const float4 four = g.epilogue.bias && mine ? *reinterpret_cast<const float4*>(g.epilogue.bias + at + j)
                                                    : make_float4(0, 0, 0, 0);
        bias[i][j] = four.x, bias[i][j + 1] = four.y, bias[i][j + 2] = four.z, bias[i][j + 3] = four.w;
      }
    }
    float sums[F::kColumns / 8][4];
    multiply(group, sums);
#ifdef STAMPS
    if (thread == 0) STAMP(3);
#endif
    float* const kept = reinterpret_cast<float*>(stages);
    sync_consumers();  // other warps may still read what sums overwrite
    float* const mine = kept + (thread / 32 * 16 + lane / 4) * F::kPitch + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < F::kColumns / 8; ++n) {
      *reinterpret_cast<float2*>(mine + n * 8) = make_float2(sums[n][0], sums[n][1]);
      *reinterpret_cast<float2*>(mine + 8 * F::kPitch + n * 8) = make_float2(sums[n][2], sums[n][3]);
    }
    if (g.cluster.splits > 1)
      sync_cluster();
    else
      sync_consumers();
#ifdef STAMPS
    if (thread == 0) STAMP(4);
#endif
#pragma unroll
    for (int i = 0; i < F::kFinish; ++i) {
      const int piece = i * F::kConsumers + thread, at = piece % F::kPieces * 8, r = above + piece / F::kPieces;
      if (piece >= count || row() + r >= g.rows || column() + at >= g.columns) continue;
      finish(kept + r * F::kPitch + at, row() + r, column() + at, bias[i], extra[i]);
    }
#ifdef STAMPS
    if (thread == 0) STAMP(5);
#endif
  }

 private:
  static __device__ __forceinline__ void sync_consumers() {
    asm volatile("bar.sync 1, %0;" ::"n"(F::kConsumers) : "memory");
  }
  /// Eight columns of a row whose sums lie at this place in each block that had a part of k.
  __device__ __forceinline__ void finish(const float* at, int row, int column, const float (&bias)[8],
                                         const Words<T, 8>& extra) const {
    const Epilogue& e = g.epilogue;
    float v[8];
    switch (g.cluster.splits) {
      case 1:
        load_floats<float, 4>(at, *reinterpret_cast<float(*)[4]>(v));
        load_floats<float, 4>(at + 4, *reinterpret_cast<float(*)[4]>(v + 4));
        break;
      case 2:
        add_parts<2>(at, v);
        break;
      case 4:
        add_parts<4>(at, v);
        break;
      default:
        add_parts<8>(at, v);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = fmaf(v[i], g.alpha, bias[i]);
    if (e.act == Act::kGeluErf && e.join == Join::kNone) {
#pragma unroll
      for (int i = 0; i < 8; ++i) v[i] = quick_gelu(v[i]);
    } else {
      apply_epilogue(e, v, extra);
    }
    store_floats<T, 8>(static_cast<T*>(g.y) + int64_t(row) * g.y_pitch + column, v);
  }
  template <int kSplits>
  __device__ __forceinline__ void add_parts(const float* at, float (&v)[8]) const {
    const int step = g.cluster.across * g.cluster.down, first = rank % step;
    float4 low[kSplits], high[kSplits];
#pragma unroll
    for (int z = 0; z < kSplits; ++z) {
      low[z] = load_from_cluster(at, uint32_t(first + z * step));
      high[z] = load_from_cluster(at + 4, uint32_t(first + z * step));
    }
#pragma unroll
    for (int z = 1; z < kSplits; ++z) {
      low[0].x += low[z].x, low[0].y += low[z].y, low[0].z += low[z].z, low[0].w += low[z].w;
      high[0].x += high[z].x, high[0].y += high[z].y, high[0].z += high[z].z, high[0].w += high[z].w;
    }
    v[0] = low[0].x, v[1] = low[0].y, v[2] = low[0].z, v[3] = low[0].w;
    v[4] = high[0].x, v[5] = high[0].y, v[6] = high[0].z, v[7] = high[0].w;
  }
};

template <class F, class T>
__global__ void __launch_bounds__(F::kThreads) gemm_small_kernel(const __grid_constant__ SmallArgs g) {
  __shared__ uint64_t barriers[2 * kSmallMostStages];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const SmallBlock<F, T> block{g, aligned, barriers, barriers + kSmallMostStages, int(blockIdx.z)};
  const bool shares = g.cluster.across * g.cluster.down > 1;
  if (threadIdx.x == F::kConsumers) {
    prefetch_map(g.maps.b);
    for (int s = 0; s < g.stages; ++s) {
      init_barrier(block.full + s, 1);
      init_barrier(block.empty + s, F::kGroups * (g.cluster.across + g.cluster.down - 1));
    }
    publish_barriers();
  }
  __syncthreads();
  if (shares) leave_cluster();  // no block is copied to before its barriers are ready
  if (threadIdx.x < F::kConsumers) {
    block.consume();
  } else {
    if (threadIdx.x == F::kConsumers)
      block.produce();
    else
      begin();
    __syncwarp();
    if (g.cluster.splits > 1) sync_cluster();
  }
  if (g.cluster.blocks() > 1) leave_cluster();  // no block goes while others read its sums or copy to it
}

template <class F, class T>
cudaError_t launch_small(const GemmArgs& a, Elem type, int stages, SmallCluster cluster, cudaStream_t stream) {
  TmaArgs maps;
  const cudaError_t code =
      make_tma_args(a, type, false, F::kRows / cluster.across, F::kColumns / cluster.down, 1, maps);
  if (code != cudaSuccess) return code;
  SmallArgs g;
  g.maps.a = maps.maps.a;
  g.maps.b = maps.maps.b;
  g.steps = maps.steps;
  g.stages = stages;
  g.cluster = cluster;
  g.rows = a.rows;
  g.columns = a.columns;
  g.b_constant = a.b_constant;
  g.y = a.y;
  g.y_pitch = a.y_pitch;
  g.alpha = a.alpha;
  g.epilogue = a.epilogue;
#ifdef STAMPS
  g.number = a.taps_inside ? a.chunks : -1;
#endif
  const auto divided = [](int n, int by) { return unsigned((n + by - 1) / by); };
  const unsigned blocks = unsigned(cluster.blocks());
  const dim3 grid(divided(a.columns, F::kColumns * cluster.across), divided(a.rows, F::kRows * cluster.down), blocks);
  return launch_cluster(gemm_small_kernel<F, T>, blocks, grid, dim3(F::kThreads), size_t(F::shared_bytes(stages)),
                        stream, g);
}

/// In the order of kSmallTiles.
template <class T>
cudaError_t launch_small_tile(const GemmArgs& a, Elem type, int tile, SmallCluster cluster, cudaStream_t stream,
                              int stages = 0) {
  if (!stages) stages = kSmallTiles[tile].stages;
  switch (tile) {
    case 0:
      return launch_small<SmallForm<1, 48>, T>(a, type, stages, cluster, stream);
    case 1:
      return launch_small<SmallForm<1, 64>, T>(a, type, stages, cluster, stream);
    case 2:
      return launch_small<SmallForm<1, 96>, T>(a, type, stages, cluster, stream);
    case 3:
      return launch_small<SmallForm<1, 128>, T>(a, type, stages, cluster, stream);
    case 4:
      return launch_small<SmallForm<2, 48>, T>(a, type, stages, cluster, stream);
    case 5:
      return launch_small<SmallForm<2, 64>, T>(a, type, stages, cluster, stream);
    case 6:
      return launch_small<SmallForm<2, 96>, T>(a, type, stages, cluster, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
