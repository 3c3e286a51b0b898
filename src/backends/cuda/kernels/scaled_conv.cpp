// ScaledConv where no faster kernel does it: a result a thread, or the scaled input and then a product.
#include "ops/fused/scaled_conv.h"

#include <algorithm>

#include "backends/cuda/device/index.h"
#include "backends/cuda/device/scaled_conv.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/gemm_plan.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 2, kScale = 3, kExtras = 4;
/// Operands that may have a pitch: x, the epilogue's operands, y.
constexpr uint32_t kPitched = 0x1fff1;

class ScaledConv final : public Kernel {
 public:
  explicit ScaledConv(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    const std::string reason = epilogue_.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    args_.results = uint32_t(y.count());
    args_.depth = int(x.dims.back());
    args_.columns = Divisor(y.dims.back());
    args_.pixels = Divisor(y.count() / y.dims.back() / y.dims[0]);
    args_.x_pitch = x.pitch;
    args_.w_pitch = args_.depth;
    args_.y_pitch = y.pitch;
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    ScaledConvArgs a = args_;
    a.x = args.inputs[0];
    a.w = args.inputs[1];
    a.scale = args.inputs[kScale];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    TENON_CUDA(scaled_conv(a, type_, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  Elem type_;
  ScaledConvArgs args_{};
  ProductEpilogue epilogue_;
};

Support supports(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!is_elem(x.dtype)) return Support::no("elements are ", x.dtype, ", accepted are f32, bf16 and f16");
  for (const TensorDesc* t : {&p.inputs[1], &p.inputs[kScale], &y})
    if (t->dtype != x.dtype) return Support::no("types ", x.dtype, " and ", t->dtype, ", accepted is one type");
  if (y.count() == 0 || y.count() > kMaxElements)
    return Support::no("y has ", y.count(), " elements, accepted are 1 to ", kMaxElements);
  ProductEpilogue epilogue;
  const std::string reason = epilogue.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 2.0 * double(y.count()) * double(x.dims.back()), 0.05));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<ScaledConv>(p); }

/// The product after the input was scaled, all but addresses.
GemmArgs product_args(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  GemmArgs g;
  g.a_pitch = x.dims.back();
  g.depth = int(x.dims.back());
  g.b_pitch = packed_pitch(x.dims.back());
  g.b_constant = true;
  g.y_pitch = y.pitch;
  g.sums_pitch = y.dims.back();
  g.rows = int(y.count() / y.dims.back());
  g.columns = int(y.dims.back());
  return g;
}

class ScaledProduct final : public Kernel {
 public:
  ScaledProduct(const Problem& p, GemmVariant variant)
      : variant_(variant), type_(elem_of(p.inputs[0].dtype)), device_(info_of(p)), product_(product_args(p)) {
    const TensorDesc& x = p.inputs[0];
    const std::string reason = epilogue_.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    const int64_t depth = x.dims.back();
    scaling_.results = uint32_t(x.count());
    scaling_.depth = int(depth);
    scaling_.pixels = Divisor(product_.rows / x.dims[0]);
    scaling_.x_pitch = x.pitch;
    scaling_.y_pitch = depth;
    weights_ = packed_rows(p, 1, "matrix of columns", product_.columns, depth,
                           [=](int64_t column, int64_t k) { return column * depth + k; });
    product_.b = weights_.get();
  }
  int64_t workspace_bytes() const override { return scaled_bytes() + epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    ScaledConvArgs scaling = scaling_;
    scaling.x = args.inputs[0];
    scaling.scale = args.inputs[kScale];
    scaling.y = args.workspace;
    TENON_CUDA(scale_rows(scaling, type_, stream_of(args)));
    void* const sums = static_cast<std::byte*>(args.workspace) + scaled_bytes();
    GemmArgs g = product_;
    g.a = args.workspace;
    g.y = args.outputs[0];
    if (!epilogue_.in_kernel()) g.sums = static_cast<float*>(sums);
    g.epilogue = epilogue_.bind(args);
    TENON_CUDA(run_variant(variant_, g, type_, GemmOperands::kRows, device_, stream_of(args)));
    epilogue_.finish(args, sums);
  }

 private:
  int64_t scaled_bytes() const { return (int64_t(scaling_.results) * 2 + 255) / 256 * 256; }

  GemmVariant variant_;
  Elem type_;
  const DeviceInfo& device_;
  ScaledConvArgs scaling_{};
  GemmArgs product_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

/// The numbers of the products' variants: of three tiles that every GPU has, and of those for few tiles.
constexpr int kProducts[] = {0, 2 * 4, 5 * 4, kFirstSmallVariant, kFirstSmallVariant + 3, kFirstSmallVariant + 6};

std::string refuse_product(const Problem& p, int number, double& cost_us) {
  const TensorDesc& x = p.inputs[0];
  if (x.dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!p.constants[1]) return "weights are not constant";
  if (x.dims.back() % 8 != 0) return cat(x.dims.back(), " channels, accepted are eights");
  if (x.count() > kMaxElements) return cat("x has ", x.count(), " elements");
  const GemmArgs g = product_args(p);
  if (gemm_variant(number).kind == GemmKind::kSmall) {
    ProductEpilogue epilogue;
    std::string reason = epilogue.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
    if (reason.empty()) reason = refuse_small(g, epilogue);
    if (!reason.empty()) return reason;
  }
  return rank_variant(p, {g.rows, g.columns, g.depth}, number, cost_us);
}

template <int kProduct>
KernelDef product() {
  constexpr int kNumber = kProducts[kProduct];
  return {variant_name("scaled_conv_product", gemm_variant(kNumber)), "ScaledConv",
          [](const Problem& p) {
            if (Support s = supports(p); !s.ok) return s;
            double cost = 0;
            if (std::string reason = refuse_product(p, kNumber, cost); !reason.empty()) return Support::no(reason);
            return Support::yes(cost + estimate_us(p, 0, 1));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            return std::make_unique<ScaledProduct>(p, gemm_variant(kNumber));
          },
          kPitched};
}

}  // namespace

std::vector<KernelDef> scaled_conv() {
  return {product<0>(),
          product<1>(),
          product<2>(),
          product<3>(),
          product<4>(),
          product<5>(),
          {"scaled_conv", "ScaledConv", supports, prepare, kPitched}};
}

}  // namespace tenon::cuda
