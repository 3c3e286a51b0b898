#include "backends/cuda/device/suppress.h"

#include "backends/cuda/device/bitonic.h"
#include "backends/cuda/device/suppress_boxes.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kRun = 4096;  // keys that one block sorts
constexpr int kSortThreads = 256, kMergeThreads = 256, kWriteThreads = 256;
constexpr int kTile = 256;  // candidates that are held against the taken ones together
constexpr int kThreads = 1024, kParts = kThreads / kTile, kWords = kTile / 32;
// Few rows are gone through by the whole GPU, in segments of their candidates.
constexpr int kFewRows = 16;
constexpr int kSegment = 4096, kSegmentWords = kSegment / 32;
constexpr int kFront = 64;       // candidates that a block holds against those behind them
constexpr int kTakenParts = 32;  // blocks that share the boxes taken before

struct Scratch {
  uint64_t* keys[2];  ///< [rows, count]: runs of candidates, the best first, and those that they are merged from
  int* lengths[2];    ///< [rows, runs]
  float4* corners;    ///< [rows, room]: Outline of each box taken
  float2* sizes;
  int* taken;       ///< [rows, room]: their indices
  int* totals;      ///< [rows]
  uint32_t* dead;   ///< [rows, kSegmentWords]: candidates of the segment that a box taken before it suppresses
  uint32_t* masks;  ///< [rows, kSegment, kSegmentWords]: candidates behind each that it suppresses
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
  const int64_t segments = rows <= kFewRows ? rows : 0;
  place(s.dead, segments * kSegmentWords);
  place(s.masks, segments * kSegment * kSegmentWords);
  return at;
}

