// The kernel of attention_f32.h. Two groups of four warps take 64 queries each, whose scores stay in registers as those
// of attention_mma.h. A third group copies 64 keys and their values after another and splits them: tensor cores read
// keys as they are copied, what they leave out of them beside that, and values by columns in two parts.
#include "backends/cuda/device/attention_f32.h"
#include "backends/cuda/device/attention_mma.h"
#include "backends/cuda/device/attention_row.h"
#include "backends/cuda/device/barrier.h"
#include "backends/cuda/device/mma_tf32.h"
#include "backends/cuda/device/wgmma_tf32.h"

namespace tenon::cuda {
namespace {

/// A group's queries, as attention_mma.h names things.
struct Wide {
  static constexpr int kSize = kWideF32Size, kKeys = kWideF32Keys, kTiles = 1, kEach = 4;
};
constexpr int kGroups = 2, kThreads = 128 * (kGroups + 1), kGroupQueries = kWideF32Queries / kGroups;
constexpr int kPanel = 64 * 128;   ///< bytes of 64 rows of 32 numbers, swizzled by 128 bytes
constexpr int kPart = 2 * kPanel;  ///< keys, their rest, values, their rest
constexpr int kStageBytes = 4 * kPart, kStages = 2;
constexpr int kEights = Wide::kSize / 8;

struct Memory {
  unsigned char* stages;
  float* values;  ///< of the 64 keys that are being split, rows of 64
  float* rows;    ///< 64 numbers a warp, for rows that are repeated
  uint64_t *full, *empty;
};
constexpr size_t kShared = 1024 + kStages * kStageBytes + kPart + kGroups * 4 * Wide::kSize * 4;

struct Place {
  uint32_t stage = 0, parity = 0;
  __device__ __forceinline__ void next() {
    stage ^= 1;
    parity ^= stage == 0;
  }
};

/// A tile of queries of a head, and where its operands lie.
struct Tile {
  int unit, first, steps, seen;
  const float *q, *k, *v;
  float* y;
  int64_t mask;
  __device__ __forceinline__ Tile(const AttentionParams& p, int number) {
    const int tiles = (p.queries + kWideF32Queries - 1) / kWideF32Queries;
    first = number % tiles * kWideF32Queries;
    unit = number / tiles;
    const int head = unit % p.heads, b = unit / p.heads, key_head = head / p.heads_a_key_head;
    q = static_cast<const float*>(p.q) + b * p.q_at.batch + head * p.q_at.head;
    k = static_cast<const float*>(p.k) + b * p.k_at.batch + key_head * p.k_at.head;
    v = static_cast<const float*>(p.v) + b * p.v_at.batch + key_head * p.v_at.head;
    y = static_cast<float*>(p.y) + b * p.y_at.batch + head * p.y_at.head;
    mask = b * p.mask_batch + head * p.mask_head;
    const int last = min(p.queries, first + kWideF32Queries) - 1;
    seen = p.causal ? min(p.keys, last + p.keys - p.queries + 1) : p.keys;
    steps = seen > 0 ? (seen + Wide::kKeys - 1) / Wide::kKeys : 0;
  }
};

/// The place of 16-byte chunk `chunk` of row `row` of a part of two panels.
__device__ __forceinline__ int chunk_at(int row, int chunk) {
  return chunk / 8 * kPanel + row * 128 + ((chunk ^ row) & 7) * 16;
}
__device__ __forceinline__ float cut_off(float v) { return __uint_as_float(__float_as_uint(v) & 0xffffe000u); }
/// What tensor cores leave out of a number, rounded.
__device__ __forceinline__ float rest_of(float v) { return __uint_as_float(__float_as_uint(v - cut_off(v)) + 0x1000u); }

/// Starts copying 64 rows from `first` on to places at(row, chunk); what lies outside becomes zero.
template <class At>
__device__ __forceinline__ void copy_rows(const float* from, int64_t stride, int size, int first, int keys,
                                          const At& at) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int n = int(threadIdx.x) % 128 + i * 128, row = n / 16, chunk = n % 16;
    const bool valid = first + row < keys && chunk * 4 < size;
    copy_async(at(row, chunk), valid ? from + (first + row) * stride + chunk * 4 : from, valid);
  }
}

/// Splits keys that this thread copied.
__device__ __forceinline__ void split_keys(unsigned char* stage) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int n = int(threadIdx.x) % 128 + i * 128;
    unsigned char* const at = stage + chunk_at(n / 16, n % 16);
    const float4 v = *reinterpret_cast<const float4*>(at);
    *reinterpret_cast<float4*>(at + kPart) = {rest_of(v.x), rest_of(v.y), rest_of(v.z), rest_of(v.w)};
  }
}

