// Operators that write places that an index tensor names: ScatterND, ScatterElements, MaxUnpool, TensorScatter.
#include "ops/data/scatter.h"

#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/scatter.h"
#include "backends/cuda/kernels/plain.h"
#include "backends/cuda/kernels/strided_copy.h"
#include "base/checked.h"
#include "ops/data/max_unpool.h"
#include "ops/data/tensor_scatter.h"

namespace tenon::cuda {
namespace {

using ir::DType;

int64_t rounded(int64_t bytes) { return (bytes + 255) / 256 * 256; }

ops::ScatterReduction reduction_of(const Problem& p) {
  return p.node->op == "ScatterND" ? p.attrs<ops::ScatterNdAttrs>().reduction
                                   : p.attrs<ops::ScatterElementsAttrs>().reduction;
}

class ScatterKernel : public Kernel {
 public:
  explicit ScatterKernel(const Problem& p) : bytes_(int(element_bytes(p.inputs[0].dtype))) {
    const ir::Dims& x = p.inputs[0].dims;
    params_.rule = ScatterRule(int(reduction_of(p)));
    params_.type = plain_of(p.inputs[0].dtype).value_or(Plain::kF32);
    params_.index.wide = p.inputs[1].dtype == DType::kI64;
    int64_t inner = 1;
    if (p.node->op == "ScatterND") {
      const int64_t depth = p.inputs[1].dims.back();
      params_.depth = int(depth);
      for (size_t d = size_t(depth); d < x.size(); ++d) inner *= x[d];
      int64_t stride = 1;
      for (size_t d = size_t(depth); d-- > 0; stride *= x[d]) {
        params_.extents[d] = int(x[d]);
        params_.strides[d] = stride;
      }
      params_.update_count = uint32_t(p.inputs[1].count() / depth);
    } else {
      const int64_t given = p.attrs<ops::ScatterElementsAttrs>().axis;
      const size_t axis = size_t(given < 0 ? given + int64_t(x.size()) : given);
      ir::Dims strides = element_strides(p.inputs[0]);
      params_.extents[0] = int(x[axis]);
      params_.axis_stride = strides[axis];
      params_.update_count = uint32_t(p.inputs[1].count());
      strides[axis] = 0;
      if (params_.update_count > 0) {
        params_.walk = extents_of(p.inputs[1].dims);
        params_.walk_strides = strides_of(strides);
      }
    }
    params_.inner = Divisor(std::max<int64_t>(inner, 1));
    params_.places = uint32_t(inner ? p.inputs[0].count() / inner : 0);
    if (inner == 0) params_.update_count = 0;
  }
  int64_t workspace_bytes() const override {
    return rounded(int64_t(params_.places) * 4) + int64_t(params_.update_count) * 4;
  }
  void run(const RunArgs& args) const override {
    ScatterParams p = params_;
    p.data = args.inputs[0];
    p.index.data = args.inputs[1];
    p.updates = args.inputs[2];
    run_on(p, args);
  }

 protected:
  ScatterKernel(int bytes, ScatterParams params) : bytes_(bytes), params_(params) {}
  void run_on(ScatterParams p, const RunArgs& args) const {
    p.y = args.outputs[0];
    p.head = static_cast<int*>(args.workspace);
    p.next = reinterpret_cast<int*>(static_cast<char*>(args.workspace) + rounded(int64_t(p.places) * 4));
    TENON_CUDA(cuda::scatter(p, bytes_, stream_of(args)));
  }

  int bytes_;
  ScatterParams params_;
};

/// Dims of what the indices of MaxUnpool count, which a given shape of the result may exceed.
ir::Dims unpooled(const Problem& p) {
  const auto& a = p.attrs<ops::MaxUnpoolAttrs>();
  ir::Dims dims = p.inputs[0].dims;
  const size_t n = a.kernel_shape.size();
  for (size_t i = 0; i < n; ++i)
    dims[2 + i] = (dims[2 + i] - 1) * a.strides[i] + a.kernel_shape[i] - a.pads[i] - a.pads[n + i];
  return dims;
}

class Unpool final : public ScatterKernel {
 public:
  explicit Unpool(const Problem& p) : ScatterKernel(int(element_bytes(p.inputs[0].dtype)), params_of(p)) {}
  bool reads_constant(size_t input) const override { return input < 2; }
  void run(const RunArgs& args) const override {
    ScatterParams p = params_;
    p.updates = args.inputs[0];
    p.index.data = args.inputs[1];
    run_on(p, args);
  }

