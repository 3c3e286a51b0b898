// Squeeze and excitation in one kernel, a cluster of blocks an image where the device has clusters.
#include "ops/fused/squeeze_excite.h"

#include <algorithm>

#include "backends/cuda/device/index.h"
#include "backends/cuda/device/squeeze_excite.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {
namespace {

constexpr size_t kW1 = 1, kB1 = 2, kW2 = 3, kB2 = 4, kInputs = 5;
constexpr int64_t kMaxWidth = 1 << 16;

int64_t multiple(int64_t n) { return (n + kExciteMultiple - 1) / kExciteMultiple * kExciteMultiple; }

/// Everything but addresses, for `parts` blocks an image.
SqueezeExciteArgs arguments(const Problem& p, int parts) {
  const TensorDesc& x = p.inputs[0];
  SqueezeExciteArgs a{};
  a.batch = int(x.dims[0]);
  a.channels = int(x.dims.back());
  a.positions = 1;
  for (size_t i = 1; i + 1 < x.dims.size(); ++i) a.positions *= int(x.dims[i]);
  a.x_pitch = x.pitch;
  a.hidden = int(multiple(p.inputs[kW1].dims[0]));
  a.parts = parts;
  a.slice = int(multiple((a.channels + a.parts - 1) / a.parts));
  return a;
}

/// w1 [hidden, channels] or w2 [channels, hidden] as SqueezeExciteArgs says. T has the size of the elements.
template <class T>
std::vector<std::byte> pack(const ir::Tensor& w, const SqueezeExciteArgs& a, bool is_w1) {
  std::vector<std::byte> bytes(size_t(a.parts) * size_t(a.slice) * size_t(a.hidden) * sizeof(T));
  T* const to = reinterpret_cast<T*>(bytes.data());
  const T* const from = w.as<T>();
  const int64_t rows = w.dims()[0], columns = w.dims()[1];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k)
      to[is_w1 ? (k / a.slice * a.hidden + r) * a.slice + k % a.slice : r * a.hidden + k] = from[r * columns + k];
  return bytes;
}

std::string read_epilogues(const Problem& p, ProductEpilogue& inner, ProductEpilogue& outer) {
  const auto& a = p.attrs<ops::SqueezeExciteAttrs>();
  std::string reason = inner.read(p, a.inner, kB1, kInputs);
  if (reason.empty()) reason = outer.read(p, a.outer, kB2, kInputs);
  if (reason.empty() && !(inner.in_kernel() && outer.in_kernel()))
    reason = cat("the activations are '", a.inner, "' and '", a.outer, "', accepted is one named function each");
  return reason;
}

class SqueezeExcite final : public Kernel {
 public:
  SqueezeExcite(const Problem& p, int parts) : type_(elem_of(p.inputs[0].dtype)), args_(arguments(p, parts)) {
    const std::string reason = read_epilogues(p, inner_, outer_);
    require(reason.empty(), ErrorCode::kInternal, reason);
    inner_.prepare(p);
    outer_.prepare(p);
    w1_ = packed(p, kW1, true);
    w2_ = packed(p, kW2, false);
    args_.w1 = w1_.get();
    args_.w2 = w2_.get();
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    SqueezeExciteArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.inner = inner_.bind(args);
    a.outer = outer_.bind(args);
    TENON_CUDA(squeeze_excite(a, type_, stream_of(args)));
  }

 private:
  std::shared_ptr<const void> packed(const Problem& p, size_t input, bool is_w1) const {
    const std::string format = cat("squeeze_excite ", args_.parts, " parts, ", is_w1 ? "first" : "second");
    return packed_constant(p, input, format, [&](const ir::Tensor& w) {
      return type_ == Elem::kF32 ? pack<uint32_t>(w, args_, is_w1) : pack<uint16_t>(w, args_, is_w1);
    });
  }

  Elem type_;
  SqueezeExciteArgs args_;
  ProductEpilogue inner_, outer_;
  std::shared_ptr<const void> w1_, w2_;
};

Support supports(const Problem& p, int parts) {
  const TensorDesc& x = p.inputs[0];
  if (!is_elem(x.dtype)) return Support::no("elements are ", x.dtype, ", accepted are f32, bf16 and f16");
  for (size_t i : {kW1, kW2})
    if (p.inputs[i].dtype != x.dtype)
      return Support::no("weights are ", p.inputs[i].dtype, " and x is ", x.dtype, ", accepted are equal types");
  if (p.outputs[0].dtype != x.dtype) return Support::no("the result is ", p.outputs[0].dtype);
  for (size_t i = kW1; i < kInputs; ++i)
    if (!p.constants[i]) return Support::no("operand ", i, " is not constant");
  if (x.count() == 0 || x.count() > kMaxElements)
    return Support::no("x has ", x.count(), " elements, accepted are 1 to ", kMaxElements);
  const int64_t width = std::max(x.dims.back(), p.inputs[kW1].dims[0]);
  if (width > kMaxWidth) return Support::no(width, " channels, accepted are ", kMaxWidth);
  ProductEpilogue inner, outer;
  if (std::string reason = read_epilogues(p, inner, outer); !reason.empty()) return Support::no(reason);
  const int64_t shared = squeeze_excite_shared(arguments(p, parts), elem_of(x.dtype));
  if (shared > info_of(p).shared_bytes)
    return Support::no(shared, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  return Support::yes(estimate_us(p, 0, 0.7) + 1);
}

/// A cluster of kParts blocks an image, where there are clusters: many images fill the GPU with few each.
template <int kParts>
KernelDef variant(std::string_view name) {
  return {name, "SqueezeExcite",
          [](const Problem& p) {
            if (info_of(p).sm >= 90) return supports(p, kParts);
            if (kParts != kExciteParts) return Support::no("compute capability below 9.0 has no clusters");
            return supports(p, 1);
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            return std::make_unique<SqueezeExcite>(p, info_of(p).sm >= 90 ? kParts : 1);
          },
          1u};
}

}  // namespace

std::vector<KernelDef> squeeze_excite() {
  return {variant<kExciteParts>("squeeze_excite"), variant<2>("squeeze_excite_2")};
}

}  // namespace tenon::cuda
