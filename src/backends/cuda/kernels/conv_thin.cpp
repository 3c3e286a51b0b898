// Convolutions without a window, of few channels and many pixels, channels last.
#include "backends/cuda/device/conv_thin.h"

#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

/// Weights [n, c, 1…] as ThinArgs::w says.
std::vector<std::byte> pack_weights(int depth, int columns, const ir::Tensor& w) {
  std::vector<std::byte> bytes(size_t(thin_weight_bytes(depth, columns)));
  uint16_t* to = reinterpret_cast<uint16_t*>(bytes.data());
  const uint16_t* const from = w.as<uint16_t>();
  const int own = thin_lane(depth);
  for (int group = 0; group < (columns + 31) / 32; ++group)
    for (int chunk = 0; chunk < thin_chunks(depth); ++chunk)
      for (int n = 0; n < 4; ++n)
        for (int lane = 0; lane < 32; ++lane)
          for (int i = 0; i < own; ++i, ++to) {
            const int column = group * 32 + thin_column(n, lane), k = (chunk * 4 + lane % 4) * own + i;
            if (column < columns && k < depth) *to = from[int64_t(column) * depth + k];
          }
  return bytes;
}

template <int kTile>
std::string read(const Problem& p, ConvShape& s, ProductEpilogue& epilogue) {
  if (std::string reason = read_conv(p, s); !reason.empty()) return reason;
  if (info_of(p).sm < 80) return "compute capability below 8.0";
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.group != 1) return cat(s.group, " groups");
  bool plain = s.taps() == 1;
  for (int i = 0; i < 3; ++i) plain &= s.stride[i] == 1 && s.pad[i] == 0 && s.in[i] == s.out[i];
  if (!plain) return "the window is larger than one element, strided or padded";
  if (s.c % 8 != 0 || s.n % 8 != 0 || s.x_pitch % 8 != 0 || s.y_pitch % 8 != 0)
    return cat(s.c, " and ", s.n, " channels, pitches ", s.x_pitch, " and ", s.y_pitch, ", accepted are eights");
  const int64_t most = kTile == 16 ? kThinMaxDepth : kThinMaxDepth32;
  if (s.c > most) return cat(s.c, " channels, accepted are at most ", most);
  const int64_t bytes = thin_weight_bytes(int(s.c), int(s.n));
  if (bytes > kThinMaxShared) return cat(bytes, " bytes of weights, accepted are at most ", kThinMaxShared);
  const std::string& program = p.attrs<ops::ConvAttrs>().epilogue;
  if (std::string reason = epilogue.read(p, program, kConvBias, kConvExtras); !reason.empty()) return reason;
  if (!epilogue.in_kernel() || !has_columns_act(epilogue.form().act))
    return cat("the epilogue '", program, "', accepted are relu, clip, silu and hard_swish, and one more operand");
  return {};
}

template <int kTile>
class ConvThin final : public Kernel {
 public:
  explicit ConvThin(const Problem& p)
      : type_(elem_of(p.inputs[0].dtype)), multiprocessors_(info_of(p).multiprocessors) {
    ConvShape s;
    const std::string reason = read<kTile>(p, s, epilogue_);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    args_.rows = int(s.rows());
    args_.depth = int(s.c);
    args_.columns = int(s.n);
    args_.x_pitch = s.x_pitch;
    args_.y_pitch = s.y_pitch;
    weights_ = packed_constant(p, 1, "thin",
                               [this](const ir::Tensor& w) { return pack_weights(args_.depth, args_.columns, w); });
    args_.w = weights_.get();
  }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    ThinArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.vectors = (reinterpret_cast<uintptr_t>(a.x) | reinterpret_cast<uintptr_t>(a.y)) % 16 == 0;
    a.epilogue = epilogue_.bind(args);
    TENON_CUDA(conv_thin(a, type_, kTile, multiprocessors_, stream_of(args)));
  }

 private:
  Elem type_;
  int multiprocessors_;
  ThinArgs args_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

template <int kTile>
KernelDef variant(std::string_view name) {
  return {name, "Conv",
          [](const Problem& p) {
            ConvShape s;
            ProductEpilogue epilogue;
            if (std::string reason = read<kTile>(p, s, epilogue); !reason.empty()) return Support::no(reason);
            const double padded = double((s.n + 31) / 32 * 32) * double((s.c + 31) / 32 * 32) * double(s.rows());
            return Support::yes(estimate_us(p, 2 * padded, 0.3) * (kTile == 16 ? 1 : 1.01));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ConvThin<kTile>>(p); },
          kConvPitched};
}

}  // namespace

std::vector<KernelDef> conv_thin() { return {variant<16>("conv_thin_16"), variant<32>("conv_thin_32")}; }

}  // namespace tenon::cuda
