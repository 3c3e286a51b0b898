#include "backends/cuda/device/suppress.h"

#include "backends/cuda/device/bitonic.h"
#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kRun = 4096;  // keys that one block sorts
constexpr int kSortThreads = 256, kMergeThreads = 256, kWriteThreads = 256;
constexpr int kTile = 256;  // candidates that are held against the taken ones together
constexpr int kThreads = 1024, kParts = kThreads / kTile, kWords = kTile / 32;

/// A box as most comparisons see it.
struct Outline {
  float4 corner;  ///< low y, low x, high y, high x, rounded
  float area;
  float slack;  ///< no less than what rounding adds to differences of corners, or NaN
};
struct Box {
  double corner[4];
};

struct Scratch {
  uint64_t* keys[2];  ///< [rows, count]: runs of candidates, the best first, and those that they are merged from
  int* lengths[2];    ///< [rows, runs]
  float4* corners;    ///< [rows, room]: Outline of each box taken
  float2* sizes;
  int* taken;   ///< [rows, room]: their indices
  int* totals;  ///< [rows]
};

__host__ __device__ int64_t runs_of(const SuppressParams& p) { return (p.count + kRun - 1) / kRun; }

/// `base` null: the bytes that it takes.
int64_t lay_out(const SuppressParams& p, char* base, Scratch& s) {
  int64_t at = 0;
  const auto place = [&](auto*& pointer, int64_t count) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(base + at);
    at += (count * int64_t(sizeof(*pointer)) + 255) / 256 * 256;
  };
  const int64_t rows = p.rows, runs = runs_of(p);
  for (int i = 0; i < 2; ++i) {
    place(s.keys[i], i == 0 || runs > 1 ? rows * p.count : 0);
    place(s.lengths[i], rows * runs);
  }
  place(s.corners, rows * p.room);
  place(s.sizes, rows * p.room);
  place(s.taken, rows * p.room);
  place(s.totals, rows);
  return at;
}

__device__ __forceinline__ double read(const Number& n) {
  return n.data ? load_plain<double>(n.data, n.type, 0) : n.value;
}

/// A run of a row's scores above the threshold, sorted.
__global__ void __launch_bounds__(kSortThreads)
    sort_runs(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s) {
  __shared__ uint64_t key[kRun];
  __shared__ int length;
  if (threadIdx.x == 0) length = 0;
  __syncthreads();
  begin();
  finish_early();
  const int64_t row = int64_t(blockIdx.x) * p.count;
  const int first = int(blockIdx.y) * kRun, n = min(kRun, p.count - first);
  const double least = read(p.least);
  for (int j = threadIdx.x; j < n; j += kSortThreads) {
    const float score = load_plain<float>(p.scores, p.score_type, row + first + j);
    // Keys differ by their positions, so their order before sorting makes no difference.
    if (double(score) > least) key[atomicAdd(&length, 1)] = ordered_key(score, true, uint32_t(first + j));
  }
  __syncthreads();
  const int found = length;
  int width = 1;
  while (width < found) width *= 2;
  for (int j = found + int(threadIdx.x); j < width; j += kSortThreads) key[j] = ~uint64_t(0);
  sort_shared<kSortThreads>(key, width);
  for (int j = threadIdx.x; j < found; j += kSortThreads) s.keys[0][row + first + j] = key[j];
  if (threadIdx.x == 0) s.lengths[0][int64_t(blockIdx.x) * gridDim.y + blockIdx.y] = found;
}

