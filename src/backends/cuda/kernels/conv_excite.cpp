// ConvExcite: a depthwise convolution that leaves the sums of its results, and a small kernel for the products. Where
// the convolution leaves none, and for SqueezeExcite, a kernel between them adds up the results.
#include "ops/fused/conv_excite.h"

#include <algorithm>

#include "backends/cuda/device/excite_products.h"
#include "backends/cuda/device/index.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/depthwise_plan.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/fused/squeeze_excite.h"

namespace tenon::cuda {
namespace {

constexpr int kMultiple = 8;
constexpr int64_t kMaxWidth = 1 << 12;  ///< three numbers for each fit the shared memory that every GPU has
constexpr int kFloats = 4096;           ///< of sums that each block of the products reads, about

int64_t multiple(int64_t n) { return (n + kMultiple - 1) / kMultiple * kMultiple; }

/// The two products: operands `first` to `first` + 3 are w1, b1, w2, b2.
class Products {
 public:
  std::string read(const Problem& p, size_t first, const std::string& inner, const std::string& outer) {
    first_ = first;
    std::string reason = inner_.read(p, inner, first + 1, p.inputs.size());
    if (reason.empty()) reason = outer_.read(p, outer, first + 3, p.inputs.size());
    if (reason.empty() && !(inner_.in_kernel() && outer_.in_kernel()))
      reason = cat("the activations are '", inner, "' and '", outer, "', accepted is one named function each");
    for (size_t i = first; i < first + 4 && reason.empty(); ++i)
      if (!p.constants[i]) reason = cat("operand ", i, " is not constant");
    if (!reason.empty()) return reason;
    const TensorDesc &w1 = p.inputs[first], &w2 = p.inputs[first + 2], &x = p.inputs[0];
    if (w1.dtype != x.dtype || w2.dtype != x.dtype)
      return cat("types ", x.dtype, ", ", w1.dtype, " and ", w2.dtype, ", accepted is one type");
    if (w1.dims[1] % kMultiple != 0) return cat(w1.dims[1], " channels, accepted are eights");
    if (std::max(w1.dims[0], w1.dims[1]) > kMaxWidth) return cat("more than ", kMaxWidth, " channels or hidden values");
    return {};
  }
  /// After a read() that succeeded, for images of `positions` whose sums come in `parts`.
  void prepare(const Problem& p, int64_t positions, int64_t parts) {
    inner_.prepare(p);
    outer_.prepare(p);
    const ir::Tensor& w1 = *p.constants[first_];
    args_.batch = int(p.inputs[0].dims[0]);
    args_.parts = int(parts);
    args_.positions = int(positions);
    args_.channels = int(w1.dims()[1]);
    args_.hidden = int(multiple(w1.dims()[0]));
    // Few images: more blocks each.
    args_.blocks = std::clamp(info_of(p).multiprocessors / args_.batch, 2, 8);
    most_ = info_of(p).shared_bytes;
    type_ = elem_of(p.inputs[0].dtype);
    const auto pack = [&](size_t input, const char* form) {
      return packed_constant(p, input, cat("products ", form), [&](const ir::Tensor& w) {
        const int64_t rows = w.dims()[0], columns = w.dims()[1];
        const bool is_w1 = input == first_;
        const int64_t padded = is_w1 ? columns : args_.hidden;
        std::vector<std::byte> bytes(size_t((is_w1 ? args_.hidden : rows) * padded) * 2);
        for (int64_t r = 0; r < rows; ++r)
          std::copy_n(w.as<uint16_t>() + r * columns, columns, reinterpret_cast<uint16_t*>(bytes.data()) + r * padded);
        return bytes;
      });
    };
    w1_ = pack(first_, "first");
    w2_ = pack(first_ + 2, "second");
    args_.w1 = w1_.get();
    args_.w2 = w2_.get();
  }
  int64_t sums_bytes() const { return int64_t(args_.batch) * args_.parts * args_.channels * 4; }
  ExciteProductsArgs bind(const RunArgs& args, void* y) const {
    ExciteProductsArgs a = args_;
    a.sums = static_cast<const float*>(args.workspace);
    a.y = y;
    a.inner = inner_.bind(args);
    a.outer = outer_.bind(args);
    return a;
  }
  void run(const RunArgs& args, void* y) const {
    TENON_CUDA(excite_products(bind(args, y), type_, most_, stream_of(args)));
  }

