// Operators that compare or accumulate along one axis: ArgMax, ArgMin, Hardmax, TopK, CumSum, CumProd.
#include "ops/math/ordering.h"

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/ordering.h"
#include "backends/cuda/device/pattern.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/plain.h"
#include "backends/strides.h"
#include "ops/shape/axis_attrs.h"

namespace tenon::cuda {
namespace {

template <class Params>
void set_axis(Params& params, const ir::Dims& dims, int64_t axis) {
  const AxisSplit s = split_at(dims, axis);
  params.outer = s.outer;
  params.size = int(s.size);
  params.inner = s.inner;
}

class ArgKernel final : public Kernel {
 public:
  explicit ArgKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const auto& a = p.attrs<ops::ArgAttrs>();
    set_axis(params_, p.inputs[0].dims, a.axis);
    params_.max = p.node->op == "ArgMax";
    params_.last = a.select_last_index;
  }
  void run(const RunArgs& args) const override {
    ArgParams p = params_;
    p.x = args.inputs[0];
    p.y = static_cast<int64_t*>(args.outputs[0]);
    TENON_CUDA(arg_extreme(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  ArgParams params_;
};

/// The place of each line's largest element, then one there and zeros elsewhere.
class HardmaxKernel final : public Kernel {
 public:
  explicit HardmaxKernel(const Problem& p)
      : type_(elem_of(p.inputs[0].dtype)), bytes_(ir::bits(p.inputs[0].dtype) / 8) {
    const ir::Dims& dims = p.inputs[0].dims;
    const int64_t axis = p.attrs<ops::AxisAttrs>().axis;
    set_axis(params_, dims, axis);
    params_.numbers = true;
    marks_.count = uint32_t(p.inputs[0].count());
    marks_.depth = Divisor(params_.size);
    marks_.inner = Divisor(params_.inner);
    ir::Tensor values(p.inputs[0].dtype, {2});
    values.set(0, 0);
    values.set(1, 1);
    values_ = upload(p, values.data().data(), size_t(values.bytes()));
  }
  int64_t workspace_bytes() const override { return params_.outer * params_.inner * int64_t(sizeof(int64_t)); }
  void run(const RunArgs& args) const override {
    ArgParams p = params_;
    p.x = args.inputs[0];
    p.y = static_cast<int64_t*>(args.workspace);
    OneHotParams m = marks_;
    m.indices = args.workspace;
    m.values = values_.get();
    m.y = args.outputs[0];
    TENON_CUDA(arg_extreme(p, type_, stream_of(args)));
    TENON_CUDA(one_hot(m, bytes_, stream_of(args)));
  }

 private:
  Elem type_;
  int bytes_;
  ArgParams params_;
  OneHotParams marks_;
  std::shared_ptr<const void> values_;
};

bool wants(const Problem& p, size_t i) { return i < p.outputs.size() && p.outputs[i].dtype != ir::DType::kUndefined; }

TopKParams top_k_params(const Problem& p) {
  const auto& a = p.attrs<ops::TopKAttrs>();
  TopKParams params;
  set_axis(params, p.inputs[0].dims, a.axis);
  const int64_t lines = params.outer * params.inner;
  params.k = int(lines ? p.outputs[wants(p, 0) ? 0 : 1].count() / lines : 0);
  params.largest = a.largest;
  return params;
}

class TopKKernel final : public Kernel {
 public:
  explicit TopKKernel(const Problem& p)
      : type_(elem_of(p.inputs[0].dtype)), params_(top_k_params(p)), values_(wants(p, 0)), indices_(wants(p, 1)) {}
  int64_t workspace_bytes() const override { return top_k_space(params_); }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    TopKParams p = params_;
    p.x = args.inputs[0];
    p.values = values_ ? args.outputs[0] : nullptr;
    p.indices = indices_ ? static_cast<int64_t*>(args.outputs[1]) : nullptr;
    p.space = args.workspace;
    TENON_CUDA(top_k(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  TopKParams params_;
  bool values_, indices_;
};

class CumulativeKernel final : public Kernel {
 public:
  explicit CumulativeKernel(const Problem& p) {
    const auto& a = p.attrs<ops::CumulativeAttrs>();
    set_axis(params_, p.inputs[0].dims, p.has_input(1) ? p.constants[1]->get_int(0) : a.axis);
    params_.product = p.node->op == "CumProd";
    params_.exclusive = a.exclusive;
    params_.reverse = a.reverse;
    params_.type = *plain_of(p.inputs[0].dtype);
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    CumulativeParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(cumulative(p, stream_of(args)));
  }

 private:
  CumulativeParams params_;
};

Support supports_lines(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (p.inputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}
Support supports_float_lines(const Problem& p) {
  if (!is_elem(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  return supports_lines(p);
}
Support supports_top_k(const Problem& p) {
  const Support s = supports_float_lines(p);
  if (!s.ok) return s;
  const TopKParams t = top_k_params(p);
  if (t.size > kTopKLine && t.k > kTopKLine / 2)
    return Support::no(t.k, " of ", t.size, " elements, accepted are ", kTopKLine / 2, " of more than ", kTopKLine);
  if (t.size > kTopKLine * 1024) return Support::no("lines of ", t.size, " elements, accepted are ", kTopKLine * 1024);
  return s;
}
Support supports_cumulative(const Problem& p) {
  if (p.has_input(1) && !p.constants[1]) return Support::no("the axis is not known before running");
  if (!plain_of(p.inputs[0].dtype) || p.inputs[0].dtype == ir::DType::kBool)
    return Support::no("elements are ", p.inputs[0].dtype);
  return supports_lines(p);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> ordering() {
  return {{"arg_lines", "ArgMax", supports_float_lines, make<ArgKernel>},
          {"arg_lines", "ArgMin", supports_float_lines, make<ArgKernel>},
          {"hardmax_lines", "Hardmax", supports_float_lines, make<HardmaxKernel>},
          {"top_k_bitonic", "TopK", supports_top_k, make<TopKKernel>},
          {"cumulative_lines", "CumSum", supports_cumulative, make<CumulativeKernel>},
          {"cumulative_lines", "CumProd", supports_cumulative, make<CumulativeKernel>}};
}

}  // namespace tenon::cuda
