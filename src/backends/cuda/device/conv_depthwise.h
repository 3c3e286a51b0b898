// Channels-last convolution of each channel with a square window of its own.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Channels that the packed weights have room for: a multiple of this.
inline constexpr int kDepthwiseChannels = 8;

struct DepthwiseArgs {
  const void* x;
  const void* w;  ///< [kernel * kernel][channels rounded up to kDepthwiseChannels], of x's type
  void* y;
  float* sums;  ///< if not null, receives f32 sums with the bias instead of y, pitch `channels`
  int channels, weights_pitch;
  int batch, in_h, in_w, out_h, out_w, pad_h, pad_w;
  int64_t x_pitch, y_pitch;  ///< elements between pixels
  Epilogue epilogue;
  /// If not null, conv_depthwise_tiled() also adds up the results of each tile: [image][tile][channels]. Only after
  /// SiLU.
  float* tile_sums = nullptr;
};

/// Channels and neighbouring results of a row that a thread of conv_depthwise() does.
inline constexpr int kDepthwiseVector = 4, kDepthwiseColumns = 2;

/// Windows of 3 or 5 and strides of 1 or 2 have kernels.
constexpr bool depthwise_has(int64_t kernel, int64_t stride) {
  return (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
}
/// A thread does `rows` results of a column, one after the other. Operands may have any alignment; kDepthwiseVector
/// channels at a time are faster.
cudaError_t conv_depthwise(const DepthwiseArgs& a, Elem type, int kernel, int stride, int rows, cudaStream_t stream);

/// How conv_depthwise_tiled() divides its work.
struct DepthwiseTiling {
  int channels;       ///< of a block: 32, 48 or 64
  int rows, columns;  ///< results of a tile
  int strips;         ///< that a tile's rows are divided into
};
inline constexpr int kDepthwiseThreads = 256;
/// Neighbouring results of a row that a thread does.
inline constexpr int kDepthwiseWidth = 4;
/// Blocks of kDepthwiseThreads that a multiprocessor has registers for.
constexpr int depthwise_tile_blocks(int kernel) { return kernel == 3 ? 3 : 2; }

/// Threads of a block; at most kDepthwiseThreads are possible.
constexpr int depthwise_tile_threads(const DepthwiseTiling& t) {
  return t.channels / 2 * ((t.columns + kDepthwiseWidth - 1) / kDepthwiseWidth) * t.strips;
}
/// Bytes of shared memory that a tile takes.
constexpr int64_t depthwise_tile_bytes(int kernel, int stride, const DepthwiseTiling& t) {
  const int pitch = t.channels == 32 ? 40 : t.channels,
            across = (t.columns + kDepthwiseWidth - 1) / kDepthwiseWidth * kDepthwiseWidth;
  const int64_t strip = (t.rows + t.strips - 1) / t.strips, rows = (strip * t.strips - 1) * stride + kernel,
                columns = (t.columns - 1) * stride + kernel;
  // Threads read beyond the last pixel where columns are not a multiple of their width, nor rows of the strips.
  const int64_t pixels = rows * columns + (across - t.columns) * stride;
  return (pixels * pitch * 2 + 127) / 128 * 128;
}
/// Whether nothing follows the sums but, perhaps, limits.
constexpr bool depthwise_clips(const Epilogue& e) {
  return e.join == Join::kNone && (e.act == Act::kNone || e.act == Act::kRelu || e.act == Act::kClip);
}
/// Whether more follows the sums than the tiled kernels are made for: blocks then have kDepthwiseAnyChannels channels.
constexpr bool depthwise_any(const Epilogue& e) {
  return !depthwise_clips(e) && !(e.join == Join::kNone && e.act == Act::kSilu);
}
inline constexpr int kDepthwiseAnyChannels = 32;

/// Tiles of an image.
constexpr int depthwise_tiles(const DepthwiseTiling& t, int64_t out_h, int64_t out_w) {
  return int((out_h + t.rows - 1) / t.rows * ((out_w + t.columns - 1) / t.columns));
}
/// There are at most 65535 tiles. Channels and pitches are multiples of 8, x is aligned to 16 bytes and y to 4. The
/// bias was written before any kernel ran.
cudaError_t conv_depthwise_tiled_f16(const DepthwiseArgs& a, int kernel, int stride, const DepthwiseTiling& tile,
                                     cudaStream_t stream);
cudaError_t conv_depthwise_tiled_bf16(const DepthwiseArgs& a, int kernel, int stride, const DepthwiseTiling& tile,
                                      cudaStream_t stream);

}  // namespace tenon::cuda