 private:
  size_t first_ = 0;
  ProductEpilogue inner_, outer_;
  ExciteProductsArgs args_{};
  Elem type_ = Elem::kF16;
  int64_t most_ = 0;
  std::shared_ptr<const void> w1_, w2_;
};

/// Parts of an image that sum_positions() does.
int64_t parts_of(int64_t positions, int64_t channels) {
  return std::clamp<int64_t>(kFloats / channels, 1, std::max<int64_t>(1, positions / 4));
}

constexpr size_t kFirstOfConv = 3, kFirstOfExcite = 1;

std::string read(const Problem& p, ConvShape& s, ProductEpilogue& epilogue, Products& products) {
  const auto& a = p.attrs<ops::ConvExciteAttrs>();
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  if (x.dtype != ir::DType::kF16 && x.dtype != ir::DType::kBF16)
    return cat("elements are ", x.dtype, ", accepted are f16 and bf16");
  for (const TensorDesc* t : {&w, &y, &p.outputs[1]})
    if (t->dtype != x.dtype) return cat("types ", x.dtype, " and ", t->dtype, ", accepted is one type");
  if (!p.constants[1]) return "weights are not constant";
  if (x.count() == 0 || y.count() == 0) return "an operand is empty";
  if (x.count() / x.dims.back() * x.pitch > kMaxElements || y.count() / y.dims.back() * y.pitch > kMaxElements)
    return "an operand has 2^31 elements or more";
  s.batch = x.dims[0];
  s.c = s.n = s.group = x.dims.back();
  s.x_pitch = x.pitch;
  s.y_pitch = y.pitch;
  s.channels_last = s.x_channels_last = true;
  for (size_t i = 0; i < 2; ++i) {
    s.in[i + 1] = x.dims[i + 1];
    s.out[i + 1] = y.dims[i + 1];
    s.kernel[i + 1] = w.dims[i + 2];
    s.stride[i + 1] = a.strides[i];
    s.pad[i + 1] = a.pads[i];
  }
  if (s.batch > 65535) return cat(s.batch, " images, accepted are 65535");
  if (std::string reason = refuse_depthwise(s); !reason.empty()) return reason;
  if (s.x_pitch % kMultiple || s.y_pitch % kMultiple)
    return cat("pitches ", s.x_pitch, " and ", s.y_pitch, ", accepted are eights");
  if (std::string reason = epilogue.read(p, a.epilogue, kConvBias, p.inputs.size()); !reason.empty()) return reason;
  if (!epilogue.in_kernel()) return cat("the epilogue is '", a.epilogue, "'");
  return products.read(p, kFirstOfConv, a.inner, a.outer);
}

/// `tiling` has no rows where a kernel between adds up the results.
class ConvExcite final : public Kernel {
 public:
  ConvExcite(const Problem& p, const ConvShape& s, const DepthwiseTiling& tiling, ProductEpilogue epilogue,
             Products products)
      : type_(elem_of(p.inputs[0].dtype)),
        shape_(s),
        tiling_(tiling),
        args_(depthwise_args(p, s, type_, weights_)),
        epilogue_(std::move(epilogue)),
        products_(std::move(products)) {
    epilogue_.prepare(p);
    const int64_t positions = s.out[1] * s.out[2];
    products_.prepare(p, positions,
                      tiling.rows > 0 ? depthwise_tiles(tiling, s.out[1], s.out[2]) : parts_of(positions, s.c));
  }
  int64_t workspace_bytes() const override { return products_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    DepthwiseArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    float* const sums = static_cast<float*>(args.workspace);
    const bool aligned = (reinterpret_cast<uintptr_t>(a.x) | reinterpret_cast<uintptr_t>(a.y)) % 16 == 0;
    if (tiling_.rows > 0 && aligned) {
      a.tile_sums = sums;
      TENON_CUDA(run_depthwise_tiled(a, type_, shape_, tiling_, stream_of(args)));
    } else {
      TENON_CUDA(conv_depthwise(a, type_, int(shape_.kernel[1]), int(shape_.stride[1]), 4, stream_of(args)));
      TENON_CUDA(sum_positions(a.y, a.y_pitch, products_.bind(args, nullptr), sums, type_, stream_of(args)));
    }
    products_.run(args, args.outputs[1]);
  }

