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

class ConvDepthwise final : public Kernel {
 public:
  ConvDepthwise(const Problem& p, const ConvShape& s, DepthwiseTile tile)
      : type_(elem_of(p.inputs[0].dtype)), kernel_(int(s.kernel[1])), stride_(int(s.stride[1])), tile_(tile) {
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
    const int64_t columns = (s.out[2] + tile_.columns - 1) / tile_.columns;
    const int64_t lines = std::max<int64_t>(1, s.batch * columns * (s.c / tile_.vector));
    // Long strips read little twice; short ones fill the GPU.
    const int64_t wanted = int64_t(info_of(p).multiprocessors) * 1024;
    const int64_t strips = std::clamp<int64_t>((wanted + lines - 1) / lines, 1, s.out[1]);
    tile_.rows = int((s.out[1] + strips - 1) / strips);
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    DepthwiseArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    DepthwiseTile tile = tile_;
    if (!depthwise_aligned(a, type_, tile.vector)) tile = {1, 2, tile_.rows};
    TENON_CUDA(conv_depthwise(a, type_, kernel_, stride_, tile, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  Elem type_;
  int kernel_, stride_;
  DepthwiseTile tile_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
  DepthwiseArgs args_;
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

template <int kVector, int kColumns>
Support supports(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  ProductEpilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  const bool narrow = p.inputs[0].dtype != ir::DType::kF32;
  if (reason.empty() && (kVector > 4 || kColumns > 2) && !(narrow && s.kernel[1] == 3))
    reason = "this tile is for 3x3 windows and 16-bit types";
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 0, 1) + (s.c % kVector ? 10 : 0));
}

template <int kVector, int kColumns>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  ConvShape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvDepthwise>(p, s, DepthwiseTile{kVector, kColumns, 1});
}

}  // namespace

std::vector<KernelDef> conv_depthwise() {
  return {{"conv_depthwise", "Conv", supports<4, 2>, prepare<4, 2>, kConvPitched},
          {"conv_depthwise_wide", "Conv", supports<8, 1>, prepare<8, 1>, kConvPitched},
          {"conv_depthwise_long", "Conv", supports<4, 4>, prepare<4, 4>, kConvPitched}};
}

}  // namespace tenon::cuda
