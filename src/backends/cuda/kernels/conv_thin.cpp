// Convolutions without a window, of few channels and many pixels, channels last.
#include "backends/cuda/device/conv_thin.h"

#include <algorithm>

#include "backends/cuda/device/epilogue_columns.h"
#include "backends/cuda/device/index.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/fused/scaled_conv.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

constexpr size_t kScale = 3, kScaledExtras = 4;  ///< inputs of ScaledConv
/// Operands of ScaledConv that may have a pitch: x, the epilogue's operands, y.
constexpr uint32_t kScaledPitched = 0x1fff1;

std::string check_sizes(const ThinArgs& a, int most) {
  if (a.depth % 8 != 0 || a.columns % 8 != 0 || a.x_pitch % 8 != 0 || a.y_pitch % 8 != 0)
    return cat(a.depth, " and ", a.columns, " channels, pitches ", a.x_pitch, " and ", a.y_pitch,
               ", accepted are eights");
  if (a.depth > most) return cat(a.depth, " channels, accepted are at most ", most);
  const int64_t bytes = thin_weight_bytes(a.depth, a.columns);
  if (bytes > kThinMaxShared) return cat(bytes, " bytes of weights, accepted are at most ", kThinMaxShared);
  return {};
}

std::string read_epilogue(const Problem& p, const std::string& program, size_t extras, ProductEpilogue& epilogue) {
  if (std::string reason = epilogue.read(p, program, kConvBias, extras); !reason.empty()) return reason;
  if (!epilogue.in_kernel() || !has_columns_act(epilogue.form().act))
    return cat("the epilogue '", program, "', accepted are relu, clip, silu and hard_swish, and one more operand");
  return {};
}

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
std::string read(const Problem& p, ThinArgs& a, ProductEpilogue& epilogue) {
  ConvShape s;
  if (std::string reason = read_conv(p, s); !reason.empty()) return reason;
  if (info_of(p).sm < 80) return "compute capability below 8.0";
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.group != 1) return cat(s.group, " groups");
  bool plain = s.taps() == 1;
  for (int i = 0; i < 3; ++i) plain &= s.stride[i] == 1 && s.pad[i] == 0 && s.in[i] == s.out[i];
  if (!plain) return "the window is larger than one element, strided or padded";
  a.rows = int(s.rows());
  a.depth = int(s.c);
  a.columns = int(s.n);
  a.x_pitch = s.x_pitch;
  a.y_pitch = s.y_pitch;
  if (std::string reason = check_sizes(a, kTile == 16 ? kThinMaxDepth : kThinMaxDepth32); !reason.empty())
    return reason;
  return read_epilogue(p, p.attrs<ops::ConvAttrs>().epilogue, kConvExtras, epilogue);
}

std::string read_scaled(const Problem& p, ThinArgs& a, ProductEpilogue& epilogue) {
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  if (info_of(p).sm < 80) return "compute capability below 8.0";
  if (!is_elem(x.dtype) || x.dtype == ir::DType::kF32)
    return cat("elements are ", x.dtype, ", accepted are f16 and bf16");
  for (const TensorDesc* t : {&w, &p.inputs[kScale], &y})
    if (t->dtype != x.dtype) return cat("types ", x.dtype, " and ", t->dtype, ", accepted is one type");
  if (!p.constants[1]) return "weights are not constant";
  if (x.count() == 0 || y.count() == 0) return "an operand is empty";
  const int64_t rows = y.count() / y.dims.back();
  if (rows * std::max(x.pitch, y.pitch) > kMaxElements) return "an operand has 2^31 elements or more";
  a.rows = int(rows);
  a.depth = int(x.dims.back());
  a.columns = int(y.dims.back());
  a.x_pitch = x.pitch;
  a.y_pitch = y.pitch;
  a.pixels = Divisor(rows / x.dims[0]);
  if (std::string reason = check_sizes(a, kThinMaxDepth); !reason.empty()) return reason;
  return read_epilogue(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kScaledExtras, epilogue);
}

class ConvThin final : public Kernel {
 public:
  ConvThin(const Problem& p, int tile, const ThinArgs& args, ProductEpilogue epilogue)
      : type_(elem_of(p.inputs[0].dtype)),
        tile_(tile),
        multiprocessors_(info_of(p).multiprocessors),
        scaled_(p.node->op == "ScaledConv"),
        args_(args),
        epilogue_(std::move(epilogue)) {
    epilogue_.prepare(p);
    weights_ = packed_constant(p, 1, "thin",
                               [this](const ir::Tensor& w) { return pack_weights(args_.depth, args_.columns, w); });
    args_.w = weights_.get();
  }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    ThinArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    if (scaled_) a.scale = args.inputs[kScale];
    a.vectors = (reinterpret_cast<uintptr_t>(a.x) | reinterpret_cast<uintptr_t>(a.y)) % 16 == 0;
    a.epilogue = epilogue_.bind(args);
    TENON_CUDA(conv_thin(a, type_, tile_, multiprocessors_, stream_of(args)));
  }

 private:
  Elem type_;
  int tile_, multiprocessors_;
  bool scaled_;
  ThinArgs args_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

using Read = std::string (*)(const Problem&, ThinArgs&, ProductEpilogue&);

template <int kTile, Read read_problem>
KernelDef variant(std::string_view name, std::string_view op, uint32_t pitched) {
  return {name, op,
          [](const Problem& p) {
            ThinArgs a;
            ProductEpilogue epilogue;
            if (std::string reason = read_problem(p, a, epilogue); !reason.empty()) return Support::no(reason);
            const double padded =
                double((a.columns + 31) / 32 * 32) * double((a.depth + 31) / 32 * 32) * double(a.rows);
            return Support::yes(estimate_us(p, 2 * padded, 0.3) * (kTile == 16 ? 1 : 1.01));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            ThinArgs a;
            ProductEpilogue epilogue;
            const std::string reason = read_problem(p, a, epilogue);
            require(reason.empty(), ErrorCode::kInternal, reason);
            return std::make_unique<ConvThin>(p, kTile, a, std::move(epilogue));
          },
          pitched};
}

}  // namespace

std::vector<KernelDef> conv_thin() {
  return {variant<16, read<16>>("conv_thin_16", "Conv", kConvPitched),
          variant<32, read<32>>("conv_thin_32", "Conv", kConvPitched),
          variant<16, read_scaled>("scaled_conv_thin", "ScaledConv", kScaledPitched)};
}

}  // namespace tenon::cuda
