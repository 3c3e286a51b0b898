// Convolutions as matrix products whose left operand is gathered while it is loaded: on tensor cores for channels-last
// operands whose channels come in 16-byte pieces, on the vector units for everything else.
#include <algorithm>

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
};

/// k runs through the taps and then the channels of a group.
std::shared_ptr<const void> conv_weights(const Problem& p, const Plan& plan) {
  const ConvShape& s = plan.shape;
  const int64_t channels = s.c / s.group, lines = s.taps(), joint = plan.joint, across = plan.across;
  const int64_t own = channels / joint / across, columns = s.n / (s.group * joint);
  return packed_rows(p, 1, cat("conv by taps, groups joined ", joint, ", columns joined ", across), s.n,
                     channels * lines, [=](int64_t column, int64_t k) {
                       const int64_t place = k % channels / (own * joint), channel = k % (own * joint);
                       if (channel / own != column / columns % joint) return int64_t(-1);
                       return ((column * own + channel % own) * lines + k / channels) * across + place;
                     });
}

/// Channels in 16 bytes.
int64_t piece_of(const Problem& p) { return p.inputs[0].dtype == ir::DType::kF32 ? 4 : 8; }

/// Neighbouring groups are joined until each has whole pieces of channels and enough columns for a tile. Where windows
/// stand side by side, as patches do, their columns are more channels of wider pixels.
Plan plan_of(const Problem& p, ConvShape s) {
  Plan plan{s};
  const int64_t piece = piece_of(p);
  const int64_t channels = s.c / s.group, columns = s.n / s.group;
  if (s.group == 1 && s.channels_last && channels % piece != 0 && s.kernel[2] > 1 && s.stride[2] == s.kernel[2] &&
      s.dilation[2] == 1 && s.pad[2] == 0 && s.in[2] == s.out[2] * s.kernel[2] && s.x_pitch == s.c) {
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

class ConvTensorCore final : public ConvGemm {
 public:
  ConvTensorCore(const Problem& p, const Plan& plan, GemmVariant variant)
      : ConvGemm(p, plan.shape, p.attrs<ops::ConvAttrs>().epilogue, conv_weights(p, plan)),
        variant_(variant),
        args_(gemm_args(plan.shape, piece_of(p))),
        plain_(is_plain(plan.shape)),
        device_(info_of(p)) {
    args_.b = weights_.get();
  }
  void run(const RunArgs& args) const override {
    if (reinterpret_cast<uintptr_t>(args.inputs[0]) % 16 != 0) {
      TENON_CUDA(gemm_simt(simt_args(args), type_, 1, stream_of(args)));
    } else {
      GemmArgs g = args_;
      g.a = args.inputs[0];
      g.y = args.outputs[0];
      if (!epilogue_.in_kernel()) g.sums = static_cast<float*>(args.workspace);
      g.epilogue = epilogue_.bind(args);
      TENON_CUDA(run_variant(variant_, g, type_, plain_ ? GemmOperands::kRows : GemmOperands::kConv, device_,
                             stream_of(args)));
    }
    epilogue_.finish(args, args.workspace);
  }

 private:
  GemmVariant variant_;
  GemmArgs args_;
  bool plain_;
  const DeviceInfo& device_;
};

class ConvSimt final : public ConvGemm {
 public:
  ConvSimt(const Problem& p, const ConvShape& s, int tile)
      : ConvGemm(p, s, p.attrs<ops::ConvAttrs>().epilogue, conv_weights(p, Plan{s})), tile_(tile) {}
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

std::string read(const Problem& p, ConvShape& s) {
  std::string reason = read_conv(p, s);
  return reason.empty() ? read_any(p, s) : reason;
}

template <int kNumber>
KernelDef tensor_core_variant() {
  return {variant_name("conv_implicit_gemm", gemm_variant(kNumber)), "Conv",
          [](const Problem& p) {
            ConvShape s;
            std::string reason = read(p, s);
            const int64_t piece = piece_of(p);
            if (reason.empty()) s = plan_of(p, s).shape;
            if (reason.empty() && (!s.channels_last || s.c / s.group % piece != 0 || s.x_pitch % piece != 0))
              reason =
                  cat(s.c / s.group, " channels a group, pitch ", s.x_pitch, s.channels_last ? "" : ", channels first",
                      ", accepted are multiples of ", piece, " channels that come last");
            constexpr GemmKind kind = gemm_variant(kNumber).kind;
            if (reason.empty() && !takes(kind, piece == 4))
              reason = piece == 4 ? "f32, accepted are f16 and bf16" : "accepted is f32";
            if (reason.empty() && kind == GemmKind::kSmall && !is_plain(s))
              reason = "the window is larger than one element, strided or padded";
            if (reason.empty() && (kind == GemmKind::kTma || kind == GemmKind::kSmall || kind == GemmKind::kSplit)) {
              ProductEpilogue epilogue;
              reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
              const bool conv = !is_plain(s);
              if (reason.empty())
                reason = kind == GemmKind::kTma     ? refuse_tma(gemm_args(s, piece), conv, epilogue)
                         : kind == GemmKind::kSmall ? refuse_small(gemm_args(s, piece), epilogue)
                                                    : refuse_split(gemm_args(s, piece), conv, false, epilogue);
            }
            double cost = 0;
            if (reason.empty()) reason = rank_variant(p, work_of(s, piece), kNumber, cost);
            return reason.empty() ? Support::yes(cost) : Support::no(reason);
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            ConvShape s;
            const std::string reason = read(p, s);
            require(reason.empty(), ErrorCode::kInternal, reason);
            return std::make_unique<ConvTensorCore>(p, plan_of(p, s), gemm_variant(kNumber));
          },
          kConvPitched};
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
