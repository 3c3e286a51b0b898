// ScaledConv on Hopper's tensor cores, for few pixels or many channels: the kernel of gemm_split.h, whose left operand
// meets its factors in registers.
#include "backends/cuda/device/index.h"
#include "backends/cuda/device/scaled_conv.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/gemm_plan.h"
#include "backends/cuda/kernels/variants.h"
#include "ops/fused/scaled_conv.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 2, kScale = 3, kExtras = 4;

/// All but addresses.
GemmArgs gemm_args(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  GemmArgs g;
  g.a_pitch = x.pitch;
  g.depth = int(x.dims.back());
  g.b_pitch = packed_pitch(g.depth);
  g.b_constant = true;
  g.y_pitch = y.pitch;
  g.rows = int(y.count() / y.dims.back());
  g.columns = int(y.dims.back());
  return g;
}
RowFactors factors_of(const Problem& p) {
  return {nullptr, Divisor(p.outputs[0].count() / p.outputs[0].dims.back() / p.inputs[0].dims[0]),
          int(p.inputs[0].dims.back())};
}

std::string read(const Problem& p, GemmArgs& g, ProductEpilogue& epilogue) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!is_elem(x.dtype) || x.dtype == ir::DType::kF32)
    return cat("elements are ", x.dtype, ", accepted are f16 and bf16");
  for (const TensorDesc* t : {&p.inputs[1], &p.inputs[kScale], &y})
    if (t->dtype != x.dtype) return cat("types ", x.dtype, " and ", t->dtype, ", accepted is one type");
  if (!p.constants[1]) return "weights are not constant";
  if (x.count() == 0 || y.count() == 0) return "an operand is empty";
  if (y.count() / y.dims.back() * std::max(x.pitch, y.pitch) > kMaxElements)
    return "an operand has 2^31 elements or more";
  g = gemm_args(p);
  if (std::string reason = epilogue.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras); !reason.empty())
    return reason;
  if (g.depth % 8 != 0) return cat(g.depth, " channels, accepted are eights");
  return refuse_split(g, false, true, epilogue);
}

class ScaledConvSplit final : public Kernel {
 public:
  ScaledConvSplit(const Problem& p, const GemmVariant& variant, const GemmArgs& args, ProductEpilogue epilogue)
      : variant_(variant),
        args_(args),
        factors_(factors_of(p)),
        type_(elem_of(p.inputs[0].dtype)),
        device_(info_of(p)),
        epilogue_(std::move(epilogue)) {
    epilogue_.prepare(p);
    const int64_t depth = args.depth;
    weights_ = packed_rows(p, 1, "matrix of columns", args.columns, depth,
                           [=](int64_t column, int64_t k) { return column * depth + k; });
    args_.b = weights_.get();
  }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    GemmArgs g = args_;
    g.a = args.inputs[0];
    g.y = args.outputs[0];
    g.epilogue = epilogue_.bind(args);
    if (!gemm_tma_takes(g, false)) {
      TENON_CUDA(scaled_conv(plain_args(g, args.inputs[kScale]), type_, stream_of(args)));
      return;
    }
    RowFactors factors = factors_;
    factors.values = args.inputs[kScale];
    TENON_CUDA(
        gemm_split_scaled(g, factors, type_, variant_.number, variant_.cluster, device_.shared_bytes, stream_of(args)));
  }

 private:
  /// For addresses that the copy engine does not take.
  ScaledConvArgs plain_args(const GemmArgs& g, const void* scale) const {
    ScaledConvArgs a{};
    a.x = g.a;
    a.w = g.b;
    a.w_pitch = g.b_pitch;
    a.scale = scale;
    a.y = g.y;
    a.results = uint32_t(g.rows) * uint32_t(g.columns);
    a.depth = g.depth;
    a.columns = Divisor(g.columns);
    a.pixels = factors_.pixels;
    a.x_pitch = g.a_pitch;
    a.y_pitch = g.y_pitch;
    a.epilogue = g.epilogue;
    return a;
  }

  GemmVariant variant_;
  GemmArgs args_;
  RowFactors factors_;
  Elem type_;
  const DeviceInfo& device_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

template <int kNumber>
KernelDef variant() {
  static constexpr int kVariant = kGemmVariantCount + kNumber;
  return {variant_name("scaled_conv", gemm_variant(kVariant)), "ScaledConv",
          [](const Problem& p) {
            GemmArgs g;
            ProductEpilogue epilogue;
            std::string reason = read(p, g, epilogue);
            double cost = 0;
            if (reason.empty()) reason = rank_variant(p, {g.rows, g.columns, g.depth}, kVariant, cost);
            return reason.empty() ? Support::yes(cost) : Support::no(reason);
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            GemmArgs g;
            ProductEpilogue epilogue;
            const std::string reason = read(p, g, epilogue);
            require(reason.empty(), ErrorCode::kInternal, reason);
            return std::make_unique<ScaledConvSplit>(p, gemm_variant(kVariant), g, std::move(epilogue));
          },
          0x1fff1};
}

}  // namespace

std::vector<KernelDef> scaled_conv_split() {
  return []<int... i>(std::integer_sequence<int, i...>) { return std::vector<KernelDef>{variant<i>()...}; }
  (std::make_integer_sequence<int, kScaledTileCount * kMostSplits>());
}

}  // namespace tenon::cuda
