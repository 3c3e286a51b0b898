// Col2Im: the columns of each tap are added to the image's rows, plane by plane.
#include "ops/data/col2im.h"

#include <algorithm>
#include <array>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

constexpr size_t kAxes = 3;

struct Axis {
  int64_t image = 1, block = 1, positions = 1, stride = 1, dilation = 1, begin = 0;
  /// Positions [first, last) whose tap lies inside the image.
  int64_t first(int64_t tap) const {
    const int64_t at = tap * dilation - begin;
    return at >= 0 ? 0 : std::min(positions, (-at + stride - 1) / stride);
  }
  int64_t last(int64_t tap) const {
    const int64_t at = tap * dilation - begin;
    return at >= image ? 0 : std::min(positions, (image - 1 - at) / stride + 1);
  }
};

std::array<Axis, kAxes> axes_of(const Problem& p) {
  const auto& a = p.attrs<ops::Col2ImAttrs>();
  const ir::Dims& y = p.outputs[0].dims;
  const std::vector<int64_t> block = p.constants[2]->to_ints();
  const size_t n = block.size();
  std::array<Axis, kAxes> axes;
  for (size_t i = 0; i < n; ++i) {
    Axis& axis = axes[kAxes - n + i];
    axis.image = y[2 + i];
    axis.block = block[i];
    if (!a.strides.empty()) axis.stride = a.strides[i];
    if (!a.dilations.empty()) axis.dilation = a.dilations[i];
    int64_t padded = axis.image;
    if (!a.pads.empty()) axis.begin = a.pads[i], padded += a.pads[i] + a.pads[n + i];
    const int64_t room = padded - (axis.block - 1) * axis.dilation - 1;
    axis.positions = axis.stride < 1 || room < 0 ? 0 : room / axis.stride + 1;
  }
  return axes;
}

class Col2Im final : public Kernel {
 public:
  explicit Col2Im(const Problem& p)
      : axes_(axes_of(p)), type_(p.inputs[0].dtype, isa::loop_table().pointwise), threads_(p.threads) {
    planes_ = p.outputs[0].dims[0] * p.outputs[0].dims[1];
    for (const Axis& axis : axes_) pixels_ *= axis.image, columns_ *= axis.block * axis.positions;
    tasks_ = task_count(double(p.inputs[0].count()) * 0.6, planes_, threads_);
  }
  int64_t workspace_bytes() const override { return slot_bytes() * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      float* buffer = reinterpret_cast<float*>(static_cast<char*>(args.workspace) + slot_bytes() * worker);
      for (int64_t i = planes_ * task / tasks_, end = planes_ * (task + 1) / tasks_; i < end; ++i) {
        char* y = static_cast<char*>(args.outputs[0]) + i * pixels_ * type_.size;
        float* sums = type_.out(y, buffer);
        std::fill(sums, sums + pixels_, 0.f);
        add_columns(static_cast<const char*>(args.inputs[0]) + i * columns_ * type_.size, buffer + pixels_, sums);
        type_.done(sums, y, pixels_);
      }
    });
  }

 private:
  int64_t slot_bytes() const { return ((pixels_ + axes_[2].positions) * 4 + 63) / 64 * 64; }

  void add_columns(const char* x, float* buffer, float* sums) const {
    const auto& [d, h, w] = axes_;
    for (int64_t kd = 0; kd < d.block; ++kd)
      for (int64_t kh = 0; kh < h.block; ++kh)
        for (int64_t kw = 0; kw < w.block; ++kw)
          for (int64_t od = 0; od < d.positions; ++od)
            for (int64_t oh = 0; oh < h.positions; ++oh, x += w.positions * type_.size) {
              if (od < d.first(kd) || od >= d.last(kd) || oh < h.first(kh) || oh >= h.last(kh)) continue;
              const int64_t id = od * d.stride - d.begin + kd * d.dilation;
              const int64_t ih = oh * h.stride - h.begin + kh * h.dilation;
              add_row(type_.in(x, buffer, w.positions), kw, sums + (id * h.image + ih) * w.image);
            }
  }
  void add_row(const float* x, int64_t tap, float* to) const {
    const Axis& w = axes_[2];
    to += tap * w.dilation - w.begin;
    const int64_t first = w.first(tap), last = w.last(tap);
    if (w.stride == 1)
      for (int64_t i = first; i < last; ++i) to[i] += x[i];
    else
      for (int64_t i = first; i < last; ++i) to[i * w.stride] += x[i];
  }

  std::array<Axis, kAxes> axes_;
  RowType type_;
  int threads_;
  int64_t planes_ = 1, pixels_ = 1, columns_ = 1, tasks_ = 1;
};

Support supports(const Problem& p) {
  if (!float_type(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  if (!p.constants[2]) return Support::no("the block's sizes are not constant");
  const size_t n = size_t(p.constants[2]->count());
  if (n < 1 || n > kAxes || p.outputs[0].dims.size() != n + 2)
    return Support::no(n, " spatial axes, accepted are 1 to 3");
  int64_t columns = p.outputs[0].dims[1], positions = 1;
  for (const Axis& axis : axes_of(p)) {
    if (axis.block < 1 || axis.stride < 1 || axis.dilation < 1 || axis.positions < 1)
      return Support::no("the blocks do not fit the image");
    columns *= axis.block;
    positions *= axis.positions;
  }
  if (p.inputs[0].dims[1] != columns || p.inputs[0].dims[2] != positions)
    return Support::no("columns ", p.inputs[0].dims, ", expected are ", columns, " x ", positions);
  const double in = double(p.inputs[0].count());
  return Support::yes(streaming_us(in * 8, in * 0.6, p.threads));
}

}  // namespace

std::vector<KernelDef> col2im() {
  return {{"col2im_rows", "Col2Im", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Col2Im>(p); }}};
}

}  // namespace tenon::cpu
