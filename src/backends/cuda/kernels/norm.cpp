// Normalizations: LayerNormalization and RMSNormalization over rows, InstanceNormalization and GroupNormalization over
// planes of channels, BatchNormalization with given statistics, LRN across channels.
#include "ops/nn/norm.h"

#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/norm.h"
#include "backends/cuda/elem.h"
#include "backends/strides.h"
#include "ops/nn/batch_norm.h"

namespace tenon::cuda {
namespace {

int64_t count_from(const ir::Dims& dims, size_t axis) {
  int64_t n = 1;
  for (size_t i = axis; i < dims.size(); ++i) n *= dims[i];
  return n;
}
size_t first_axis(const Problem& p) {
  const int64_t axis = p.attrs<ops::LayerNormAttrs>().axis;
  return size_t(axis < 0 ? axis + int64_t(p.inputs[0].dims.size()) : axis);
}
bool wants(const Problem& p, size_t output) {
  return output < p.outputs.size() && p.outputs[output].dtype != ir::DType::kUndefined;
}

class NormKernel final : public Kernel {
 public:
  explicit NormKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)), has_bias_(p.has_input(2)) {
    params_.scale_type = elem_of(p.inputs[1].dtype);
    if (has_bias_) params_.bias_type = elem_of(p.inputs[2].dtype);
    params_.constant = p.constants[1] && (!has_bias_ || p.constants[2]);
    const ir::Dims& dims = p.inputs[0].dims;
    if (p.node->op == "LayerNormalization" || p.node->op == "RMSNormalization") {
      params_.length = int(count_from(dims, first_axis(p)));
      params_.epsilon = p.attrs<ops::LayerNormAttrs>().epsilon;
      params_.centered = p.node->op == "LayerNormalization";
      for (size_t i : {1, 2}) statistics_[i - 1] = wants(p, i);
    } else {
      params_.channels = int(dims[1]);
      params_.plane = int(count_from(dims, 2));
      int64_t together = 1;
      if (p.node->op == "GroupNormalization") {
        params_.epsilon = p.attrs<ops::GroupNormAttrs>().epsilon;
        together = dims[1] / p.attrs<ops::GroupNormAttrs>().num_groups;
      } else {
        params_.epsilon = p.attrs<ops::InstanceNormAttrs>().epsilon;
      }
      params_.length = int(together * params_.plane);
    }
    params_.rows = params_.length ? p.inputs[0].count() / params_.length : 0;
    params_.x_pitch = p.inputs[0].dense() ? params_.length : p.inputs[0].pitch;
    params_.y_pitch = p.outputs[0].dense() ? params_.length : p.outputs[0].pitch;
  }
  void run(const RunArgs& args) const override {
    NormParams p = params_;
    p.x = args.inputs[0];
    p.scale = args.inputs[1];
    if (has_bias_) p.bias = args.inputs[2];
    p.y = args.outputs[0];
    if (statistics_[0]) p.mean = static_cast<float*>(args.outputs[1]);
    if (statistics_[1]) p.inverse = static_cast<float*>(args.outputs[2]);
    TENON_CUDA(norm_rows(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  bool has_bias_;
  bool statistics_[2] = {};
  NormParams params_;
};

class BatchNormKernel final : public Kernel {
 public:
  explicit BatchNormKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const ir::Dims& dims = p.inputs[0].dims;
    for (size_t i = 0; i < 4; ++i) params_.types[i] = elem_of(p.inputs[i + 1].dtype);
    params_.count = uint32_t(p.inputs[0].count());
    params_.channels = Divisor(std::max<int64_t>(dims[1], 1));
    params_.plane = Divisor(std::max<int64_t>(count_from(dims, 2), 1));
    params_.epsilon = p.attrs<ops::BatchNormAttrs>().epsilon;
  }
  void run(const RunArgs& args) const override {
    BatchNormParams p = params_;
    p.x = args.inputs[0];
    for (size_t i = 0; i < 4; ++i) p.of_channel[i] = args.inputs[i + 1];
    p.y = args.outputs[0];
    TENON_CUDA(batch_norm(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  BatchNormParams params_;
};

class LrnKernel final : public Kernel {
 public:
  explicit LrnKernel(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const auto& a = p.attrs<ops::LrnAttrs>();
    const ir::Dims& dims = p.inputs[0].dims;
    params_.count = uint32_t(p.inputs[0].count());
    params_.channels = Divisor(std::max<int64_t>(dims[1], 1));
    params_.plane = Divisor(std::max<int64_t>(count_from(dims, 2), 1));
    params_.before = int(std::min((a.size - 1) / 2, dims[1]));
    params_.after = int(std::min(a.size / 2, dims[1]));
    params_.bias = a.bias;
    params_.alpha_over_size = a.alpha / float(a.size);
    params_.beta = a.beta;
  }
  void run(const RunArgs& args) const override {
    LrnParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(lrn(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  LrnParams params_;
};

Support float_operands(const Problem& p) {
  for (size_t i = 0; i < p.inputs.size(); ++i)
    if (p.has_input(i) && !is_elem(p.inputs[i].dtype))
      return Support::no("input ", i, " is ", p.inputs[i].dtype, ", accepted are f32, bf16 and f16");
  if (p.outputs[0].dtype != p.inputs[0].dtype)
    return Support::no("x is ", p.inputs[0].dtype, " and y is ", p.outputs[0].dtype, ", accepted is one type");
  if (p.inputs[0].count() > kMaxElements)
    return Support::no("x has ", p.inputs[0].count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}

Support supports_rows(const Problem& p) {
  const Support s = float_operands(p);
  if (!s.ok) return s;
  const ir::Dims& dims = p.inputs[0].dims;
  const int64_t length = count_from(dims, first_axis(p));
  for (size_t i = 1; i < p.inputs.size() && i < 3; ++i)
    if (p.has_input(i) && (p.inputs[i].count() != length || !p.inputs[i].dense() ||
                           (length > 1 && p.inputs[i].dims.back() != dims.back())))
      return Support::no("input ", i, " ", p.inputs[i].dims, " is not one value for each of the ", length,
                         " elements of a row");
  if (length != dims.back() && (!p.inputs[0].dense() || !p.outputs[0].dense()))
    return Support::no("rows of several axes must be dense");
  for (size_t i : {1, 2})
    if (wants(p, i) && (p.outputs[i].dtype != ir::DType::kF32 || !p.outputs[i].dense()))
      return Support::no("output ", i, " is ", p.outputs[i].dtype, ", accepted is dense f32");
  return s;
}

Support supports_planes(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  return float_operands(p);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> norm() {
  return {{"norm_rows", "LayerNormalization", supports_rows, make<NormKernel>, 1u | 1u << 16},
          {"norm_rows", "RMSNormalization", supports_rows, make<NormKernel>, 1u | 1u << 16},
          {"norm_planes", "InstanceNormalization", supports_planes, make<NormKernel>},
          {"norm_planes", "GroupNormalization", supports_planes, make<NormKernel>},
          {"norm_given", "BatchNormalization", supports_planes, make<BatchNormKernel>},
          {"norm_across_channels", "LRN", supports_planes, make<LrnKernel>}};
}

}  // namespace tenon::cuda