/// Splits values that the group copied, and turns them: key 2i of an eight stands at place i of the product and key
/// 2i + 1 at i + 4, so that scores are fragments as they are.
__device__ __forceinline__ void split_values(unsigned char* stage, const float* values) {
#pragma unroll 4
  for (int i = 0; i < 8; ++i) {
    const int n = int(threadIdx.x) % 128 + i * 128, column = n % 64, chunk = n / 64;
    const float* const from = values + (chunk / 2 * 8 + chunk % 2) * 64 + column;
    float v[4], rest[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      v[j] = from[j * 128];
      rest[j] = rest_of(v[j]);
    }
    unsigned char* const at = stage + 2 * kPart + chunk_at(column, chunk);
    *reinterpret_cast<float4*>(at) = {v[0], v[1], v[2], v[3]};
    *reinterpret_cast<float4*>(at + kPart) = {rest[0], rest[1], rest[2], rest[3]};
  }
}

/// Keeps the stages full. The last group of threads.
__device__ __forceinline__ void produce(const AttentionParams& p, const Memory& m, int tiles) {
  Place at;
  for (int number = int(blockIdx.x); number < tiles; number += int(gridDim.x)) {
    const Tile t(p, number);
    for (int step = 0; step < t.steps; ++step, at.next()) {
      unsigned char* const stage = m.stages + at.stage * kStageBytes;
      sync_group(kGroups);  // nobody reads the values of the step before
      copy_rows(t.v, p.v_at.row, p.value_size, step * Wide::kKeys, p.keys,
                [&](int row, int chunk) { return m.values + row * 64 + chunk * 4; });
      wait_barrier(m.empty + at.stage, at.parity ^ 1);
      copy_rows(t.k, p.k_at.row, p.size, step * Wide::kKeys, p.keys,
                [&](int row, int chunk) { return stage + chunk_at(row, chunk); });
      commit_copies();
      wait_copies<0>();
      split_keys(stage);
      sync_group(kGroups);
      split_values(stage, m.values);
      publish_to_products();
      arrive_barrier(m.full + at.stage);
    }
  }
}

/// This thread's fragments of a group's queries.
__device__ __forceinline__ void load_queries(const AttentionParams& p, const float* q, int query,
                                             uint32_t (&to)[kEights][4]) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4;
#pragma unroll
  for (int d = 0; d < kEights; ++d)
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int row = query + g + e % 2 * 8, column = d * 8 + i + e / 2 * 4;
      to[d][e] = row < p.queries && column < p.size ? __float_as_uint(q[row * p.q_at.row + column]) : 0;
    }
}

__device__ __forceinline__ void multiply_keys(uint32_t (&q)[kEights][4], const unsigned char* keys,
                                              float (&scores)[Wide::kKeys / 8][4]) {
  const auto at = [&](const unsigned char* part, int d) { return describe_rows(part + d / 4 * kPanel + d % 4 * 32); };
  Tf32Pair<4> a[kEights];
#pragma unroll
  for (int d = 0; d < kEights; ++d) {
    // Split anew at every step: the parts would not fit into registers all along.
    asm volatile("" : "+r"(q[d][0]), "+r"(q[d][1]), "+r"(q[d][2]), "+r"(q[d][3]));
    a[d].split(q[d]);
  }
  fence_products();
#pragma unroll
  for (int d = 0; d < kEights; ++d) {
    multiply_tf32(scores, a[d].low, at(keys, d), d > 0);
    multiply_tf32(scores, a[d].high, at(keys + kPart, d), 1);
  }
#pragma unroll
  for (int d = 0; d < kEights; ++d) multiply_tf32(scores, a[d].high, at(keys, d), 1);
  commit_products();
  wait_products();
  pin(scores);
}

/// result += exponentials of the scores times values, 32 keys at a time.
__device__ __forceinline__ void multiply_values(const float (&scores)[Wide::kKeys / 8][4], const unsigned char* values,
                                                float (&result)[kEights][4]) {
  constexpr int kTogether = 4;  // eights of keys: a panel
  float part[kEights][4];
#pragma unroll
  for (int first = 0; first < Wide::kKeys / 8; first += kTogether) {
    Tf32Pair<4> a[kTogether];
#pragma unroll
    for (int k = 0; k < kTogether; ++k) {
      const float(&s)[4] = scores[first + k];
      const uint32_t bits[4] = {__float_as_uint(s[0]), __float_as_uint(s[2]), __float_as_uint(s[1]),
                                __float_as_uint(s[3])};
      a[k].split(bits);
    }
    const unsigned char* const panel = values + first / kTogether * kPanel;
    fence_products();
#pragma unroll
    for (int k = 0; k < kTogether; ++k) {
      multiply_tf32(part, a[k].low, describe_rows(panel + k * 32), first + k > 0);
      multiply_tf32(part, a[k].high, describe_rows(panel + kPart + k * 32), 1);
    }
#pragma unroll
    for (int k = 0; k < kTogether; ++k) multiply_tf32(part, a[k].high, describe_rows(panel + k * 32), 1);
    commit_products();
    wait_products();
    pin(part);
  }
#pragma unroll
  for (int n = 0; n < kEights; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) result[n][e] += part[n][e];
}

