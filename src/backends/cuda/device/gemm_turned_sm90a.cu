// Stages of a ring hold 64 of k for a tile's columns of w and rows of x. One thread keeps the ring full, through the
// ends of tiles; two groups of 128 threads do a half of the columns each and finish them in shared memory, where the
// other operand arrives meanwhile.
#include "backends/cuda/device/gemm_turned.h"

#include <algorithm>

#include "backends/cuda/device/tensor_boxes.h"
#include "backends/cuda/device/turned_tile.h"
#include "backends/cuda/device/wgmma.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kEights = kTurnedRows / 8, kThreads = 384, kShared = 227 * 1024 - 256;

struct Turned {
  struct {
    CUtensorMap x, w, y, extra;
  } maps;
  int tiles = 0, across = 0, steps = 0, columns = 0;
  Epilogue epilogue;
};

/// `kM` times 64 columns of y a group.
template <int kM>
struct Form {
  static constexpr int kColumns = 128 * kM, kKeep = turned_bytes(kTurnedRows);
  static constexpr int kBytesW = kColumns * 128, kStageBytes = kBytesW + kTurnedRows * 128;
  static constexpr int kStages = std::min(8, (kShared - 1024 - 2 * kM * kKeep) / kStageBytes);
};

struct Barriers {
  uint64_t full[8], empty[8], extra_there[2];
};

template <int kM>
struct Block {
  using F = Form<kM>;
  const Turned& g;
  unsigned char *stages, *kept;
  Barriers& b;

  __device__ __forceinline__ int column_of(int tile) const { return tile % g.across * F::kColumns; }
  __device__ __forceinline__ int row_of(int tile) const { return tile / g.across * kTurnedRows; }
  __device__ __forceinline__ void copy_w(int tile, int step, uint32_t stage) const {
    expect_bytes(b.full + stage, F::kStageBytes);
    copy_box(stages + stage * F::kStageBytes, g.maps.w, b.full + stage, step * 64, column_of(tile), 0);
  }
  /// One thread.
  __device__ __forceinline__ void produce() const {
    prefetch_map(g.maps.w);
    prefetch_map(g.maps.x);
    int early = 0;  // stages whose weights, which no kernel wrote, were asked for before begin()
    for (; early < F::kStages && early < g.steps; ++early) copy_w(int(blockIdx.x), early, early);
    begin();
    uint32_t stage = 0, parity = 1;
    for (int tile = blockIdx.x; tile < g.tiles; tile += gridDim.x)
      for (int i = 0; i < g.steps; ++i) {
        if (early > 0) {
          --early;
        } else {
          wait_barrier(b.empty + stage, parity);
          copy_w(tile, i, stage);
        }
        copy_box(stages + stage * F::kStageBytes + F::kBytesW, g.maps.x, b.full + stage, i * 64, row_of(tile), 0);
        if (++stage == F::kStages) stage = 0, parity ^= 1;
      }
    finish_early();
  }
  template <class T>
  __device__ __forceinline__ void consume(int group) const {
    const int thread = threadIdx.x % 128;
    const bool extra = g.epilogue.join != Join::kNone;
    unsigned char* const mine = kept + group * kM * F::kKeep;
    uint32_t stage = 0, parity = 0, extra_parity = 0;
    begin();
    for (int tile = blockIdx.x; tile < g.tiles; tile += gridDim.x) {
      const int column = column_of(tile) + group * kM * 64, row = row_of(tile);
      if (thread == 0) {
        wait_stores_read();
        if (extra) expect_bytes(b.extra_there + group, kM * kTurnedRows * 128);
        for (int m = 0; extra && m < kM; ++m)
          copy_box(mine + m * F::kKeep, g.maps.extra, b.extra_there + group, column + m * 64, row, 0);
      }
      float sums[kM][kEights][4];
      for (int i = 0; i < g.steps; ++i) {
        wait_barrier(b.full + stage, parity);
        const unsigned char* const at = stages + stage * F::kStageBytes;
        const uint64_t w = describe_rows(at + group * kM * 64 * 128), x = describe_rows(at + F::kBytesW);
        fence_products();
#pragma unroll
        for (int k = 0; k < 4; ++k)
#pragma unroll
          for (int m = 0; m < kM; ++m)
            multiply_rows<T>(sums[m], w + uint64_t(m * 64 * 128 / 16 + k * 2), x + uint64_t(k * 2), i + k > 0);
        commit_products();
        wait_products<1>();
        if (i > 0 && thread == 0) arrive_barrier(b.empty + (stage == 0 ? F::kStages : stage) - 1);
        if (++stage == F::kStages) stage = 0, parity ^= 1;
      }
      wait_products();
      if (thread == 0) arrive_barrier(b.empty + (stage == 0 ? F::kStages : stage) - 1);
#pragma unroll
      for (int m = 0; m < kM; ++m) pin(sums[m]);
      if (tile + int(gridDim.x) >= g.tiles) finish_early();
      if (extra) {
        wait_barrier(b.extra_there + group, extra_parity);
        extra_parity ^= 1;
      } else {
        sync_group(group);
      }
#pragma unroll
      for (int m = 0; m < kM; ++m)
        finish_turned<T>(g.epilogue, sums[m], column + m * 64, g.columns, {kTurnedRows, 1, kTurnedRows + 16},
                         mine + m * F::kKeep);
      publish_to_products();
      sync_group(group);
      if (thread == 0) {
        for (int m = 0; m < kM; ++m)
          if (column + m * 64 < g.columns) store_box(g.maps.y, mine + m * F::kKeep, column + m * 64, row, 0);
        commit_stores();
      }
    }
    if (thread == 0) wait_stores();
  }
};

