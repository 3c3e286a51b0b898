#include <algorithm>

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/repack.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32;  // channels and inner positions that a block exchanges through shared memory

/// A place in a tile, in the order that the packed tensor has.
struct TilePlace {
  int channel, position;
};
__device__ TilePlace packed_order(const RepackParams& p, int e) {
  const int v = p.channels_last ? kTile : p.vector;
  return {e / (kTile * v) * v + e % v, e / v % kTile};
}

__device__ int64_t packed_at(const RepackParams& p, int64_t n, int64_t channel, int64_t position) {
  if (p.channels_last) return (n * p.inner + position) * p.padded + channel;
  const int64_t group = channel / p.vector;
  return ((n * (p.padded / p.vector) + group) * p.inner + position) * p.vector + channel % p.vector;
}

template <class T, bool kPack>
__global__ void __launch_bounds__(kThreads) repack_kernel(const __grid_constant__ RepackParams p) {
  __shared__ T tile[kTile][kTile + 1];
  begin();
  const int64_t across = (p.inner + kTile - 1) / kTile;
  const int64_t first_channel = blockIdx.x / across * kTile, first_position = blockIdx.x % across * kTile;
  const T* x = static_cast<const T*>(p.x);
  T* y = static_cast<T*>(p.y);
  for (int64_t n = blockIdx.y; n < p.outer; n += gridDim.y) {
    for (int e = int(threadIdx.x); e < kTile * kTile; e += kThreads) {
      const TilePlace at = kPack ? TilePlace{e / kTile, e % kTile} : packed_order(p, e);
      const int64_t channel = first_channel + at.channel, position = first_position + at.position;
      T value{};
      if (channel < p.channels && position < p.inner)
        value = x[kPack ? (n * p.channels + channel) * p.inner + position : packed_at(p, n, channel, position)];
      tile[at.channel][at.position] = value;
    }
    __syncthreads();
    for (int e = int(threadIdx.x); e < kTile * kTile; e += kThreads) {
      const TilePlace at = kPack ? packed_order(p, e) : TilePlace{e / kTile, e % kTile};
      const int64_t channel = first_channel + at.channel, position = first_position + at.position;
      if (channel >= (kPack ? p.padded : p.channels) || position >= p.inner) continue;
      y[kPack ? packed_at(p, n, channel, position) : (n * p.channels + channel) * p.inner + position] =
          tile[at.channel][at.position];
    }
    __syncthreads();
  }
}

template <bool kPack>
cudaError_t repack(const RepackParams& p, int bytes, cudaStream_t stream) {
  if (p.outer == 0 || p.padded == 0 || p.inner == 0) return cudaSuccess;
  const int64_t tiles = ((p.inner + kTile - 1) / kTile) * ((p.padded + kTile - 1) / kTile);
  if (tiles > INT32_MAX) return cudaErrorInvalidValue;
  const dim3 grid(unsigned(tiles), unsigned(std::min<int64_t>(p.outer, 65535)));
  return with_bytes(bytes, [&](auto element) {
    return launch(repack_kernel<decltype(element), kPack>, grid, kThreads, 0, stream, p);
  });
}

}  // namespace

cudaError_t pack(const RepackParams& p, int bytes, cudaStream_t stream) { return repack<true>(p, bytes, stream); }
cudaError_t unpack(const RepackParams& p, int bytes, cudaStream_t stream) { return repack<false>(p, bytes, stream); }

}  // namespace tenon::cuda
