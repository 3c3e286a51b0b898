// Convolutions as matrix products whose left operand is gathered while it is loaded: on tensor cores for channels-last
// operands whose channels come in 16-byte pieces, which those of f32 are copied into, on the vector units for
// everything else.
#include <algorithm>

#include "backends/cuda/device/widen.h"
#include "backends/cuda/kernels/conv_gemm.h"
#include "backends/cuda/kernels/variants.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

/// A convolution as the tensor cores do it.
struct Plan {
  ConvShape shape;
  int64_t joint = 1;   ///< groups joined to one; weights between two of them are 0
  int64_t across = 1;  ///< columns of the window that count as channels
  int64_t channels;    ///< of x, of which the shape has more if they are `widened`: copied into pieces of four
  bool widened = false;
};

/// k runs through the taps and then the channels of a group. f32 is rounded to TF32 where asked for.
std::shared_ptr<const void> conv_weights(const Problem& p, const Plan& plan, bool tf32 = false) {
  const ConvShape& s = plan.shape;
  const int64_t channels = s.c / s.group, lines = s.taps(), joint = plan.joint, across = plan.across;
  const int64_t own = channels / joint / across, there = plan.widened ? plan.channels : own;
  const int64_t columns = s.n / (s.group * joint);
  const auto at = [=](int64_t column, int64_t k) {
    const int64_t place = k % channels / (own * joint), channel = k % (own * joint);
    if (channel / own != column / columns % joint || channel % own >= there) return int64_t(-1);
    return ((column * there + channel % own) * lines + k / channels) * across + place;
  };
  const std::string format =
      cat("conv by taps, groups joined ", joint, ", columns joined ", across, ", channels ", own);
  return packed_rows(p, 1, format, s.n, channels * lines, at, tf32);
}

/// Channels in 16 bytes.
int64_t piece_of(const Problem& p) { return p.inputs[0].dtype == ir::DType::kF32 ? 4 : 8; }

/// Neighbouring groups are joined until each has whole pieces of channels and enough columns for a tile. Where windows
/// stand side by side, as patches do, their columns are more channels of wider pixels. Other channels of f32 are
/// widened.
Plan plan_of(const Problem& p, ConvShape s) {
  Plan plan{.shape = s, .channels = s.c};
  const int64_t piece = piece_of(p);
  const int64_t channels = s.c / s.group, columns = s.n / s.group;
  if (s.group == 1 && s.channels_last && s.x_channels_last && channels % piece != 0 && s.kernel[2] > 1 &&
      s.stride[2] == s.kernel[2] && s.dilation[2] == 1 && s.pad[2] == 0 && s.in[2] == s.out[2] * s.kernel[2] &&
      s.x_pitch == s.c) {
    plan.across = s.kernel[2];
    s.c = s.x_pitch = s.c * s.kernel[2];
    s.in[2] = s.out[2];
    s.kernel[2] = s.stride[2] = 1;
    plan.shape = s;
    return plan;
  }
  while (s.group % (2 * plan.joint) == 0 && (channels * plan.joint % piece != 0 || columns * plan.joint < 32))
    plan.joint *= 2;
  if (channels * plan.joint % piece != 0) plan.joint = 1;
  plan.shape.group /= plan.joint;
  if (p.inputs[0].dtype == ir::DType::kF32 && s.group == 1 && s.channels_last &&
      (channels % piece != 0 || s.x_pitch % piece != 0 || !s.x_channels_last)) {
    plan.widened = true;
    plan.shape.c = plan.shape.x_pitch = (channels + piece - 1) / piece * piece;
    plan.shape.x_channels_last = true;
    plan.joint = 1;
  }
  return plan;
}

/// Whether k runs through the taps before it goes on to the next channels.
bool taps_inside(const ConvShape& s, int64_t piece) { return s.taps() > 1 && s.c / s.group % (8 * piece) == 0; }

GemmWork work_of(const ConvShape& s, int64_t piece) {
  const double a_traffic = taps_inside(s, piece) ? 0.3 : 1;
  return {s.rows(), s.n / s.group, s.c / s.group * s.taps(), s.group, false, a_traffic, piece == 4};
}

/// Whether the window is one element at every pixel: a plain matrix.
bool is_plain(const ConvShape& s) {
  bool plain = s.group == 1 && s.taps() == 1;
  for (int i = 0; i < 3; ++i) plain &= s.stride[i] == 1 && s.pad[i] == 0 && s.in[i] == s.out[i];
  return plain;
}

