// Products of long, narrow matrices on tensor cores, f16 and bf16: convolutions without a window of few channels, which
// memory binds.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Of 16 and of 32 rows a warp.
inline constexpr int kThinMaxDepth = 256, kThinMaxDepth32 = 96;
inline constexpr int64_t kThinMaxShared = 96 << 10;

/// y[rows, columns] = epilogue(x[rows, depth] w), or epilogue((x scale) w). Depth and columns are multiples of 8, as
/// are pitches. w: [columns / 32][chunk][4][lane] of the elements of k that a lane has in a chunk, thin_lane(depth):
/// lane l of fragment n holds column thin_column(n, l) at k from chunk * 4 * thin_lane(depth) + l % 4 *
/// thin_lane(depth) on. Zeros where there is no such column or k.
struct ThinArgs {
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  int rows = 0, depth = 0, columns = 0;
  int64_t x_pitch = 0, y_pitch = 0;
  bool vectors = false;  ///< 16-byte accesses to x and y are aligned
  /// If not null, [images][depth] factors of x, which has `pixels` rows an image; aligned to 16 bytes, for 16 rows a
  /// warp only.
  const void* scale = nullptr;
  Divisor pixels;
  Epilogue epilogue;
};

constexpr int thin_lane(int depth) { return depth <= 16 ? 4 : 8; }
constexpr int thin_chunks(int depth) {
  const int chunks = (depth + 4 * thin_lane(depth) - 1) / (4 * thin_lane(depth));
  return chunks == 7 ? 8 : chunks;
}
/// Of 32.
constexpr int thin_column(int n, int lane) { return lane / 8 * 8 + n * 2 + lane / 4 % 2; }
constexpr int64_t thin_weight_bytes(int depth, int columns) {
  return int64_t((columns + 31) / 32) * thin_chunks(depth) * 4 * 32 * thin_lane(depth) * 2;
}
/// `tile` is 16 or 32 rows a warp at a time.
cudaError_t conv_thin(const ThinArgs& a, Elem type, int tile, int multiprocessors, cudaStream_t stream);

}  // namespace tenon::cuda
