// Convolutions of up to four channels; the result is channels last.
#include "backends/cuda/device/conv_stem.h"

#include <cstring>

#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

constexpr int64_t kMaxChannels = 4, kMaxSteps = 512, kMaxShared = 96 << 10;

int64_t segment(const ConvShape& s) { return s.kernel[2] * s.c; }
int64_t pairs_a_line(const ConvShape& s) { return (segment(s) + 1) / 2; }
int64_t lines(const ConvShape& s) { return s.kernel[0] * s.kernel[1]; }
int64_t steps(const ConvShape& s) { return (lines(s) * pairs_a_line(s) + 7) / 8; }

StemArgs arguments(const ConvShape& s) {
  StemArgs a;
  a.c = int(s.c);
  const int64_t pixel = s.x_channels_last ? s.x_pitch : 1, row = s.x_channels_last ? s.in[2] * pixel : s.x_pitch;
  a.x_column = int(pixel);
  a.x_row = int(row);
  a.x_depth = s.in[1] * row;
  a.x_channel = s.x_channels_last ? 1 : s.in[0] * a.x_depth;
  a.x_image = s.x_channels_last ? s.in[0] * a.x_depth : s.c * a.x_channel;
  for (int i = 0; i < 3; ++i) {
    a.in[i] = int(s.in[i]);
    a.out[i] = int(s.out[i]);
    a.stride[i] = int(s.stride[i]);
    a.pad[i] = int(s.pad[i]);
    a.kernel[i] = int(s.kernel[i]);
  }
  a.columns = int(s.n);
  // The last pair of a segment may reach one element beyond the row.
  a.patch_pitch = (stem_patch_row(a.stride[2], a.kernel[2], a.c) + 2) / 2 * 2;
  a.steps = int(steps(s));
  a.y_pitch = s.y_pitch;
  a.images = int(s.batch);
  return a;
}

/// Weights [n, c, kernel…] as B fragments: element e of lane l holds column l / 4 and k = 2 (l % 4) + e % 2 + 8 (e /
/// 2).
std::vector<std::byte> pack_fragments(const ConvShape& s, const ir::Tensor& w) {
  const int64_t tiles = (s.n + 7) / 8, width = 2 * pairs_a_line(s);
  std::vector<std::byte> bytes(size_t(steps(s) * tiles * 32 * 4) * 2);
  uint16_t* const to = reinterpret_cast<uint16_t*>(bytes.data());
  const uint16_t* const from = w.as<uint16_t>();
  for (int64_t i = 0; i < steps(s) * tiles * 32 * 4; ++i) {
    const int64_t e = i % 4, lane = i / 4 % 32, tile = i / 128 % tiles, step = i / 128 / tiles;
    const int64_t column = tile * 8 + lane / 4, k = step * 16 + 2 * (lane % 4) + e % 2 + 8 * (e / 2);
    const int64_t line = k / width, at = k % width, channel = at % s.c, kw = at / s.c;
    if (column >= s.n || line >= lines(s) || at >= segment(s)) continue;
    to[i] = from[((column * s.c + channel) * lines(s) + line) * s.kernel[2] + kw];
  }
  return bytes;
}

std::vector<int32_t> pair_table(const ConvShape& s, const StemArgs& a) {
  std::vector<int32_t> table;
  const int64_t rows = stem_patch_rows(a.stride[1], a.kernel[1]);
  for (int64_t pair = 0; pair < 8 * steps(s); ++pair) {
    const int64_t line = pair / pairs_a_line(s), at = pair % pairs_a_line(s) * 2;
    const bool exists = line < lines(s);
    const int64_t kd = line / s.kernel[1], kh = line % s.kernel[1];
    table.push_back(exists ? int32_t((kd * rows + kh) * a.patch_pitch + at) : 0);
    table.push_back(!exists ? 0 : at + 1 < segment(s) ? -1 : 0xffff);
  }
  return table;
}

class ConvStem final : public Kernel {
 public:
  ConvStem(const Problem& p, const ConvShape& s)
      : type_(elem_of(p.inputs[0].dtype)), multiprocessors_(info_of(p).multiprocessors), args_(arguments(s)) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    weights_ = packed_constant(p, 1, "stem", [&](const ir::Tensor& w) { return pack_fragments(s, w); });
    const std::vector<int32_t> table = pair_table(s, args_);
    pairs_ = upload(p, table.data(), table.size() * 4);
    args_.w = weights_.get();
    args_.pairs = static_cast<const int2*>(pairs_.get());
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    StemArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    a.epilogue = epilogue_.bind(args);
    TENON_CUDA(conv_stem(a, type_, multiprocessors_, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  Elem type_;
  int multiprocessors_;
  StemArgs args_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_, pairs_;
};

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv_any(p, s); !reason.empty()) return reason;
  if (info_of(p).sm < 80) return "compute capability below 8.0";
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.c > kMaxChannels || s.group != 1)
    return cat(s.c, " channels in ", s.group, " groups, accepted are at most 4 in one group");
  for (int64_t d : s.dilation)
    if (d != 1) return "the window is dilated";
  if (steps(s) > kMaxSteps || s.kernel[1] > 64 || s.kernel[2] > 64 || s.stride[1] > 8 || s.stride[2] > 8 ||
      int64_t(stem_shared_bytes(arguments(s))) > kMaxShared)
    return cat("a window of ", s.taps(), " taps is too large for shared memory");
  ProductEpilogue epilogue;
  return epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
}

Support supports(const Problem& p) {
  ConvShape s;
  if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, s.flops(), 0.3));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return make_conv<ConvStem>(p, read); }

}  // namespace

std::vector<KernelDef> conv_stem() { return {{"conv_stem", "Conv", supports, prepare, kConvPitched}}; }

}  // namespace tenon::cuda