/// Writes a warp's sixteen rows; those that hold an infinite number or none once more, row by row: the parts of an
/// infinite operand are no numbers.
__device__ __forceinline__ void write_rows(const AttentionParams& p, const Tile& t, const AttentionState<Wide>& st,
                                           int query, float* shared) {
  const int g = threadIdx.x % 32 / 4, i = threadIdx.x % 4 * 2;
  uint32_t special = 0;  // rows of the warp
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float sum = st.sum[0][half];
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    const float scale = 1.f / sum;  // infinite where a row sees no key, which makes its result NaN
    const int row = query + g + half * 8;
    bool mine = false;
#pragma unroll
    for (int n = 0; n < kEights; ++n) {
      const float2 v = {st.result[0][n][2 * half] * scale, st.result[0][n][2 * half + 1] * scale};
      const int column = n * 8 + i;
      if (row >= p.queries || column >= p.value_size) continue;
      mine |= !(fabsf(v.x) < INFINITY && fabsf(v.y) < INFINITY);
      *reinterpret_cast<float2*>(t.y + row * p.y_at.row + column) = v;
    }
    const uint32_t lanes = __ballot_sync(0xffffffffu, mine);
#pragma unroll
    for (int r = 0; r < 8; ++r)
      if (lanes >> (r * 4) & 15) special |= 1u << (r + half * 8);
  }
  for (; special != 0; special &= special - 1) {
    const int row = query + __ffs(int(special)) - 1;
    attend_row<float, Wide::kSize / 32>(p, t.unit, row, shared);
    __syncwarp();
  }
}

__device__ __forceinline__ void consume(const AttentionParams& p, const Memory& m, int tiles) {
  const int warp = threadIdx.x / 32;
  Place at;
  for (int number = int(blockIdx.x); number < tiles; number += int(gridDim.x)) {
    const Tile t(p, number);
    const int group_query = t.first + warp / 4 * kGroupQueries, query = group_query + warp % 4 * 16;
    AttentionState<Wide> st;
    load_queries(p, t.q, query, st.q[0]);
    st.top[0][0] = st.top[0][1] = -INFINITY;
    st.sum[0][0] = st.sum[0][1] = 0;
#pragma unroll
    for (int n = 0; n < kEights; ++n)
#pragma unroll
      for (int e = 0; e < 4; ++e) st.result[0][n][e] = 0;
    for (int step = 0; step < t.steps; ++step, at.next()) {
      const unsigned char* const stage = m.stages + at.stage * kStageBytes;
      wait_barrier(m.full + at.stage, at.parity);
      if (group_query < p.queries) {
        multiply_keys(st.q[0], stage, st.scores[0]);
        mask_scores<float>(st, p, t.mask, query, step * Wide::kKeys);
        update_softmax(st);
        multiply_values(st.scores[0], stage + 2 * kPart, st.result[0]);
      }
      __syncwarp();
      if (threadIdx.x % 32 == 0) arrive_barrier(m.empty + at.stage);
    }
    if (number + int(gridDim.x) >= tiles) finish_early();
    write_rows(p, t, st, query, m.rows + warp * Wide::kSize);
  }
}

__global__ void __launch_bounds__(kThreads, 1)
    attention_f32_kernel(const __grid_constant__ AttentionParams p, int tiles) {
  __shared__ uint64_t barriers[2 * kStages];
  unsigned char* const memory = dynamic_shared<unsigned char>();
  unsigned char* const aligned = memory + (1024 - shared_address(memory) % 1024) % 1024;
  float* const values = reinterpret_cast<float*>(aligned + kStages * kStageBytes);
  const Memory m{aligned, values, values + kPart / 4, barriers, barriers + kStages};
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      init_barrier(m.full + s, 128);
      init_barrier(m.empty + s, kGroups * 4);
    }
    publish_barriers();
  }
  __syncthreads();
  begin();
  if (threadIdx.x >= kGroups * 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 72;");
    produce(p, m, tiles);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 216;");
    consume(p, m, tiles);
  }
}

}  // namespace

cudaError_t attention_f32(const AttentionParams& p, int blocks, cudaStream_t stream) {
  const int tiles = (p.queries + kWideF32Queries - 1) / kWideF32Queries * p.heads * p.batch;
  return launch(attention_f32_kernel, dim3(unsigned(tiles < blocks ? tiles : blocks)), dim3(kThreads), kShared, stream,
                p, tiles);
}

}  // namespace tenon::cuda