/// How many boxes a row takes at most.
__device__ __forceinline__ int most_of(const SuppressParams& p) {
  const double wanted = read(p.most);
  return wanted >= p.room ? p.room : wanted > 0 ? int(ceil(wanted)) : 0;
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
  if (p.rows > kFewRows || blockIdx.y != 0) return;
  if (threadIdx.x == 0) s.totals[blockIdx.x] = 0;
  if (threadIdx.x < kSegmentWords) s.dead[blockIdx.x * kSegmentWords + threadIdx.x] = 0;
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

/// What suppresses boxes of a row's image.
struct Judge {
  const SuppressParams& p;
  int64_t image;   ///< index of its first box
  double overlap;  ///< most that two boxes overlap
  float rounded;   ///< NaN where rounding could decide anything

  __device__ Judge(const SuppressParams& params, int row)
      : p(params), image(int64_t(params.classes.divide(uint32_t(row))) * params.count), overlap(read(params.overlap)) {
    rounded = overlap > 0 && overlap < 1e-10 ? nanf("") : float(overlap);
  }
  __device__ __forceinline__ Outline outline(int index) const { return outline_of(read_box(p, image + index)); }
  /// Whether box `a`, which is taken, suppresses `b`. Indices are of the same boxes.
  __device__ __forceinline__ bool operator()(const Outline& a, int index_a, const Outline& b, int index_b) const {
    const Verdict v = overlaps(a, b, rounded);
    return v == Verdict::kUnsure ? exactly_overlap(p, image + index_a, image + index_b, overlap) : v == Verdict::kYes;
  }
};

/// Boxes that a row has taken, the best first.
struct Taken {
  float4* corners;
  float2* sizes;
  int* indices;
  __device__ Taken(const SuppressParams& p, const Scratch& s, int row)
      : corners(s.corners + int64_t(row) * p.room),
        sizes(s.sizes + int64_t(row) * p.room),
        indices(s.taken + int64_t(row) * p.room) {}
  __device__ __forceinline__ Outline outline(int k) const {
    const float2 size = sizes[k];
    return {corners[k], size.x, size.y};
  }
  __device__ __forceinline__ void put(int k, const Outline& o, int index) const {
    corners[k] = o.corner;
    sizes[k] = {o.area, o.slack};
    indices[k] = index;
  }
};

/// Candidates that a block decides on together.
struct Tile {
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
  __shared__ Outline box[kTile];
  __shared__ int index[kTile];
  begin();
  finish_early();
  const int row = blockIdx.x, length = s.lengths[from][row], most = most_of(p);
  const uint64_t* keys = s.keys[from] + int64_t(row) * p.count;
  const Judge suppresses(p, row);
  const Taken before(p, s, row);
  const int j = int(threadIdx.x) % kTile, part = int(threadIdx.x) / kTile, lane = int(threadIdx.x) % 32;
  int taken = 0;
  for (int first = 0; first < length && taken < most; first += kTile) {
    const int n = min(kTile, length - first);
    if (int(threadIdx.x) < n) {
      index[j] = int(uint32_t(keys[first + j]));
      box[j] = suppresses.outline(index[j]);
    }
    if (threadIdx.x < kWords) t.alive[threadIdx.x] = 0;
    __syncthreads();
    bool dead = j >= n;
#pragma unroll 4
    for (int k = part; k < taken; k += kParts) {
      if (!dead && suppresses(before.outline(k), before.indices[k], box[j], index[j])) dead = true;
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
    for (int i = part; i < (word + 1) * 32; i += kParts) {
      if (!(t.alive[i / 32] >> (i % 32) & 1)) continue;
      const bool hit = live && behind > i && suppresses(box[i], index[i], box[behind], index[behind]);
      const uint32_t hits = __ballot_sync(0xffffffffu, hit);
      if (lane == 0) t.mask[i][word] = hits;
    }
    __syncthreads();
    if (threadIdx.x < 32) resolve(t, most - taken);
    __syncthreads();
    const int more = t.taken;
    if (int(threadIdx.x) < more) {
      const int i = t.order[threadIdx.x];
      before.put(taken + int(threadIdx.x), box[i], index[i]);
    }
    taken += more;
    __syncthreads();
  }
  if (threadIdx.x == 0) s.totals[row] = taken;
}

/// Holds a segment of a row's candidates from `first` on, kTile a block, against a part of the boxes taken before it,
/// or against kFront of themselves.
__global__ void __launch_bounds__(kTile)
    compare_segment(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s, int from, int first) {
  __shared__ Outline front[kFront];
  __shared__ int front_index[kFront];
  begin();
  finish_early();
  const int row = blockIdx.x, n = min(kSegment, s.lengths[from][row] - first), taken = s.totals[row];
  const int j = int(blockIdx.y * kTile + threadIdx.x), lane = int(threadIdx.x) % 32;
  if (int(blockIdx.y) * kTile >= n || taken >= most_of(p)) return;
  const uint64_t* keys = s.keys[from] + int64_t(row) * p.count + first;
  const Judge suppresses(p, row);
  Outline box{};
  int index = -1;
  if (j < n) {
    index = int(uint32_t(keys[j]));
    box = suppresses.outline(index);
  }
  if (blockIdx.z < kTakenParts) {
    const Taken before(p, s, row);
    const int share = (taken + kTakenParts - 1) / kTakenParts, start = int(blockIdx.z) * share;
    bool dead = j >= n;
#pragma unroll 4
    for (int k = start; k < min(start + share, taken); ++k) {
      if (!dead && suppresses(before.outline(k), before.indices[k], box, index)) dead = true;
      if (__all_sync(0xffffffffu, dead)) break;
    }
    const uint32_t bits = __ballot_sync(0xffffffffu, dead);
    if (lane == 0 && bits) atomicOr(&s.dead[row * kSegmentWords + j / 32], bits);
    return;
  }
  const int start = (int(blockIdx.z) - kTakenParts) * kFront, fronts = min(kFront, n - start);
  if (fronts <= 0 || start >= int(blockIdx.y + 1) * kTile) return;
  if (int(threadIdx.x) < fronts) {
    front_index[threadIdx.x] = int(uint32_t(keys[start + int(threadIdx.x)]));
    front[threadIdx.x] = suppresses.outline(front_index[threadIdx.x]);
  }
  __syncthreads();
  uint32_t* const masks = s.masks + (int64_t(row) * kSegment + start) * kSegmentWords + j / 32;
  for (int i = 0; i < fronts; ++i) {
    const bool hit = j < n && j > start + i && suppresses(front[i], front_index[i], box, index);
    const uint32_t hits = __ballot_sync(0xffffffffu, hit);
    if (lane == 0) masks[int64_t(i) * kSegmentWords] = hits;
  }
}

/// A row a block: takes boxes of the segment, tile by tile.
__global__ void __launch_bounds__(kThreads)
    resolve_segment(const __grid_constant__ SuppressParams p, const __grid_constant__ Scratch s, int from, int first) {
  __shared__ Tile t;
  __shared__ uint32_t live[kSegmentWords];
  begin();
  finish_early();
  const int row = blockIdx.x, n = min(kSegment, s.lengths[from][row] - first), most = most_of(p);
  int taken = s.totals[row];
  if (n <= 0 || taken >= most) return;
  const int words = (n + 31) / 32, thread = int(threadIdx.x);
  const uint64_t* keys = s.keys[from] + int64_t(row) * p.count + first;
  const uint32_t* masks = s.masks + int64_t(row) * kSegment * kSegmentWords;
  const Judge suppresses(p, row);
  const Taken before(p, s, row);
  if (thread < kSegmentWords) {
    uint32_t* const dead = s.dead + row * kSegmentWords + thread;
    const uint32_t exist = thread < n / 32 ? ~0u : thread == n / 32 ? (1u << n % 32) - 1 : 0;
    live[thread] = exist & ~*dead;
    *dead = 0;
  }
  __syncthreads();
  for (int start = 0; start < n && taken < most; start += kTile) {
    const int word0 = start / 32;
    if (thread < kWords) t.alive[thread] = live[word0 + thread];
    for (int e = thread; e < kTile * kWords; e += kThreads) {
      const int i = e / kWords, word = e % kWords;
      const bool exists = start + i < n && word0 + word < words && word >= i / 32;
      t.mask[i][word] = exists ? masks[int64_t(start + i) * kSegmentWords + word0 + word] : 0;
    }
    __syncthreads();
    if (thread < 32) resolve(t, most - taken);
    __syncthreads();
    const int more = t.taken;
    if (thread < more) {
      const int index = int(uint32_t(keys[start + t.order[thread]]));
      before.put(taken + thread, suppresses.outline(index), index);
    }
    const int word = thread % kSegmentWords;
    if (word >= word0 + kWords && word < words) {
      uint32_t hits = 0;
      for (int k = thread / kSegmentWords; k < more; k += kThreads / kSegmentWords)
        hits |= masks[int64_t(start + t.order[k]) * kSegmentWords + word];
      if (hits) atomicAnd(&live[word], ~hits);
    }
    taken += more;
    __syncthreads();
  }
  if (thread == 0) s.totals[row] = taken;
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
  if (p.rows > kFewRows) {
    if (code == cudaSuccess) code = launch(suppress_rows, rows, kThreads, 0, stream, p, s, from);
  } else {
    const dim3 blocks(rows, kSegment / kTile, kTakenParts + kSegment / kFront);
    for (int first = 0; first < p.count && code == cudaSuccess; first += kSegment) {
      code = launch(compare_segment, blocks, kTile, 0, stream, p, s, from, first);
      if (code == cudaSuccess) code = launch(resolve_segment, rows, kThreads, 0, stream, p, s, from, first);
    }
  }
  return code == cudaSuccess ? launch(write_rows, rows, kWriteThreads, 0, stream, p, s) : code;
}

}  // namespace tenon::cuda