 private:
  static ScatterParams params_of(const Problem& p) {
    ScatterParams params;
    const ir::Dims inner = unpooled(p);
    params.index.wide = p.inputs[1].dtype == DType::kI64;
    params.extents[0] = int(checked_product(inner));
    params.update_count = uint32_t(p.inputs[0].count());
    params.places = uint32_t(p.outputs[0].count());
    params.walk = extents_of(inner);
    params.walk_strides = strides_of(element_strides(p.outputs[0]));
    params.walk_index = true;
    return params;
  }
};

Support supports_common(const Problem& p, size_t index) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.has_input(index) && p.inputs[index].dtype != DType::kI64 && p.inputs[index].dtype != DType::kI32)
    return Support::no("indices are ", p.inputs[index].dtype, ", accepted are i32 and i64");
  for (const TensorDesc& d : p.inputs)
    if (d.dtype != DType::kUndefined && d.count() > kMaxElements)
      return Support::no("an operand has ", d.count(), " elements, accepted are ", kMaxElements);
  if (p.inputs[0].dims.empty()) return Support::no("a scalar has no axis");
  if (p.inputs[0].dims.size() > size_t(kAxes))
    return Support::no("the data have ", p.inputs[0].dims.size(), " axes, accepted are ", kAxes);
  return Support::yes(estimate_us(p, 0, 1));
}

Support supports_scatter(const Problem& p) {
  const Support s = supports_common(p, 1);
  if (!s.ok) return s;
  if (p.node->op == "ScatterND" && (p.inputs[1].dims.empty() || p.inputs[1].dims.back() == 0))
    return Support::no("indices name no axis");
  if (reduction_of(p) != ops::ScatterReduction::kNone &&
      (!plain_of(p.inputs[0].dtype) || p.inputs[0].dtype == DType::kBool))
    return Support::no("elements of type ", p.inputs[0].dtype, " are not combined");
  return Support::yes(s.cost_us + 6);
}

Support supports_unpool(const Problem& p) {
  const Support s = supports_common(p, 1);
  if (!s.ok) return s;
  if (p.inputs[1].dims != p.inputs[0].dims) return Support::no("indices and data differ in their sizes");
  if (p.outputs[0].count() > kMaxElements)
    return Support::no("the result has ", p.outputs[0].count(), " elements, accepted are ", kMaxElements);
  const ir::Dims inner = unpooled(p);
  for (size_t d = 0; d < inner.size(); ++d)
    if (inner[d] < 1 || inner[d] > p.outputs[0].dims[d])
      return Support::no("the result ", p.outputs[0].dims, " has no room for ", inner);
  return Support::yes(s.cost_us + 6);
}

class CacheWrite final : public Kernel {
 public:
  explicit CacheWrite(const Problem& p) : bytes_(int(element_bytes(p.inputs[0].dtype))) {
    const auto& a = p.attrs<ops::TensorScatterAttrs>();
    const ir::Dims& x = p.inputs[0].dims;
    const AxisSplit s = split_at(x, a.axis), u = split_at(p.inputs[1].dims, a.axis);
    params_.y_bytes = p.inputs[0].count() * bytes_;
    params_.count = uint32_t(p.inputs[1].count());
    params_.inner = Divisor(std::max<int64_t>(s.inner, 1));
    params_.length = Divisor(std::max<int64_t>(u.size, 1));
    params_.rows_a_batch = Divisor(std::max<int64_t>(x[0] ? s.outer / x[0] : 1, 1));
    params_.room = int(s.size);
    params_.circular = a.circular;
    params_.first.wide = p.has_input(2) && p.inputs[2].dtype == DType::kI64;
    has_first_ = p.has_input(2);
  }
  void run(const RunArgs& args) const override {
    CacheWriteParams p = params_;
    p.cache = args.inputs[0];
    p.update = args.inputs[1];
    if (has_first_) p.first.data = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(cache_write(p, bytes_, stream_of(args)));
  }

 private:
  int bytes_;
  bool has_first_ = false;
  CacheWriteParams params_;
};

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> scatter() {
  return {{"scatter_chains", "ScatterND", supports_scatter, make<ScatterKernel>},
          {"scatter_chains", "ScatterElements", supports_scatter, make<ScatterKernel>},
          {"unpool_chains", "MaxUnpool", supports_unpool, make<Unpool>},
          {"cache_write", "TensorScatter", [](const Problem& p) { return supports_common(p, 2); }, make<CacheWrite>}};
}

}  // namespace tenon::cuda
