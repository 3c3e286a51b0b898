#include "backends/cuda/device/copy.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

struct Batch {
  CopySegment segments[kCopySegments];
};

/// One segment a row of blocks; a block copies kItems x kThreads neighbouring elements.
template <class T, int kItems>
__global__ void __launch_bounds__(kThreads) copy_kernel(const __grid_constant__ Batch batch) {
  begin();
  finish_early();
  const CopySegment& s = batch.segments[blockIdx.y];
  const uint32_t first = blockIdx.x * (kThreads * kItems) + threadIdx.x;
  if (first >= s.count) return;
  const T* from = static_cast<const T*>(s.from);
  T* to = static_cast<T*>(s.to);
  T values[kItems];
  int64_t at[kItems];
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    uint32_t i = first + k * kThreads;
    if (i >= s.count) break;
    int64_t from_at = 0, to_at = 0;
    for (int d = 0; d + 1 < s.extents.rank; ++d) {
      const uint32_t r = s.extents.size[d].take(i);
      from_at += int64_t(r) * s.from_strides.of[d];
      to_at += int64_t(r) * s.to_strides.of[d];
    }
    const int last = s.extents.rank - 1;
    values[k] = from[from_at + int64_t(i) * s.from_strides.of[last]];
    at[k] = to_at + int64_t(i) * s.to_strides.of[last];
  }
#pragma unroll
  for (int k = 0; k < kItems; ++k)
    if (first + k * kThreads < s.count) to[at[k]] = values[k];
}

template <class T>
cudaError_t copy_as(const Batch& batch, int count, uint32_t most, cudaStream_t stream) {
  constexpr uint32_t kFewBlocks = 1024;
  if (most > kFewBlocks * kThreads)
    return launch(copy_kernel<T, 4>, dim3((most + 4 * kThreads - 1) / (4 * kThreads), unsigned(count)), kThreads, 0,
                  stream, batch);
  return launch(copy_kernel<T, 1>, dim3((most + kThreads - 1) / kThreads, unsigned(count)), kThreads, 0, stream, batch);
}

/// Tiles of kSide x kSide elements pass through shared memory; each side is walked along its contiguous axis.
template <class T, int kSide>
__global__ void __launch_bounds__(kThreads)
    transpose_tiles(const __grid_constant__ TransposeParams p, Divisor row_tiles, Divisor column_tiles) {
  constexpr int kLines = kThreads / kSide;
  __shared__ T tile[kSide][kSide + 4 / (sizeof(T) < 4 ? sizeof(T) : 4)];
  begin();
  finish_early();
  uint32_t rest = blockIdx.x;
  const int c0 = int(column_tiles.take(rest)) * kSide, r0 = int(row_tiles.take(rest)) * kSide;
  const T* from = static_cast<const T*>(p.from) + place(p.extents, p.from_strides, rest);
  T* to = static_cast<T*>(p.to) + place(p.extents, p.to_strides, rest);
  const int lane = threadIdx.x % kSide, line = threadIdx.x / kSide;
#pragma unroll 8
  for (int r = line; r < kSide; r += kLines)
    if (r0 + r < p.rows && c0 + lane < p.columns) tile[r][lane] = from[(r0 + r) * p.from_row + c0 + lane];
  __syncthreads();
#pragma unroll 8
  for (int c = line; c < kSide; c += kLines)
    if (c0 + c < p.columns && r0 + lane < p.rows) to[(c0 + c) * p.to_column + r0 + lane] = tile[lane][c];
}

/// As transpose_tiles for 2-byte elements in pairs: even numbers of rows and columns, addresses aligned to 4 bytes.
__global__ void __launch_bounds__(kThreads)
    transpose_pairs(const __grid_constant__ TransposeParams p, Divisor row_tiles, Divisor column_tiles) {
  constexpr int kSide = 64, kLines = kThreads / 32;
  __shared__ uint32_t tile[kSide][kSide / 2 + 1];  // a word holds columns 2 i and 2 i + 1
  begin();
  finish_early();
  uint32_t rest = blockIdx.x;
  const int c0 = int(column_tiles.take(rest)) * kSide, r0 = int(row_tiles.take(rest)) * kSide;
  const uint16_t* from = static_cast<const uint16_t*>(p.from) + place(p.extents, p.from_strides, rest);
  uint16_t* to = static_cast<uint16_t*>(p.to) + place(p.extents, p.to_strides, rest);
  const int lane = threadIdx.x % 32, line = threadIdx.x / 32;
#pragma unroll
  for (int r = line; r < kSide; r += kLines)
    if (r0 + r < p.rows && c0 + 2 * lane < p.columns)
      tile[r][lane] = *reinterpret_cast<const uint32_t*>(from + (r0 + r) * p.from_row + c0 + 2 * lane);
  __syncthreads();
  if (r0 + 2 * lane >= p.rows) return;
#pragma unroll
  for (int c = 2 * line; c < kSide; c += 2 * kLines) {
    if (c0 + c >= p.columns) break;
    const uint32_t a = tile[2 * lane][c / 2], b = tile[2 * lane + 1][c / 2];
    uint16_t* at = to + (c0 + c) * p.to_column + r0 + 2 * lane;
    *reinterpret_cast<uint32_t*>(at) = (a & 0xffffu) | b << 16;
    *reinterpret_cast<uint32_t*>(at + p.to_column) = a >> 16 | (b & 0xffff0000u);
  }
}

