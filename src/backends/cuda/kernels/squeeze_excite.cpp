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

/// Everything but addresses.
SqueezeExciteArgs arguments(const Problem& p) {
  const TensorDesc& x = p.inputs[0];
  SqueezeExciteArgs a{};
  a.batch = int(x.dims[0]);
  a.channels = int(x.dims.back());
  a.positions = 1;
  for (size_t i = 1; i + 1 < x.dims.size(); ++i) a.positions *= int(x.dims[i]);
  a.x_pitch = x.pitch;
  a.hidden = int(multiple(p.inputs[kW1].dims[0]));
  a.parts = info_of(p).sm >= 90 ? kExciteParts : 1;
  a.slice = int(multiple((a.channels + a.parts - 1) / a.parts));
  return a;
}

/// w[from row, from column] at [channel][hidden], zeros beyond. T has the size of the elements.
template <class T>
std::vector<std::byte> pack(const ir::Tensor& w, const SqueezeExciteArgs& a, bool channels_are_rows) {
  std::vector<std::byte> bytes(size_t(a.parts) * size_t(a.slice) * size_t(a.hidden) * sizeof(T));
  T* const to = reinterpret_cast<T*>(bytes.data());
  const T* const from = w.as<T>();
  const int64_t rows = w.dims()[0], columns = w.dims()[1];
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k)
      to[channels_are_rows ? r * a.hidden + k : k * a.hidden + r] = from[r * columns + k];
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
  explicit SqueezeExcite(const Problem& p) : type_(elem_of(p.inputs[0].dtype)), args_(arguments(p)) {
    const std::string reason = read_epilogues(p, inner_, outer_);
    require(reason.empty(), ErrorCode::kInternal, reason);
    inner_.prepare(p);
    outer_.prepare(p);
    w1_ = packed(p, kW1, false);
    w2_ = packed(p, kW2, true);
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
  std::shared_ptr<const void> packed(const Problem& p, size_t input, bool channels_are_rows) const {
    const std::string format = cat("squeeze_excite ", args_.parts, " parts, ", channels_are_rows ? "rows" : "columns");
    return packed_constant(p, input, format, [&](const ir::Tensor& w) {
      return type_ == Elem::kF32 ? pack<uint32_t>(w, args_, channels_are_rows)
                                 : pack<uint16_t>(w, args_, channels_are_rows);
    });
  }

  Elem type_;
  SqueezeExciteArgs args_;
  ProductEpilogue inner_, outer_;
  std::shared_ptr<const void> w1_, w2_;
};

Support supports(const Problem& p) {
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
  const int64_t shared = squeeze_excite_shared(arguments(p), elem_of(x.dtype));
  if (shared > info_of(p).shared_bytes)
    return Support::no(shared, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  return Support::yes(estimate_us(p, 0, 0.7) + 1);
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<SqueezeExcite>(p); }

}  // namespace

std::vector<KernelDef> squeeze_excite() { return {{"squeeze_excite", "SqueezeExcite", supports, prepare, 1u}}; }

}  // namespace tenon::cuda
