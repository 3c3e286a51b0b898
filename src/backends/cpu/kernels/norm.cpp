// Normalizations: LayerNormalization and RMSNormalization over rows, InstanceNormalization, GroupNormalization and
// BatchNormalization over planes of channels. Means and variances are accumulated in double.
#include <algorithm>
#include <cmath>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"
#include "ops/nn/batch_norm.h"
#include "ops/nn/norm.h"

namespace tenon::cpu {
namespace {

using isa::PwOp;
using isa::RowReduce;

constexpr int64_t kStrip = 2048;

int64_t count_from(const ir::Dims& dims, size_t axis) {
  int64_t n = 1;
  for (size_t i = axis; i < dims.size(); ++i) n *= dims[i];
  return n;
}
int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

class RowNorm final : public Kernel {
 public:
  explicit RowNorm(const Problem& p)
      : pw_(isa::loop_table().pointwise),
        rows_(isa::loop_table().rows),
        centered_(p.node->op == "LayerNormalization"),
        epsilon_(p.attrs<ops::LayerNormAttrs>().epsilon),
        x_(p.inputs[0].dtype, pw_),
        y_(p.outputs[0].dtype, pw_),
        has_bias_(p.has_input(2)),
        scale_(p.inputs[1]),
        threads_(p.threads) {
    if (has_bias_) bias_ = p.inputs[2];
    for (size_t i = 1; i < p.outputs.size(); ++i) wants_[i - 1] = p.outputs[i].dtype != ir::DType::kUndefined;
    const int64_t axis = p.attrs<ops::LayerNormAttrs>().axis;
    const ir::Dims& dims = p.inputs[0].dims;
    length_ = count_from(dims, size_t(axis < 0 ? axis + int64_t(dims.size()) : axis));
    count_ = p.inputs[0].count() / length_;
    x_pitch_ = length_ == dims.back() ? p.inputs[0].pitch : length_;
    y_pitch_ = length_ == dims.back() ? p.outputs[0].pitch : length_;
    tasks_ = task_count(double(count_) * double(length_) * 0.2, count_, p.threads);
  }
  int64_t workspace_bytes() const override { return padded(length_) * 4 * (2 + threads_); }
  void run(const RunArgs& args) const override {
    float* space = static_cast<float*>(args.workspace);
    const float* scale = as_f32(scale_, args.inputs[1], space, pw_);
    const float* bias = has_bias_ ? as_f32(bias_, args.inputs[2], space + padded(length_), pw_) : nullptr;
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      float* buffer = space + padded(length_) * (2 + worker);
      for (int64_t r = count_ * task / tasks_, end = count_ * (task + 1) / tasks_; r < end; ++r)
        row(args, r, scale, bias, buffer);
    });
  }

 private:
  void row(const RunArgs& args, int64_t r, const float* scale, const float* bias, float* buffer) const {
    const float* x = x_.in(static_cast<const char*>(args.inputs[0]) + r * x_pitch_ * x_.size, buffer, length_);
    char* to = static_cast<char*>(args.outputs[0]) + r * y_pitch_ * y_.size;
    const double n = double(length_);
    double mean = 0, squares;
    if (centered_) {
      mean = rows_.reduce[int(RowReduce::kSum)](x, length_) / n;
      squares = rows_.centered_squares(x, float(mean), length_);
    } else {
      squares = rows_.reduce[int(RowReduce::kSumSquares)](x, length_);
    }
    const float inverse = float(1 / std::sqrt(squares / n + double(epsilon_)));
    float* y = y_.out(to, buffer);
    rows_.normalize(x, float(mean), inverse, scale, bias, y, length_);
    y_.done(y, to, length_);
    if (wants_[0]) static_cast<float*>(args.outputs[1])[r] = float(mean);
    if (wants_[1]) static_cast<float*>(args.outputs[2])[r] = inverse;
  }

  const isa::PointwiseLoops& pw_;
  const isa::RowLoops& rows_;
  bool centered_;
  float epsilon_;
  RowType x_, y_;
  bool has_bias_;
  bool wants_[2] = {false, false};  ///< means, and inverses of deviations
  TensorDesc scale_, bias_;
  int threads_;
  int64_t length_ = 1, count_ = 1, x_pitch_ = 1, y_pitch_ = 1, tasks_ = 1;
};

Support float_operands(const Problem& p) {
  for (size_t i = 0; i < p.inputs.size(); ++i)
    if (p.has_input(i) && !float_type(p.inputs[i].dtype))
      return Support::no("input ", i, " is ", p.inputs[i].dtype, ", accepted are f32, bf16 and f16");
  if (!float_type(p.outputs[0].dtype))
    return Support::no("the result is ", p.outputs[0].dtype, ", accepted are f32, bf16 and f16");
  for (size_t i = 1; i < p.outputs.size(); ++i)
    if (p.outputs[i].dtype != ir::DType::kUndefined && (p.outputs[i].dtype != ir::DType::kF32 || i > 2))
      return Support::no("output ", i, " is ", p.outputs[i].dtype, ", accepted are means and inverses in f32");
  return Support::yes(0);
}

Support supports_rows(const Problem& p) {
  if (Support s = float_operands(p); !s.ok) return s;
  const ir::Dims& dims = p.inputs[0].dims;
  const int64_t axis = p.attrs<ops::LayerNormAttrs>().axis;
  const size_t first = size_t(axis < 0 ? axis + int64_t(dims.size()) : axis);
  const int64_t length = count_from(dims, first);
  for (size_t i = 1; i < p.inputs.size() && i < 3; ++i)
    if (p.has_input(i) && (p.inputs[i].count() != length || !p.inputs[i].dense() ||
                           (length > 1 && p.inputs[i].dims.back() != dims.back())))
      return Support::no("input ", i, " ", p.inputs[i].dims, " is not one value for each of the ", length,
                         " elements of a row");
  if (length != dims.back() && (!p.inputs[0].dense() || !p.outputs[0].dense()))
    return Support::no("rows of several axes must be dense");
  const double n = double(p.inputs[0].count());
  return Support::yes(streaming_us(n * 8, n * 0.15, p.threads));
}

