// Pooling. A window over everything is a reduction; others are computed position by position.
#include "backends/pool_geometry.h"

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/pool.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/prepared_reduce.h"
#include "backends/cuda/kernels/strided_copy.h"

namespace tenon::cuda {
namespace {

using ops::PoolAttrs;
using ops::PoolKind;

bool wants_indices(const Problem& p) { return p.outputs.size() > 1 && p.outputs[1].dtype != ir::DType::kUndefined; }

class PoolKernel final : public Kernel {
 public:
  explicit PoolKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)), indices_(wants_indices(p)) {
    const auto& a = p.attrs<PoolAttrs>();
    const PoolGeometry g = pool_geometry_of(p);
    params_.column_major = a.storage_order == 1;
    params_.channels_last = a.channels_last;
    params_.rule = PoolRule(int(a.kind));
    params_.count_pads = a.count_include_pad;
    params_.p = float(a.p);
    params_.results = uint32_t(p.outputs[0].count());
    params_.channels = Divisor(std::max<int64_t>(g.channels, 1));
    params_.x_pitch = p.inputs[0].pitch;
    params_.y_pitch = p.outputs[0].pitch;
    for (size_t i = 0; i < PoolGeometry::kAxes; ++i) {
      const PoolAxis& from = g.axes[i];
      PoolAxisParams& to = params_.axes[i];
      to.in = int(from.in);
      to.kernel = int(from.kernel);
      to.stride = int(from.stride);
      to.dilation = int(from.dilation);
      to.begin = int(from.begin);
      to.end = int(from.end);
      to.out = Divisor(std::max<int64_t>(from.out, 1));
    }
  }
  void run(const RunArgs& args) const override {
    PoolParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    if (indices_) p.indices = static_cast<int64_t*>(args.outputs[1]);
    TENON_CUDA(pool(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  bool indices_;
  PoolParams params_;
};

Support supports_any(const Problem& p) {
  const auto& a = p.attrs<PoolAttrs>();
  if (!is_elem(p.inputs[0].dtype) || p.outputs[0].dtype != p.inputs[0].dtype)
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  if (p.inputs[0].dims.size() < 3 || p.inputs[0].dims.size() > 2 + PoolGeometry::kAxes)
    return Support::no("1 to 3 spatial axes are pooled, x is ", p.inputs[0].dims);
  if (!a.channels_last && !p.all_dense()) return Support::no("planes must be dense");
  if (wants_indices(p) && !p.all_dense()) return Support::no("operands must be dense where indices are wanted");
  if (p.inputs[0].count() > kMaxElements || p.outputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  for (const PoolAxis& axis : pool_geometry_of(p).axes)
    for (int64_t v : {axis.kernel, axis.stride, axis.dilation, axis.begin, axis.end})
      if (v < 0 || v > 1 << 20) return Support::no("a window parameter is ", v, ", accepted are 0 to ", 1 << 20);
  return Support::yes(estimate_us(p, 0, 1));
}

ReduceParams whole_window(const Problem& p) {
  const auto& a = p.attrs<PoolAttrs>();
  const PoolGeometry g = pool_geometry_of(p);
  ReduceParams r;
  r.rule = a.kind == PoolKind::kMax       ? ReduceRule::kMax
           : a.kind == PoolKind::kAverage ? ReduceRule::kMean
           : a.p == 1                     ? ReduceRule::kL1
                                          : ReduceRule::kL2;
  const int64_t positions = g.positions_in();
  r.results = uint32_t(p.outputs[0].count());
  r.count = uint32_t(positions);
  r.combined = extents_of({positions});
  if (a.channels_last && g.channels > 1) {
    r.columns = uint32_t(g.channels);
    r.kept = extents_of({g.batch});
    r.kept_strides = strides_of({positions * p.inputs[0].pitch});
    r.combined_strides = strides_of({p.inputs[0].pitch});
  } else {
    const int64_t step = a.channels_last ? p.inputs[0].pitch : 1;
    r.kept = extents_of({g.batch * g.channels});
    r.kept_strides = strides_of({positions * step});
    r.combined_strides = strides_of({step});
  }
  return r;
}

std::unique_ptr<Kernel> prepare_whole(const Problem& p) { return std::make_unique<PreparedReduce>(p, whole_window(p)); }

Support supports_whole(const Problem& p) {
  const Support s = supports_any(p);
  if (!s.ok) return s;
  if (wants_indices(p)) return Support::no("indices of maxima are wanted");
  if (!p.outputs[0].dense()) return Support::no("the result must be dense");
  if (p.outputs[0].count() == 0 || p.inputs[0].count() == 0) return Support::no("there are no elements");
  const auto& a = p.attrs<PoolAttrs>();
  if (a.kind == PoolKind::kLp && a.p > 2) return Support::no("p is ", a.p, ", accepted are 1 and 2");
  const PoolGeometry g = pool_geometry_of(p);
  for (const PoolAxis& axis : g.axes)
    if (axis.out != 1 || axis.kernel != axis.in || axis.begin || axis.end || axis.dilation != 1)
      return Support::no("the window does not cover all positions");
  return s;
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> pool() {
  return {{"pool_whole", "Pool", supports_whole, prepare_whole, 1u},
          {"pool_windows", "Pool",
           [](const Problem& p) {
             return supports_whole(p).ok ? Support::no("the window covers all positions") : supports_any(p);
           },
           make<PoolKernel>, 1u | 1u << 16}};
}

}  // namespace tenon::cuda