template <int kM, class T>
__global__ void __launch_bounds__(kThreads, 1) turned_kernel(const __grid_constant__ Turned g) {
  using F = Form<kM>;
  __shared__ Barriers barriers;
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const kept = memory + (1024 - shared_address(memory) % 1024) % 1024;
  const Block<kM> block{g, kept + 2 * kM * F::kKeep, kept, barriers};
  if (threadIdx.x == 0) {
    for (int i = 0; i < F::kStages; ++i) init_barrier(barriers.full + i, 1), init_barrier(barriers.empty + i, 2);
    for (int i = 0; i < 2; ++i) init_barrier(barriers.extra_there + i, 1);
    publish_barriers();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0)
      block.produce();
    else
      begin();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    block.template consume<T>(int(threadIdx.x) / 128 - 1);
  }
}

int divided(int64_t a, int64_t b) { return int((a + b - 1) / b); }

template <int kM, class T>
cudaError_t launch_turned(const TurnedArgs& a, Elem type, int blocks, cudaStream_t stream) {
  using F = Form<kM>;
  Turned g;
  g.across = divided(a.columns, F::kColumns);
  g.tiles = g.across * divided(a.rows, kTurnedRows);
  g.steps = divided(a.depth, 64);
  g.columns = a.columns;
  g.epilogue = a.epilogue;
  const auto rows = [&](const void* data, int64_t size, int64_t lines, int64_t pitch, int box, CUtensorMap& to) {
    return map_boxes({data, 3, {size, lines, 1}, {pitch, pitch}, {64, box, 1}}, type, to);
  };
  cudaError_t code = rows(a.x, a.depth, a.rows, a.x_pitch, kTurnedRows, g.maps.x);
  if (code == cudaSuccess) code = rows(a.w, a.depth, a.columns, a.w_pitch, F::kColumns, g.maps.w);
  if (code == cudaSuccess) code = rows(a.y, a.columns, a.rows, a.y_pitch, kTurnedRows, g.maps.y);
  const Epilogue& e = a.epilogue;
  if (code == cudaSuccess && e.join != Join::kNone)
    code = rows(e.extra, a.columns, a.rows, e.extra_pitch, kTurnedRows, g.maps.extra);
  if (code != cudaSuccess) return code;
  return launch(turned_kernel<kM, T>, dim3(unsigned(std::min(g.tiles, blocks))), dim3(kThreads), kShared, stream, g);
}

template <class T>
cudaError_t launch_columns(const TurnedArgs& a, Elem type, int columns, int blocks, cudaStream_t stream) {
  if (columns == 128) return launch_turned<1, T>(a, type, blocks, stream);
  if (columns == 256) return launch_turned<2, T>(a, type, blocks, stream);
  return cudaErrorInvalidValue;
}

}  // namespace

cudaError_t gemm_turned(const TurnedArgs& a, Elem type, int columns, int blocks, cudaStream_t stream) {
  if (type == Elem::kF16) return launch_columns<__half>(a, type, columns, blocks, stream);
  if (type == Elem::kBF16) return launch_columns<__nv_bfloat16>(a, type, columns, blocks, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