/// Merges neighbouring runs of up to `width` keys each: a key's place is its own plus that among the keys of the other
/// run.
__global__ void __launch_bounds__(kMergeThreads)
    merge_runs(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s, int from, int width,
               int runs) {
  begin();
  finish_early();
  const int at = int(blockIdx.y) * kMergeThreads + int(threadIdx.x);
  if (at >= p.count) return;
  const int64_t row = blockIdx.x;
  const int run = at / width, offset = at - run * width, other = run ^ 1;
  const int* lengths = s.lengths[from] + row * runs;
  const int length = lengths[run], others = other < runs ? lengths[other] : 0;
  if (run % 2 == 0 && offset == 0) s.lengths[1 - from][row * ((runs + 1) / 2) + run / 2] = length + others;
  if (offset >= length) return;
  const uint64_t* keys = s.keys[from] + row * p.count;
  const uint64_t key = keys[at];
  int low = 0, high = others;  // keys of the other run below `key` are from `low` to `high` many
  while (low < high) {
    const int middle = (low + high) / 2;
    if (keys[other * int64_t(width) + middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  s.keys[1 - from][row * p.count + int64_t(run / 2) * 2 * width + offset + low] = key;
}

// As the reference computes it, in double precision and without fused operations.
__device__ __forceinline__ double less_of(double a, double b) { return b < a ? b : a; }
__device__ __forceinline__ double greater_of(double a, double b) { return a < b ? b : a; }

__device__ __forceinline__ Box read_box(const SuppressParams& p, int64_t at) {
  double v[4];
  for (int i = 0; i < 4; ++i) v[i] = load_plain<double>(p.boxes, p.box_type, at * 4 + i);
  if (p.center) {
    const double h = v[3] * 0.5, w = v[2] * 0.5;
    return {{__dsub_rn(v[1], h), __dsub_rn(v[0], w), __dadd_rn(v[1], h), __dadd_rn(v[0], w)}};
  }
  return {{less_of(v[0], v[2]), less_of(v[1], v[3]), greater_of(v[0], v[2]), greater_of(v[1], v[3])}};
}
__device__ __forceinline__ double area_of(const Box& b) {
  return __dmul_rn(__dsub_rn(b.corner[2], b.corner[0]), __dsub_rn(b.corner[3], b.corner[1]));
}

__device__ __noinline__ bool exactly_overlap(const SuppressParams& p, int64_t first, int64_t second, double overlap) {
  const Box a = read_box(p, first), b = read_box(p, second);
  const double h = __dsub_rn(less_of(a.corner[2], b.corner[2]), greater_of(a.corner[0], b.corner[0]));
  const double w = __dsub_rn(less_of(a.corner[3], b.corner[3]), greater_of(a.corner[1], b.corner[1]));
  double ratio = 0;
  if (h > 0 && w > 0) {
    const double both = __dsub_rn(__dadd_rn(area_of(a), area_of(b)), __dmul_rn(h, w));
    if (both > 0) ratio = __ddiv_rn(__dmul_rn(h, w), both);
  }
  return ratio > overlap;
}

__device__ __forceinline__ Outline outline_of(const Box& b) {
  Outline o;
  o.corner = {float(b.corner[0]), float(b.corner[1]), float(b.corner[2]), float(b.corner[3])};
  o.area = float(area_of(b));
  o.slack = 1.2e-7f * (fabsf(o.corner.x) + fabsf(o.corner.y) + fabsf(o.corner.z) + fabsf(o.corner.w));
  return o;
}

enum class Verdict : int { kNo, kYes, kUnsure };

/// Whether the intersection of two boxes is more than `overlap` times their union, unless rounding may decide.
__device__ __forceinline__ Verdict overlaps(const Outline& a, const Outline& b, float overlap) {
  constexpr float kMargin = 4e-6f;
  const float slack = a.slack + b.slack;
  const float h = fminf(a.corner.z, b.corner.z) - fmaxf(a.corner.x, b.corner.x);
  const float w = fminf(a.corner.w, b.corner.w) - fmaxf(a.corner.y, b.corner.y);
  if (h + slack < 0 || w + slack < 0) return Verdict::kNo;
  const float areas = a.area + b.area;
  if (!(areas > 1e-20f && areas < 1e30f)) return Verdict::kUnsure;
  const float needed = overlap * areas;  // of the intersection times 1 + overlap
  if ((h + slack) * (w + slack) * (1 + overlap) < needed * (1 - kMargin)) return Verdict::kNo;
  if (h > slack && w > slack && (h - slack) * (w - slack) * (1 + overlap) > needed * (1 + kMargin))
    return Verdict::kYes;
  return Verdict::kUnsure;
}

/// What the threads of a block share while they go through a row's candidates.
struct Tile {
  Outline box[kTile];
  int index[kTile];
  uint32_t mask[kTile][kWords];  ///< candidates behind each that it suppresses
  uint32_t alive[kWords];
  int order[kTile];
  int taken;
};

/// Lists those of a tile that are taken, best first, at most `most`. By one warp.
__device__ __forceinline__ void resolve(Tile& t, int most) {
  const int lane = threadIdx.x;
  uint32_t live = lane < kWords ? t.alive[lane] : 0;
  int taken = 0;
  for (int word = 0; word < kWords && taken < most; ++word) {
    uint32_t open = __shfl_sync(0xffffffffu, live, word);
    while (open && taken < most) {
      const int bit = __ffs(int(open)) - 1, i = word * 32 + bit;
      if (lane == 0) t.order[taken] = i;
      ++taken;
      if (lane >= word && lane < kWords) live &= ~t.mask[i][lane];
      open = __shfl_sync(0xffffffffu, live, word) & ~((2u << bit) - 1);
    }
  }
  if (lane == 0) t.taken = taken;
}

/// A row a block: each tile of candidates is held against the boxes taken so far, then against itself.
__global__ void __launch_bounds__(kThreads)
    suppress_rows(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s, int from) {
  __shared__ Tile t;
  begin();
  finish_early();
  const int row = blockIdx.x, length = s.lengths[from][row];
  const int64_t image = int64_t(p.classes.divide(uint32_t(row))) * p.count;
  const uint64_t* keys = s.keys[from] + int64_t(row) * p.count;
  float4* const corners = s.corners + int64_t(row) * p.room;
  float2* const sizes = s.sizes + int64_t(row) * p.room;
  int* const indices = s.taken + int64_t(row) * p.room;
  const double overlap = read(p.overlap);
  const float rounded = overlap > 0 && overlap < 1e-10 ? nanf("") : float(overlap);
  const double wanted = read(p.most);
  const int most = wanted >= p.room ? p.room : wanted > 0 ? int(ceil(wanted)) : 0;
  const int j = int(threadIdx.x) % kTile, part = int(threadIdx.x) / kTile, lane = int(threadIdx.x) % 32;
  const auto suppresses = [&](const Outline& a, int index_a, int behind) {
    const Verdict v = overlaps(a, t.box[behind], rounded);
    return v == Verdict::kUnsure ? exactly_overlap(p, image + index_a, image + t.index[behind], overlap)
                                 : v == Verdict::kYes;
  };
  int taken = 0;
  for (int first = 0; first < length && taken < most; first += kTile) {
    const int n = min(kTile, length - first);
    if (threadIdx.x < kTile) {
      t.index[j] = j < n ? int(uint32_t(keys[first + j])) : -1;
      if (j < n) t.box[j] = outline_of(read_box(p, image + t.index[j]));
    }
    if (threadIdx.x < kWords) t.alive[threadIdx.x] = 0;
    __syncthreads();
    bool dead = j >= n;
#pragma unroll 4
    for (int k = part; k < taken; k += kParts) {
      const float2 size = sizes[k];
      if (!dead && suppresses({corners[k], size.x, size.y}, indices[k], j)) dead = true;
      if (__all_sync(0xffffffffu, dead)) break;
    }
    // The parts of a candidate find out apart: `alive` begins as what any of them suppresses.
    const uint32_t bits = __ballot_sync(0xffffffffu, dead);
    if (lane == 0 && bits) atomicOr(&t.alive[j / 32], bits);
    __syncthreads();
    if (threadIdx.x < kWords) t.alive[threadIdx.x] = ~t.alive[threadIdx.x];
    __syncthreads();
    const int word = int(threadIdx.x) / 32 % kWords, behind = word * 32 + lane;
    const bool live = t.alive[word] >> lane & 1;
    for (int i = int(threadIdx.x) / kTile; i < (word + 1) * 32; i += kParts) {
      if (!(t.alive[i / 32] >> (i % 32) & 1)) continue;
      const bool hit = live && behind > i && suppresses(t.box[i], t.index[i], behind);
      const uint32_t hits = __ballot_sync(0xffffffffu, hit);
      if (lane == 0) t.mask[i][word] = hits;
    }
    __syncthreads();
    if (threadIdx.x < 32) resolve(t, most - taken);
    __syncthreads();
    const int more = t.taken;
    if (int(threadIdx.x) < more) {
      const int i = t.order[threadIdx.x], to = taken + int(threadIdx.x);
      corners[to] = t.box[i].corner;
      sizes[to] = {t.box[i].area, t.box[i].slack};
      indices[to] = t.index[i];
    }
    taken += more;
    __syncthreads();
  }
  if (threadIdx.x == 0) s.totals[row] = taken;
}

/// A row a block: its boxes behind those of the rows before it.
__global__ void __launch_bounds__(kWriteThreads)
    write_rows(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s) {
  __shared__ int64_t sums[kWriteThreads / 32];
  begin();
  finish_early();
  const int row = blockIdx.x;
  int64_t before = 0;
  for (int r = threadIdx.x; r < row; r += kWriteThreads) before += s.totals[r];
  for (int offset = 16; offset > 0; offset /= 2) before += __shfl_xor_sync(0xffffffffu, before, offset);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = before;
  __syncthreads();
  before = 0;
  for (int w = 0; w < kWriteThreads / 32; ++w) before += sums[w];
  const int own = s.totals[row];
  uint32_t image = uint32_t(row);
  const uint32_t c = p.classes.take(image);
  for (int j = threadIdx.x; j < own; j += kWriteThreads) {
    int64_t* const to = p.y + (before + j) * 3;
    to[0] = image;
    to[1] = c;
    to[2] = s.taken[int64_t(row) * p.room + j];
  }
  if (row != p.rows - 1 || threadIdx.x != 0) return;
  const double overlap = read(p.overlap);
  *p.found = overlap >= 0 && overlap <= 1 ? before + own : -1;
}

}  // namespace

int64_t suppress_space(const SuppressParams& p) {
  Scratch s;
  return lay_out(p, nullptr, s);
}

cudaError_t suppress(const SuppressParams& p, cudaStream_t stream) {
  Scratch s;
  lay_out(p, static_cast<char*>(p.space), s);
  int runs = int(runs_of(p)), from = 0;
  const auto rows = unsigned(p.rows);
  cudaError_t code = launch(sort_runs, dim3(rows, unsigned(runs)), kSortThreads, 0, stream, p, s);
  const dim3 all(rows, unsigned((p.count + kMergeThreads - 1) / kMergeThreads));
  for (int width = kRun; runs > 1 && code == cudaSuccess; width *= 2, runs = (runs + 1) / 2, from = 1 - from)
    code = launch(merge_runs, all, kMergeThreads, 0, stream, p, s, from, width, runs);
  if (code == cudaSuccess) code = launch(suppress_rows, rows, kThreads, 0, stream, p, s, from);
  return code == cudaSuccess ? launch(write_rows, rows, kWriteThreads, 0, stream, p, s) : code;
}

}  // namespace tenon::cuda
