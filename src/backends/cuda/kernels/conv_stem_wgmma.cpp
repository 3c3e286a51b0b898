// Convolutions of up to four channels on Hopper; the result is channels last.
#include "backends/cuda/device/conv_stem_wgmma.h"

#include <algorithm>

#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

constexpr int64_t kMaxChannels = 4, kMaxTaps = 64;

StemWgmmaArgs arguments(const ConvShape& s) {
  StemWgmmaArgs a;
  const int64_t pixel = s.x_channels_last ? s.x_pitch : 1, row = s.x_channels_last ? s.in[2] * pixel : s.x_pitch;
  a.x_column = int(pixel);
  a.x_row = int(row);
  a.x_depth = s.in[1] * row;
  a.x_channel = s.x_channels_last ? 1 : s.in[0] * a.x_depth;
  a.x_image = s.x_channels_last ? s.in[0] * a.x_depth : s.c * a.x_channel;
  a.c = int(s.c);
  for (int i = 0; i < 3; ++i) {
    a.in[i] = int(s.in[i]);
    a.out[i] = int(s.out[i]);
    a.pad[i] = int(s.pad[i]);
    a.kernel[i] = int(s.kernel[i]);
  }
  a.stride = int(s.stride[2]);
  a.stride_depth = int(s.stride[0]);
  a.columns = int(s.n);
  a.y_pitch = s.y_pitch;
  a.images = int(s.batch);
  return a;
}

/// Chooses columns and, if `tile` is 0, blocks of a tile; false if none fits.
bool plan(const Problem& p, StemWgmmaArgs& a, int tile) {
  const DeviceInfo& d = info_of(p);
  const int64_t blocks = int64_t(a.images) * a.out[0] * a.out[1] * a.out[2] / 64;
  const bool narrow = a.columns <= 32 || blocks < d.multiprocessors;
  for (int columns : {narrow ? 32 : 64, narrow ? 64 : 32}) {
    a.tile_columns = columns;
    if (plan_stem(a, d.multiprocessors, d.shared_bytes, tile)) return true;
  }
  return false;
}

/// Weights [n, c, kernel…] as StemWgmmaArgs::w says.
std::vector<std::byte> pack_weights(const StemWgmmaArgs& a, const ir::Tensor& w) {
  const int64_t columns = a.tile_columns, tiles = (a.columns + columns - 1) / columns, steps = stem_steps(a);
  const int64_t lines = int64_t(a.kernel[0]) * a.kernel[1];
  std::vector<std::byte> bytes(size_t(tiles * steps * columns * 16) * 2);
  uint16_t* to = reinterpret_cast<uint16_t*>(bytes.data());
  const uint16_t* const from = w.as<uint16_t>();
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int64_t step = 0; step < steps; ++step)
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t q = 0; q < columns; ++q)
          for (int64_t k = 0; k < 8; ++k, ++to) {
            const int64_t column = tile * columns + stem_column(int(q)), line = step / a.row_steps, channel = k % 4;
            const int64_t tap = step % a.row_steps * 4 + half * 2 + k / 4 - a.shift;
            if (column >= a.columns || tap < 0 || tap >= a.kernel[2] || channel >= a.c) continue;
            *to = from[((column * a.c + channel) * lines + line) * a.kernel[2] + tap];
          }
  return bytes;
}