 private:
  Elem type_;
  ConvShape shape_;
  DepthwiseTiling tiling_;
  std::shared_ptr<const void> weights_;
  DepthwiseArgs args_;
  ProductEpilogue epilogue_;
  Products products_;
};

template <int kRows, int kStrips>
KernelDef conv_variant(std::string_view name) {
  return {name, "ConvExcite",
          [](const Problem& p) {
            ConvShape s;
            ProductEpilogue epilogue;
            Products products;
            std::string reason = read(p, s, epilogue, products);
            if (reason.empty() && kRows > 0) {
              if (epilogue.form().act != Act::kSilu || epilogue.form().join != Join::kNone)
                reason = "accepted is SiLU";
              else
                reason = epilogue.refuse_early_bias();
              if (reason.empty()) reason = refuse_depthwise_tiled(p, s, false, kRows, kStrips);
            }
            if (!reason.empty()) return Support::no(reason);
            return Support::yes(estimate_us(p, 0, 1) * (kRows > 0 ? 1 : 3));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            ConvShape s;
            ProductEpilogue epilogue;
            Products products;
            const std::string reason = read(p, s, epilogue, products);
            require(reason.empty(), ErrorCode::kInternal, reason);
            DepthwiseTiling tiling{0, 0, 0, 0};
            if (kRows > 0) tiling = depthwise_tiling(s, false, kRows, kStrips);
            return std::make_unique<ConvExcite>(p, s, tiling, std::move(epilogue), std::move(products));
          },
          1u};
}

int64_t positions_of(const TensorDesc& x) { return x.count() / x.dims[0] / x.dims.back(); }

std::string read_excite(const Problem& p, Products& products) {
  const auto& a = p.attrs<ops::SqueezeExciteAttrs>();
  const TensorDesc& x = p.inputs[0];
  if (x.dtype != ir::DType::kF16 && x.dtype != ir::DType::kBF16)
    return cat("elements are ", x.dtype, ", accepted are f16 and bf16");
  if (p.outputs[0].dtype != x.dtype) return cat("the result is ", p.outputs[0].dtype);
  if (x.count() == 0 || x.count() / x.dims.back() * x.pitch > kMaxElements)
    return cat("x has ", x.count(), " elements, accepted are 1 to ", kMaxElements);
  if (x.dims[0] > 65535) return cat(x.dims[0], " images, accepted are 65535");
  if (x.pitch % kMultiple != 0) return cat("a pitch of ", x.pitch, ", accepted are eights");
  return products.read(p, kFirstOfExcite, a.inner, a.outer);
}

class ExciteByParts final : public Kernel {
 public:
  ExciteByParts(const Problem& p, Products products)
      : type_(elem_of(p.inputs[0].dtype)), x_pitch_(p.inputs[0].pitch), products_(std::move(products)) {
    const int64_t positions = positions_of(p.inputs[0]);
    products_.prepare(p, positions, parts_of(positions, p.inputs[0].dims.back()));
  }
  int64_t workspace_bytes() const override { return products_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    TENON_CUDA(sum_positions(args.inputs[0], x_pitch_, products_.bind(args, nullptr),
                             static_cast<float*>(args.workspace), type_, stream_of(args)));
    products_.run(args, args.outputs[0]);
  }

 private:
  Elem type_;
  int64_t x_pitch_;
  Products products_;
};

}  // namespace

std::vector<KernelDef> conv_excite() {
  return {conv_variant<16, 1>("conv_excite_16_1"), conv_variant<16, 2>("conv_excite_16_2"),
          conv_variant<8, 1>("conv_excite_8_1"),   conv_variant<8, 2>("conv_excite_8_2"),
          conv_variant<4, 2>("conv_excite_4_2"),   conv_variant<2, 1>("conv_excite_2_1"),
          conv_variant<0, 0>("conv_excite_plain")};
}

std::vector<KernelDef> squeeze_excite_parts() {
  return {{"squeeze_excite_parts", "SqueezeExcite",
           [](const Problem& p) {
             Products products;
             const std::string reason = read_excite(p, products);
             return reason.empty() ? Support::yes(estimate_us(p, 0, 0.7) + 2) : Support::no(reason);
           },
           [](const Problem& p) -> std::unique_ptr<Kernel> {
             Products products;
             const std::string reason = read_excite(p, products);
             require(reason.empty(), ErrorCode::kInternal, reason);
             return std::make_unique<ExciteByParts>(p, std::move(products));
           },
           1u}};
}

}  // namespace tenon::cuda
