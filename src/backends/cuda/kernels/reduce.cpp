// Reduce along any axes.
#include "ops/math/reduce.h"

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/reduce.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/strided_copy.h"
#include "backends/reduce_layout.h"

namespace tenon::cuda {
namespace {

/// Walks as Extents and Strides.
struct Walk {
  ir::Dims sizes, strides;
  explicit Walk(const std::vector<ReduceAxis>& axes) {
    for (const ReduceAxis& a : axes) add(a);
  }
  void add(const ReduceAxis& a) {
    sizes.push_back(a.size);
    strides.push_back(a.stride);
  }
};

class ReduceKernel final : public Kernel {
 public:
  explicit ReduceKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const ReduceLayout l = reduce_layout_of(p);
    Walk kept(l.kept), combined(l.combined);
    params_.rule = ReduceRule(int(p.attrs<ops::ReduceAttrs>().kind));
    params_.results = uint32_t(p.outputs[0].count());
    params_.count = uint32_t(l.count);
    // Few neighbours with few elements each are results like any other.
    if (!l.inner_combined && l.inner.size < 32 && l.count < 16)
      kept.add(l.inner);
    else if (!l.inner_combined)
      params_.columns = uint32_t(l.inner.size);
    else if (l.inner.size > 1)
      combined.add(l.inner);
    params_.kept = extents_of(kept.sizes);
    params_.kept_strides = strides_of(kept.strides);
    params_.combined = extents_of(combined.sizes);
    params_.combined_strides = strides_of(combined.strides);
  }
  int64_t workspace_bytes() const override {
    const int splits = reduce_splits(params_);
    return splits > 1 ? int64_t(splits) * params_.results * 8 : 0;
  }
  void run(const RunArgs& args) const override {
    ReduceParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    p.partial = static_cast<float*>(args.workspace);
    TENON_CUDA(reduce(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  ReduceParams params_;
};

Support supports(const Problem& p) {
  if (!is_elem(p.inputs[0].dtype) || p.outputs[0].dtype != p.inputs[0].dtype)
    return Support::no("elements are ", p.inputs[0].dtype, " and ", p.outputs[0].dtype,
                       ", accepted are f32, bf16 and f16 on both sides");
  if (!p.outputs[0].dense()) return Support::no("the result must be dense");
  if (p.inputs[0].count() == 0) return Support::no("there are no elements");
  if (p.inputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  const ReduceLayout l = reduce_layout_of(p);
  if (l.kept.size() + 1 > size_t(kAxes) || l.combined.size() + 1 > size_t(kAxes))
    return Support::no("more than ", kAxes, " axes are walked");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> reduce() {
  return {{"reduce_axes", "Reduce", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ReduceKernel>(p); }, 1}};
}

}  // namespace tenon::cuda