/// Planes of one channel; statistics of `group` channels at a time, or given.
class PlaneNorm final : public Kernel {
 public:
  explicit PlaneNorm(const Problem& p)
      : pw_(isa::loop_table().pointwise),
        rows_(isa::loop_table().rows),
        given_(p.node->op == "BatchNormalization"),
        x_(p.inputs[0].dtype, pw_),
        y_(p.outputs[0].dtype, pw_),
        inputs_(p.inputs) {
    const ir::Dims& dims = p.inputs[0].dims;
    channels_ = dims[1];
    plane_ = count_from(dims, 2);
    if (given_) epsilon_ = p.attrs<ops::BatchNormAttrs>().epsilon;
    if (p.node->op == "InstanceNormalization") epsilon_ = p.attrs<ops::InstanceNormAttrs>().epsilon;
    if (p.node->op == "GroupNormalization") {
      epsilon_ = p.attrs<ops::GroupNormAttrs>().epsilon;
      group_ = channels_ / p.attrs<ops::GroupNormAttrs>().num_groups;
    }
    units_ = dims[0] * channels_ / group_;
    tasks_ = task_count(double(p.inputs[0].count()) * 0.25, units_, p.threads);
  }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t u = units_ * task / tasks_, end = units_ * (task + 1) / tasks_; u < end; ++u) unit(args, u);
    });
  }

 private:
  float parameter(const RunArgs& args, size_t i, int64_t c) const {
    const RowType type(inputs_[i].dtype, pw_);
    float v;
    type.load(static_cast<const char*>(args.inputs[i]) + c * type.size, &v, 1);
    return v;
  }
  /// fn(values, n) for strips of the group.
  template <class F>
  void each_strip(const char* from, F fn) const {
    alignas(64) float buffer[kStrip];
    for (int64_t k = 0, n = group_ * plane_; k < n; k += kStrip) {
      const int64_t width = std::min(kStrip, n - k);
      fn(x_.in(from + k * x_.size, buffer, width), width);
    }
  }
  void unit(const RunArgs& args, int64_t u) const {
    const int64_t first = u * group_;
    const char* from = static_cast<const char*>(args.inputs[0]) + first * plane_ * x_.size;
    double mean = 0, inverse = 1;
    if (!given_) {
      const double n = double(group_ * plane_);
      double squares = 0;
      each_strip(from, [&](const float* x, int64_t width) { mean += rows_.reduce[int(RowReduce::kSum)](x, width); });
      mean /= n;
      each_strip(from,
                 [&](const float* x, int64_t width) { squares += rows_.centered_squares(x, float(mean), width); });
      inverse = 1 / std::sqrt(squares / n + double(epsilon_));
    }
    for (int64_t k = 0; k < group_; ++k) {
      const int64_t c = (first + k) % channels_;
      double m = mean, inv = inverse;
      if (given_) {
        m = parameter(args, 3, c);
        inv = 1 / std::sqrt(double(parameter(args, 4, c)) + double(epsilon_));
      }
      channel(args, first + k, float(m), float(inv * double(parameter(args, 1, c))), parameter(args, 2, c));
    }
  }
  /// y = (x - mean) * scale + bias over one plane.
  void channel(const RunArgs& args, int64_t plane, float mean, float scale, float bias) const {
    const char* from = static_cast<const char*>(args.inputs[0]) + plane * plane_ * x_.size;
    char* to = static_cast<char*>(args.outputs[0]) + plane * plane_ * y_.size;
    alignas(64) float buffer[kStrip];
    for (int64_t k = 0; k < plane_; k += kStrip) {
      const int64_t n = std::min(kStrip, plane_ - k);
      const float* x = x_.in(from + k * x_.size, buffer, n);
      float* y = y_.out(to + k * y_.size, buffer);
      pw_.loops[int(PwOp::kSub)][2](y, x, &mean, nullptr, n);
      pw_.loops[int(PwOp::kFma)][6](y, y, &scale, &bias, n);
      y_.done(y, to + k * y_.size, n);
    }
  }

  const isa::PointwiseLoops& pw_;
  const isa::RowLoops& rows_;
  bool given_;
  float epsilon_ = 0;
  RowType x_, y_;
  std::vector<TensorDesc> inputs_;
  int64_t channels_ = 1, plane_ = 1, group_ = 1, units_ = 1, tasks_ = 1;
};

Support supports_planes(const Problem& p) {
  if (Support s = float_operands(p); !s.ok) return s;
  if (!p.all_dense()) return Support::no("operands must be dense");
  const double n = double(p.inputs[0].count());
  return Support::yes(streaming_us(n * 12, n * 0.2, p.threads));
}

}  // namespace

std::vector<KernelDef> norm() {
  auto rows = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<RowNorm>(p); };
  auto planes = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PlaneNorm>(p); };
  return {{"norm_rows", "LayerNormalization", supports_rows, rows, 1u | 1u << 16},
          {"norm_rows", "RMSNormalization", supports_rows, rows, 1u | 1u << 16},
          {"norm_planes", "InstanceNormalization", supports_planes, planes},
          {"norm_planes", "GroupNormalization", supports_planes, planes},
          {"norm_planes", "BatchNormalization", supports_planes, planes}};
}

}  // namespace tenon::cpu