class ConvStemWgmma final : public Kernel {
 public:
  ConvStemWgmma(const Problem& p, const StemWgmmaArgs& a)
      : type_(elem_of(p.inputs[0].dtype)), multiprocessors_(info_of(p).multiprocessors), args_(a) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    weights_ = packed_constant(p, 1, cat("stem of four channels, ", a.tile_columns, " columns, shift ", a.shift),
                               [&](const ir::Tensor& w) { return pack_weights(a, w); });
    args_.w = weights_.get();
    const int64_t steps[] = {a.x_image, a.x_channel, a.x_depth, a.x_row, a.in[2]};
    pairs_ = a.x_column == 1 && std::all_of(std::begin(steps), std::end(steps), [](int64_t v) { return v % 2 == 0; });
  }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    StemWgmmaArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.pairs = pairs_ && reinterpret_cast<uintptr_t>(a.x) % 4 == 0;
    a.vectors = a.y_pitch % 8 == 0 && reinterpret_cast<uintptr_t>(a.y) % 16 == 0;
    a.epilogue = epilogue_.bind(args);
    TENON_CUDA(conv_stem_wgmma(a, type_, multiprocessors_, stream_of(args)));
  }

 private:
  Elem type_;
  int multiprocessors_;
  StemWgmmaArgs args_;
  bool pairs_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

std::string refuse_epilogue(const Problem& p) {
  ProductEpilogue epilogue;
  if (std::string reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
      !reason.empty())
    return reason;
  if (!epilogue.in_kernel() || epilogue.form().join != Join::kNone || !has_columns_act(epilogue.form().act))
    return cat("the epilogue '", p.attrs<ops::ConvAttrs>().epilogue,
               "', accepted are relu, clip, silu and hard_swish of the sum");
  return {};
}

std::string read(const Problem& p, StemWgmmaArgs& a, int tile) {
  ConvShape s;
  if (std::string reason = read_conv_any(p, s); !reason.empty()) return reason;
  if (info_of(p).sm != 90) return "compute capability other than 9.0";
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.c > kMaxChannels || s.group != 1)
    return cat(s.c, " channels in ", s.group, " groups, accepted are at most 4 in one group");
  if (p.has_input(kConvBias) && !p.constants[kConvBias]) return "the bias is not constant";
  if (s.n % 8 != 0) return cat(s.n, " channels of the result, accepted are eights");
  for (int64_t d : s.dilation)
    if (d != 1) return "the window is dilated";
  if (s.stride[1] != s.stride[2] || (s.stride[2] != 1 && s.stride[2] != 2 && s.stride[2] != 4))
    return cat("strides of ", s.stride[1], " and ", s.stride[2], ", accepted are 1, 2 or 4, both alike");
  for (int64_t k : s.kernel)
    if (k > kMaxTaps) return cat("a window of ", k, " along an axis, accepted are at most ", kMaxTaps);
  a = arguments(s);
  const StemWgmmaArgs shape = a;
  if (!plan(p, a, 0)) return cat("a window of ", s.taps(), " taps is too large");
  if (tile > 0) {
    if (a.blocks == tile) return "conv_stem_wgmma has this tile";
    a = shape;
    if (!plan(p, a, tile)) return cat("a window of ", s.taps(), " taps is too large for ", tile, " blocks a tile");
  }
  return refuse_epilogue(p);
}

template <int kTile>
Support supports(const Problem& p) {
  StemWgmmaArgs a;
  if (std::string reason = read(p, a, kTile); !reason.empty()) return Support::no(reason);
  const double blocks = double(a.images) * a.out[0] * a.out[1] * a.out[2];
  const double tiles = (a.columns + a.tile_columns - 1) / a.tile_columns;
  return Support::yes(estimate_us(p, 2 * blocks * tiles * a.tile_columns * 16 * stem_steps(a), 0.5) *
                      (kTile > 0 ? 1.05 : 1));
}

template <int kTile>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  StemWgmmaArgs a;
  const std::string reason = read(p, a, kTile);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvStemWgmma>(p, a);
}

}  // namespace

std::vector<KernelDef> conv_stem_wgmma() {
  return {{"conv_stem_wgmma", "Conv", supports<0>, prepare<0>, kConvPitched},
          {"conv_stem_wgmma_3", "Conv", supports<3>, prepare<3>, kConvPitched},
          {"conv_stem_wgmma_7", "Conv", supports<7>, prepare<7>, kConvPitched}};
}

}  // namespace tenon::cuda
