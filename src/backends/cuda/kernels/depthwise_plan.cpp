#include "backends/cuda/kernels/depthwise_plan.h"

#include "backends/cuda/elem.h"

namespace tenon::cuda {
namespace {

/// Weights [c, 1, k, k] as [k * k][channels rounded up].
template <class T>
std::vector<std::byte> pack_weights(const ir::Tensor& w, int64_t pitch) {
  const int64_t c = w.dims()[0], taps = w.count() / c;
  std::vector<std::byte> bytes(size_t(taps * pitch) * sizeof(T));
  T* to = reinterpret_cast<T*>(bytes.data());
  const T* from = w.as<T>();
  for (int64_t i = 0; i < c; ++i)
    for (int64_t k = 0; k < taps; ++k) to[k * pitch + i] = from[i * taps + k];
  return bytes;
}

constexpr int kWidestTile = 16;

}  // namespace

DepthwiseArgs depthwise_args(const Problem& p, const ConvShape& s, Elem type, std::shared_ptr<const void>& weights) {
  const int64_t pitch = (s.c + kDepthwiseChannels - 1) / kDepthwiseChannels * kDepthwiseChannels;
  weights = packed_constant(p, 1, "depthwise", [&](const ir::Tensor& w) {
    return type == Elem::kF32 ? pack_weights<uint32_t>(w, pitch) : pack_weights<uint16_t>(w, pitch);
  });
  return {nullptr,       weights.get(), nullptr,      nullptr,       int(s.c),      int(pitch),
          int(s.batch),  int(s.in[1]),  int(s.in[2]), int(s.out[1]), int(s.out[2]), int(s.pad[1]),
          int(s.pad[2]), s.x_pitch,     s.y_pitch,    Epilogue()};
}

std::string refuse_depthwise(const ConvShape& s) {
  if (s.group != s.c || s.n != s.c)
    return cat(s.group, " groups of ", s.c, " and ", s.n, " channels, accepted is one channel a group");
  if (s.in[0] != 1 || s.kernel[0] != 1 || s.pad[0] != 0 || s.out[0] != 1) return "accepted are two spatial axes";
  if (s.kernel[1] != s.kernel[2] || s.stride[1] != s.stride[2] || !depthwise_has(s.kernel[1], s.stride[1]))
    return cat("a window of ", s.kernel[1], "x", s.kernel[2], " and strides of ", s.stride[1], " and ", s.stride[2],
               ", accepted are 3x3 and 5x5 and strides of 1 or 2");
  if (s.dilation[1] != 1 || s.dilation[2] != 1) return "the window is dilated";
  return {};
}

DepthwiseTiling depthwise_tiling(const ConvShape& s, bool any, int rows, int strips) {
  DepthwiseTiling t{64, 0, 0, strips};
  // The widest block of channels that leaves less than a twelfth of them unused, else the one that leaves least.
  const auto padded = [&](int width) { return (s.c + width - 1) / width * width; };
  for (int width : {48, 32})
    if (padded(t.channels) * 12 > s.c * 13 && padded(width) < padded(t.channels)) t.channels = width;
  if (any) t.channels = kDepthwiseAnyChannels;
  const auto divided = [](int64_t n, int64_t most) {
    const int64_t parts = (n + most - 1) / most;
    return int((n + parts - 1) / parts);
  };
  t.columns = divided(s.out[2], kWidestTile);
  t.rows = divided(s.out[1], rows);
  return t;
}

std::string refuse_depthwise_tiled(const Problem& p, const ConvShape& s, bool any, int rows, int strips) {
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (info_of(p).sm < 80) return "compute capability below 8.0";
  if (s.c % 8 || s.x_pitch % 8 || s.y_pitch % 2)
    return cat(s.c, " channels, pitches ", s.x_pitch, " and ", s.y_pitch, ", accepted are eights");
  const DepthwiseTiling t = depthwise_tiling(s, any, rows, strips);
  const int64_t tiles = s.batch * depthwise_tiles(t, s.out[1], s.out[2]);
  if (tiles > 65535) return cat(tiles, " tiles, accepted are 65535");
  if (t.rows * 2 <= rows) return cat("there are ", s.out[1], " rows, fewer than a tile has");
  if (t.rows < strips) return cat("tiles of ", t.rows, " rows, accepted are ", strips);
  const int threads = depthwise_tile_threads(t);
  if (threads > kDepthwiseThreads) return cat(threads, " threads, accepted are ", kDepthwiseThreads);
  const int64_t bytes = depthwise_tile_bytes(int(s.kernel[1]), int(s.stride[1]), t);
  if (bytes > info_of(p).shared_bytes)
    return cat(bytes, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  return {};
}

cudaError_t run_depthwise_tiled(const DepthwiseArgs& a, Elem type, const ConvShape& s, const DepthwiseTiling& tiling,
                                cudaStream_t stream) {
  const auto run = type == Elem::kF16 ? conv_depthwise_tiled_f16 : conv_depthwise_tiled_bf16;
  return run(a, int(s.kernel[1]), int(s.stride[1]), tiling, stream);
}

}  // namespace tenon::cuda
