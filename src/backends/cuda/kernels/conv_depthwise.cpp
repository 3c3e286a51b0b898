// Depthwise convolution with 3x3 and 5x5 windows, channels last.
#include "backends/cuda/device/conv_depthwise.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/nn/conv.h"

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

/// What the kernels of this file have in common.
class Depthwise : public Kernel {
 public:
  Depthwise(const Problem& p, const ConvShape& s)
      : type_(elem_of(p.inputs[0].dtype)), kernel_(int(s.kernel[1])), stride_(int(s.stride[1])) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    const int64_t pitch = (s.c + kDepthwiseChannels - 1) / kDepthwiseChannels * kDepthwiseChannels;
    weights_ = packed_constant(p, 1, "depthwise", [&](const ir::Tensor& w) {
      return type_ == Elem::kF32 ? pack_weights<uint32_t>(w, pitch) : pack_weights<uint16_t>(w, pitch);
    });
    args_ = {nullptr,       weights_.get(), nullptr,      nullptr,       int(s.c),      int(pitch),
             int(s.batch),  int(s.in[1]),   int(s.in[2]), int(s.out[1]), int(s.out[2]), int(s.pad[1]),
             int(s.pad[2]), s.x_pitch,      s.y_pitch,    Epilogue()};
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    DepthwiseArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    start(a, stream_of(args));
    epilogue_.finish(args, args.workspace);
  }

 protected:
  virtual void start(const DepthwiseArgs& a, cudaStream_t stream) const = 0;

  Elem type_;
  int kernel_, stride_;

 private:
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
  DepthwiseArgs args_;
};

class ConvDepthwise final : public Depthwise {
 public:
  ConvDepthwise(const Problem& p, const ConvShape& s) : Depthwise(p, s) {
    const int64_t columns = (s.out[2] + kDepthwiseColumns - 1) / kDepthwiseColumns;
    const int64_t lines = std::max<int64_t>(1, s.batch * columns * (s.c / kDepthwiseVector));
    // Long strips read little twice; short ones fill the GPU.
    const int64_t wanted = int64_t(info_of(p).multiprocessors) * 1024;
    const int64_t strips = std::clamp<int64_t>((wanted + lines - 1) / lines, 1, s.out[1]);
    rows_ = int((s.out[1] + strips - 1) / strips);
  }

 protected:
  void start(const DepthwiseArgs& a, cudaStream_t stream) const override {
    TENON_CUDA(conv_depthwise(a, type_, kernel_, stride_, rows_, stream));
  }

 private:
  int rows_ = 1;
};

constexpr int kWidestTile = 16;

/// Tiles of up to `rows` rows in `strips`. `any` says that depthwise_any() is true.
DepthwiseTiling tiling_of(const ConvShape& s, bool any, int rows, int strips) {
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

bool is_any(const ProductEpilogue& e) { return !e.in_kernel() || depthwise_any(e.form()); }

class ConvDepthwiseTiled final : public Depthwise {
 public:
  ConvDepthwiseTiled(const Problem& p, const ConvShape& s, const DepthwiseTiling& tiling)
      : Depthwise(p, s), tiling_(tiling) {}

 protected:
  void start(const DepthwiseArgs& a, cudaStream_t stream) const override {
    if (reinterpret_cast<uintptr_t>(a.x) % 16 || reinterpret_cast<uintptr_t>(a.y) % 4) {
      TENON_CUDA(conv_depthwise(a, type_, kernel_, stride_, tiling_.rows, stream));
      return;
    }
    TENON_CUDA((type_ == Elem::kF16 ? conv_depthwise_tiled_f16 : conv_depthwise_tiled_bf16)(a, kernel_, stride_,
                                                                                            tiling_, stream));
  }

 private:
  DepthwiseTiling tiling_;
};

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv(p, s); !reason.empty()) return reason;
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.group != s.c || s.n != s.c)
    return cat(s.group, " groups of ", s.c, " and ", s.n, " channels, accepted is one channel a group");
  if (s.in[0] != 1 || s.kernel[0] != 1 || s.pad[0] != 0 || s.out[0] != 1) return "accepted are two spatial axes";
  if (s.kernel[1] != s.kernel[2] || s.stride[1] != s.stride[2] || !depthwise_has(s.kernel[1], s.stride[1]))
    return cat("a window of ", s.kernel[1], "x", s.kernel[2], " and strides of ", s.stride[1], " and ", s.stride[2],
               ", accepted are 3x3 and 5x5 and strides of 1 or 2");
  if (s.dilation[1] != 1 || s.dilation[2] != 1) return "the window is dilated";
  return {};
}

Support supports(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  ProductEpilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 0, 1) + (s.c % kDepthwiseVector ? 10 : 0));
}

template <int kRows, int kStrips>
Support supports_tiled(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  ProductEpilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  if (p.inputs[0].dtype == ir::DType::kF32) return Support::no("f32, accepted are f16 and bf16");
  if (info_of(p).sm < 80) return Support::no("compute capability below 8.0");
  if (s.c % 8 || s.x_pitch % 8 || s.y_pitch % 2)
    return Support::no(s.c, " channels, pitches ", s.x_pitch, " and ", s.y_pitch, ", accepted are eights");
  const DepthwiseTiling t = tiling_of(s, is_any(epilogue), kRows, kStrips);
  const int64_t tiles = s.batch * ((s.out[1] + t.rows - 1) / t.rows) * ((s.out[2] + t.columns - 1) / t.columns);
  if (tiles > 65535) return Support::no(tiles, " tiles, accepted are 65535");
  if (t.rows * 2 <= kRows) return Support::no("there are ", s.out[1], " rows, fewer than a tile has");
  if (t.rows < kStrips) return Support::no("tiles of ", t.rows, " rows, accepted are ", kStrips);
  const int threads = depthwise_tile_threads(t);
  if (threads > kDepthwiseThreads) return Support::no(threads, " threads, accepted are ", kDepthwiseThreads);
  const int64_t bytes = depthwise_tile_bytes(int(s.kernel[1]), int(s.stride[1]), t);
  if (bytes > info_of(p).shared_bytes)
    return Support::no(bytes, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  return Support::yes(0.8 * estimate_us(p, 0, 1));
}

template <int kRows, int kStrips>
std::unique_ptr<Kernel> prepare_tiled(const Problem& p) {
  ConvShape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  ProductEpilogue epilogue;
  epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  return std::make_unique<ConvDepthwiseTiled>(p, s, tiling_of(s, is_any(epilogue), kRows, kStrips));
}
template <int kRows, int kStrips>
KernelDef tiled(std::string_view name) {
  return {name, "Conv", supports_tiled<kRows, kStrips>, prepare_tiled<kRows, kStrips>, kConvPitched};
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return make_conv<ConvDepthwise>(p, read); }

}  // namespace

std::vector<KernelDef> conv_depthwise() {
  return {{"conv_depthwise", "Conv", supports, prepare, kConvPitched},
          tiled<16, 1>("conv_depthwise_tiled_16_1"),
          tiled<16, 2>("conv_depthwise_tiled_16_2"),
          tiled<8, 1>("conv_depthwise_tiled_8_1"),
          tiled<8, 2>("conv_depthwise_tiled_8_2"),
          tiled<4, 2>("conv_depthwise_tiled_4_2"),
          tiled<2, 1>("conv_depthwise_tiled_2_1")};
}

}  // namespace tenon::cuda
