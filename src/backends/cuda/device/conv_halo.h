// Convolutions of stride 1 on Hopper (compute capability 9.0 alone), f16 and bf16, channels last, that copy the pixels
// of a tile and its surroundings once and read every tap of the window in place.
#pragma once
#include <cuda_runtime_api.h>

#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// Places of a tile in shared memory, from which its kernel is chosen.
inline constexpr int kHaloPlaces[] = {136, 208, 232};
inline constexpr int kHaloCount = int(sizeof kHaloPlaces / sizeof *kHaloPlaces);
/// Channels of a step and of a tile's result.
inline constexpr int kHaloChannels = 64;

/// Channels and pitches are multiples of 8, addresses of 16 bytes. Weights have a row of
/// `w_pitch` for each channel of the result, in which k runs through the taps and then the channels.
struct HaloArgs {
  const void* x = nullptr;
  const void* w = nullptr;
  void* y = nullptr;
  int64_t x_pitch = 0, w_pitch = 0, y_pitch = 0;
  int images = 0, c = 0, columns = 0;
  int in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  Epilogue epilogue;
};

/// A tile's lines and the pixels of each, and how many tiles there are.
struct HaloTile {
  int lines = 0, pixels = 0, count = 0;
};
/// The tile that wastes least of so many places, or one without lines where none fits.
HaloTile halo_tile(const HaloArgs& a, int places);
/// The epilogue is one that turned_does(). `places` is one of kHaloPlaces for which there is a tile. `blocks` are how
/// many the GPU runs at a time.
cudaError_t conv_halo(const HaloArgs& a, Elem type, int places, int blocks, cudaStream_t stream);

}  // namespace tenon::cuda
