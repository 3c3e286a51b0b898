// Reduce along any axes.
#include "ops/math/reduce.h"

#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/prepared_reduce.h"
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

ReduceParams parameters(const Problem& p) {
  const ReduceLayout l = reduce_layout_of(p);
  ReduceParams params;
  Walk kept(l.kept), combined(l.combined);
  params.rule = ReduceRule(int(p.attrs<ops::ReduceAttrs>().kind));
  params.results = uint32_t(p.outputs[0].count());
  params.count = uint32_t(l.count);
  // Few neighbours with few elements each are results like any other.
  if (!l.inner_combined && l.inner.size < 32 && l.count < 16)
    kept.add(l.inner);
  else if (!l.inner_combined)
    params.columns = uint32_t(l.inner.size);
  else if (l.inner.size > 1)
    combined.add(l.inner);
  params.kept = extents_of(kept.sizes);
  params.kept_strides = strides_of(kept.strides);
  params.combined = extents_of(combined.sizes);
  params.combined_strides = strides_of(combined.strides);
  return params;
}

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
  return {
      {"reduce_axes", "Reduce", supports,
       [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PreparedReduce>(p, parameters(p)); },
       1}};
}

}  // namespace tenon::cuda