/// All but addresses.
GemmArgs gemm_args(const ConvShape& s, int64_t piece) {
  const int64_t depth = s.c / s.group * s.taps();
  GemmArgs g;
  g.a_pitch = s.x_pitch;
  g.depth = int(depth);
  g.chunks = int(s.c / s.group / piece);
  g.taps_inside = taps_inside(s, piece);
  for (int i = 0; i < 3; ++i) {
    g.in[i] = int(s.in[i]);
    g.kernel[i] = int(s.kernel[i]);
    g.stride[i] = int(s.stride[i]);
    g.dilation[i] = int(s.dilation[i]);
    g.pad[i] = int(s.pad[i]);
    g.out[i] = Divisor(uint32_t(s.out[i]));
  }
  g.b_pitch = packed_pitch(depth);
  g.b_constant = true;
  g.y_pitch = s.y_pitch;
  g.sums_pitch = s.n;
  g.rows = int(s.rows());
  g.columns = int(s.n / s.group);
  g.groups = int(s.group);
  return g;
}

/// How the channels of `s` are widened for a plan; all but addresses.
WidenParams widen_params(const ConvShape& s, const Plan& plan) {
  WidenParams w;
  w.channels = int(s.c);
  w.pieces = Divisor(uint32_t(plan.shape.c / 4));
  w.columns = Divisor(uint32_t(s.in[2]));
  w.rows = Divisor(uint32_t(s.in[0] * s.in[1]));
  const int64_t rows = s.in[0] * s.in[1];
  w.count = uint32_t(s.batch * rows * s.in[2] * (plan.shape.c / 4));
  w.column = s.x_channels_last ? s.x_pitch : 1;
  w.row = s.x_channels_last ? s.in[2] * s.x_pitch : s.x_pitch;
  w.channel = s.x_channels_last ? 1 : rows * w.row;
  w.image = s.x_channels_last ? rows * w.row : s.c * w.channel;
  return w;
}

class ConvTensorCore final : public ConvGemm {
 public:
  ConvTensorCore(const Problem& p, const ConvShape& s, const Plan& plan, GemmVariant variant)
      : ConvGemm(p, plan.shape, p.attrs<ops::ConvAttrs>().epilogue, conv_weights(p, plan, rounds(variant.kind))),
        variant_(variant_for(variant, *p.constants[1])),
        args_(gemm_args(plan.shape, piece_of(p))),
        plain_(is_plain(plan.shape)),
        device_(info_of(p)) {
    args_.b = weights_.get();
    if (plan.widened) widen_ = widen_params(s, plan);
  }
  int64_t workspace_bytes() const override { return widened_at() + int64_t(widen_.count) * 16; }
  void run(const RunArgs& args) const override {
    const void* x = args.inputs[0];
    if (widen_.count > 0) {
      WidenParams w = widen_;
      w.x = static_cast<const float*>(x);
      w.y = reinterpret_cast<float*>(static_cast<std::byte*>(args.workspace) + widened_at());
      x = w.y;
      TENON_CUDA(widen(w, stream_of(args)));
    }
    if (reinterpret_cast<uintptr_t>(x) % 16 != 0) {
      TENON_CUDA(gemm_simt(simt_args(args), type_, 1, stream_of(args)));
    } else {
      GemmArgs g = args_;
      g.a = x;
      g.y = args.outputs[0];
      if (!epilogue_.in_kernel()) g.sums = static_cast<float*>(args.workspace);
      g.epilogue = epilogue_.bind(args);
      TENON_CUDA(run_variant(variant_, g, type_, plain_ ? GemmOperands::kRows : GemmOperands::kConv, device_,
                             stream_of(args)));
    }
    epilogue_.finish(args, args.workspace);
  }

 private:
  /// Where the widened x lies in the workspace, behind the sums.
  int64_t widened_at() const { return (epilogue_.sums_bytes() + 255) / 256 * 256; }

  GemmVariant variant_;
  GemmArgs args_;
  bool plain_;
  const DeviceInfo& device_;
  WidenParams widen_;
};