constexpr int kSlab = 2048;  // elements of a slab

/// As transpose_tiles where one side is short: slabs of `slab_rows` x `slab_columns` elements, at most kSlab.
template <class T>
__global__ void __launch_bounds__(kThreads)
    transpose_slabs(const __grid_constant__ TransposeParams p, Divisor row_slabs, Divisor column_slabs,
                    Divisor slab_rows, Divisor slab_columns) {
  __shared__ T slab[kSlab + kSlab / 2];
  begin();
  finish_early();
  uint32_t rest = blockIdx.x;
  const int c0 = int(column_slabs.take(rest) * slab_columns.value), r0 = int(row_slabs.take(rest) * slab_rows.value);
  const T* from = static_cast<const T*>(p.from) + place(p.extents, p.from_strides, rest);
  T* to = static_cast<T*>(p.to) + place(p.extents, p.to_strides, rest);
  const uint32_t size = slab_rows.value * slab_columns.value, pitch = slab_columns.value | 1;
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < size; i += kThreads) {
    uint32_t r = i;
    const uint32_t c = slab_columns.take(r);
    if (r0 + int(r) < p.rows && c0 + int(c) < p.columns) slab[r * pitch + c] = from[(r0 + r) * p.from_row + c0 + c];
  }
  __syncthreads();
#pragma unroll 4
  for (uint32_t i = threadIdx.x; i < size; i += kThreads) {
    uint32_t c = i;
    const uint32_t r = slab_rows.take(c);
    if (r0 + int(r) < p.rows && c0 + int(c) < p.columns) to[(c0 + c) * p.to_column + r0 + r] = slab[r * pitch + c];
  }
}

/// Few rows: a thread reads 16 bytes of each of kRows rows, and writes them as neighbours. Or kBack: the other way
/// round, the rows being `to_column` apart.
template <class T, int kRows, bool kBack>
__global__ void __launch_bounds__(kThreads)
    transpose_few(const __grid_constant__ TransposeParams p, uint32_t count, Divisor pieces) {
  constexpr int kN = int(16 / sizeof(T));
  begin();
  finish_early();
  uint32_t rest = blockIdx.x * blockDim.x + threadIdx.x;
  if (rest >= count) return;
  const int64_t at = int64_t(pieces.take(rest)) * kN;
  const T* from = static_cast<const T*>(p.from) + place(p.extents, p.from_strides, rest) + at * (kBack ? kRows : 1);
  T* to = static_cast<T*>(p.to) + place(p.extents, p.to_strides, rest) + at * (kBack ? 1 : kRows);
  Pack<T, kN> in[kRows], out[kRows];
#pragma unroll
  for (int k = 0; k < kRows; ++k)
    in[k] = *reinterpret_cast<const Pack<T, kN>*>(from + (kBack ? int64_t(k) * kN : k * p.from_row));
#pragma unroll
  for (int k = 0; k < kRows; ++k)
#pragma unroll
    for (int j = 0; j < kN; ++j) {
      const int mixed = j * kRows + k;  // element j of row k among the neighbours
      if (kBack)
        out[k].v[j] = in[mixed / kN].v[mixed % kN];
      else
        out[mixed / kN].v[mixed % kN] = in[k].v[j];
    }
#pragma unroll
  for (int k = 0; k < kRows; ++k)
    *reinterpret_cast<Pack<T, kN>*>(to + (kBack ? k * p.to_column : int64_t(k) * kN)) = out[k];
}

int64_t tiles_of(int n, int side) { return (n + side - 1) / side; }