class ConvSimt final : public ConvGemm {
 public:
  ConvSimt(const Problem& p, const ConvShape& s, int tile)
      : ConvGemm(p, s, p.attrs<ops::ConvAttrs>().epilogue, conv_weights(p, {.shape = s, .channels = s.c})),
        tile_(tile) {}
  void run(const RunArgs& args) const override {
    TENON_CUDA(gemm_simt(simt_args(args), type_, tile_, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  int tile_;
};

std::string read_any(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv_any(p, s); !reason.empty()) return reason;
  if (s.c / s.group * s.taps() >= int64_t(1) << 31) return "a window has 2^31 elements or more";
  ProductEpilogue epilogue;
  return epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras, s.channels_last);
}

/// Reads a convolution for tensor cores.
std::string read(const Problem& p, ConvShape& s, Plan& plan) {
  if (std::string reason = read_any(p, s); !reason.empty()) return reason;
  plan = plan_of(p, s);
  const ConvShape& own = plan.shape;
  if (!own.x_channels_last && own.channels_last) return "channels of x come first and those of y last";
  const int64_t piece = piece_of(p), channels = own.c / own.group;
  if (!own.channels_last || channels % piece != 0 || own.x_pitch % piece != 0)
    return cat(channels, " channels a group, pitch ", own.x_pitch, own.channels_last ? "" : ", channels first",
               ", accepted are multiples of ", piece, " channels that come last");
  if (plan.widened && s.batch * s.in[0] * s.in[1] * s.in[2] * own.c >= int64_t(1) << 31)
    return "x has 2^31 elements or more in pieces of four channels";
  return {};
}

Support supports_tensor_core(const Problem& p, int number) {
  ConvShape s;
  Plan plan{};
  std::string reason = read(p, s, plan);
  const int64_t piece = piece_of(p);
  s = plan.shape;
  const GemmKind kind = gemm_variant(number).kind;
  if (reason.empty() && !takes(kind, piece == 4))
    reason = piece == 4 ? "f32, accepted are f16 and bf16" : "accepted is f32";
  if (reason.empty() && kind == GemmKind::kSmall && !is_plain(s))
    reason = "the window is larger than one element, strided or padded";
  if (reason.empty() && uses_copy_engine(kind)) {
    ProductEpilogue epilogue;
    reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    if (reason.empty()) reason = refuse_kind(kind, gemm_args(s, piece), !is_plain(s), epilogue);
  }
  double cost = 0;
  if (reason.empty()) reason = rank_variant(p, work_of(s, piece), number, cost);
  // The copy reads x and writes at least as much, which the product reads.
  if (plan.widened) cost += 2 * estimate_us(p, 0, 1);
  return reason.empty() ? Support::yes(cost) : Support::no(reason);
}

std::unique_ptr<Kernel> prepare_tensor_core(const Problem& p, int number) {
  ConvShape s;
  Plan plan{};
  const std::string reason = read(p, s, plan);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvTensorCore>(p, s, plan, gemm_variant(number));
}

template <int kNumber>
KernelDef tensor_core_variant() {
  return {variant_name("conv_implicit_gemm", gemm_variant(kNumber)),
          "Conv",
          [](const Problem& p) { return supports_tensor_core(p, kNumber); },
          [](const Problem& p) { return prepare_tensor_core(p, kNumber); },
          kConvPitched,
          rounds(gemm_variant(kNumber).kind)};
}

template <int kTile>
KernelDef simt_variant() {
  return {variant_name("conv_simt_", size_t(kSimtTiles[kTile].rows)), "Conv",
          [](const Problem& p) {
            ConvShape s;
            if (std::string reason = read_any(p, s); !reason.empty()) return Support::no(reason);
            const SimtTile t = kSimtTiles[kTile];
            const int64_t tiles_y = (s.rows() + t.rows - 1) / t.rows, columns = s.n / s.group;
            if (tiles_y > 65535 || s.group > 65535) return Support::no("too many rows or groups for this tile");
            const double waste = double((columns + t.columns - 1) / t.columns * t.columns) / double(columns);
            const double fill = std::min(1.0, double(tiles_y * s.group) / info_of(p).multiprocessors);
            const double rate = info_of(p).tflops_f32 * 1e6 * (kTile == 0 ? 0.5 : kTile == 1 ? 0.35 : 0.15) * fill;
            return Support::yes(std::max(estimate_us(p, 0, 1), 2 + s.flops() * waste / rate));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            ConvShape s;
            const std::string reason = read_any(p, s);
            require(reason.empty(), ErrorCode::kInternal, reason);
            return std::make_unique<ConvSimt>(p, s, kTile);
          },
          kConvPitched};
}

}  // namespace

std::vector<KernelDef> conv_implicit_gemm() {
  return []<int... i, int... j>(std::integer_sequence<int, i...>, std::integer_sequence<int, j...>) {
    return std::vector<KernelDef>{tensor_core_variant<i>()..., simt_variant<j>()...};
  }
  (std::make_integer_sequence<int, kConvVariantCount>(), std::make_integer_sequence<int, kSimtTileCount>());
}

}  // namespace tenon::cuda