template <class T, int kSide>
cudaError_t transpose_as(const TransposeParams& p, cudaStream_t stream) {
  constexpr int kShort = 12;
  if (p.rows > kShort && p.columns > kShort) {
    const int64_t rows = tiles_of(p.rows, kSide), columns = tiles_of(p.columns, kSide),
                  tiles = rows * columns * p.outer;
    if (tiles > kMaxElements) return cudaErrorInvalidValue;
    return launch(transpose_tiles<T, kSide>, dim3(unsigned(tiles)), kThreads, 0, stream, p, Divisor(rows),
                  Divisor(columns));
  }
  const int elements = int64_t(p.rows) * p.columns * p.outer < (1 << 20) ? kSlab / 4 : kSlab;
  const int short_side = p.rows <= p.columns ? p.rows : p.columns, other = p.rows <= p.columns ? p.columns : p.rows;
  const int long_side = other < elements / short_side ? other : elements / short_side;
  const int r = p.rows <= p.columns ? short_side : long_side, c = p.rows <= p.columns ? long_side : short_side;
  const int64_t rows = tiles_of(p.rows, r), columns = tiles_of(p.columns, c), slabs = rows * columns * p.outer;
  if (slabs > kMaxElements) return cudaErrorInvalidValue;
  return launch(transpose_slabs<T>, dim3(unsigned(slabs)), kThreads, 0, stream, p, Divisor(rows), Divisor(columns),
                Divisor(r), Divisor(c));
}

/// Whether addresses and the strides of outer axes keep multiples of `bytes`.
bool keeps(const TransposeParams& p, int element, int bytes) {
  uint64_t all = reinterpret_cast<uintptr_t>(p.from) | reinterpret_cast<uintptr_t>(p.to);
  for (int d = 0; d < p.extents.rank; ++d)
    all |= uint64_t(p.from_strides.of[d] * element) | uint64_t(p.to_strides.of[d] * element);
  return all % unsigned(bytes) == 0;
}
bool in_pairs(const TransposeParams& p) {
  return (p.rows | p.columns | p.from_row | p.to_column) % 2 == 0 && keeps(p, 2, 4);
}

template <class T, int kRows>
cudaError_t launch_few(const TransposeParams& p, bool back, cudaStream_t stream) {
  const int64_t pieces = (back ? p.rows : p.columns) / int(16 / sizeof(T)), count = pieces * p.outer;
  const unsigned threads = count < 64 * 1024 ? 64 : 256;
  const dim3 blocks(unsigned((count + threads - 1) / threads));
  if (back)
    return launch(transpose_few<T, kRows, true>, blocks, threads, 0, stream, p, uint32_t(count), Divisor(pieces));
  return launch(transpose_few<T, kRows, false>, blocks, threads, 0, stream, p, uint32_t(count), Divisor(pieces));
}
/// The launch of transpose_few if it fits the problem.
template <class T>
bool try_few(const TransposeParams& p, cudaStream_t stream, cudaError_t& code) {
  constexpr int kN = int(16 / sizeof(T));
  const bool back = p.columns <= 4;
  const int few = back ? p.columns : p.rows, many = back ? p.rows : p.columns;
  const int64_t pitch = back ? p.to_column : p.from_row, dense = back ? p.from_row : p.to_column;
  if (few < 2 || few > 4 || many % kN || pitch % kN || dense != few || !keeps(p, int(sizeof(T)), 16)) return false;
  code = few == 2   ? launch_few<T, 2>(p, back, stream)
         : few == 3 ? launch_few<T, 3>(p, back, stream)
                    : launch_few<T, 4>(p, back, stream);
  return true;
}

}  // namespace

cudaError_t copy_strided(const CopySegment* segments, int count, int bytes, cudaStream_t stream) {
  Batch batch;
  uint32_t most = 0;
  for (int i = 0; i < count; ++i) {
    batch.segments[i] = segments[i];
    most = most > segments[i].count ? most : segments[i].count;
  }
  if (most == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) { return copy_as<decltype(element)>(batch, count, most, stream); });
}

cudaError_t transpose(const TransposeParams& p, int bytes, cudaStream_t stream) {
  if (bytes == 2 && p.rows >= 32 && p.columns >= 32 && in_pairs(p)) {
    const int64_t rows = tiles_of(p.rows, 64), columns = tiles_of(p.columns, 64), tiles = rows * columns * p.outer;
    if (tiles > kMaxElements) return cudaErrorInvalidValue;
    return launch(transpose_pairs, dim3(unsigned(tiles)), kThreads, 0, stream, p, Divisor(rows), Divisor(columns));
  }
  return with_bytes(bytes, [&](auto element) {
    using T = decltype(element);
    if constexpr (sizeof(T) <= 4) {
      cudaError_t code = cudaSuccess;
      if (try_few<T>(p, stream, code)) return code;
    }
    constexpr int kSide = sizeof(T) <= 2 ? 64 : 32;
    return transpose_as<T, kSide>(p, stream);
  });
}

}  // namespace tenon::cuda
