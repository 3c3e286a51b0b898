// Col2Im: the columns of each tap are added to the image's rows, plane by plane.
#include "backends/col2im_geometry.h"

#include <algorithm>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

/// Positions from `first` on and before `last` have their tap inside the image.
int64_t first_inside(const ColumnAxis& axis, int64_t tap) {
  const int64_t at = tap * axis.dilation - axis.begin;
  return at >= 0 ? 0 : std::min(axis.positions, (-at + axis.stride - 1) / axis.stride);
}
int64_t last_inside(const ColumnAxis& axis, int64_t tap) {
  const int64_t at = tap * axis.dilation - axis.begin;
  return at >= axis.image ? 0 : std::min(axis.positions, (axis.image - 1 - at) / axis.stride + 1);
}

class Col2Im final : public Kernel {
 public:
  explicit Col2Im(const Problem& p)
      : axes_(column_axes(p)), type_(p.inputs[0].dtype, isa::loop_table().pointwise), threads_(p.threads) {
    planes_ = p.outputs[0].dims[0] * p.outputs[0].dims[1];
    for (const ColumnAxis& axis : axes_) pixels_ *= axis.image, columns_ *= axis.block * axis.positions;
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
              if (od < first_inside(d, kd) || od >= last_inside(d, kd)) continue;
              if (oh < first_inside(h, kh) || oh >= last_inside(h, kh)) continue;
              const int64_t id = od * d.stride - d.begin + kd * d.dilation;
              const int64_t ih = oh * h.stride - h.begin + kh * h.dilation;
              add_row(type_.in(x, buffer, w.positions), kw, sums + (id * h.image + ih) * w.image);
            }
  }
  void add_row(const float* x, int64_t tap, float* to) const {
    const ColumnAxis& w = axes_[2];
    to += tap * w.dilation - w.begin;
    const int64_t first = first_inside(w, tap), last = last_inside(w, tap);
    if (w.stride == 1)
      for (int64_t i = first; i < last; ++i) to[i] += x[i];
    else
      for (int64_t i = first; i < last; ++i) to[i * w.stride] += x[i];
  }

  ColumnAxes axes_;
  RowType type_;
  int threads_;
  int64_t planes_ = 1, pixels_ = 1, columns_ = 1, tasks_ = 1;
};

Support supports(const Problem& p) {
  if (const std::string reason = refuse_columns(p); !reason.empty()) return Support::no(reason);
  const double in = double(p.inputs[0].count());
  return Support::yes(streaming_us(in * 8, in * 0.6, p.threads));
}

}  // namespace

std::vector<KernelDef> col2im() {
  return {{"col2im_rows", "Col2Im", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Col2Im>(p); }}};
}

}  // namespace tenon::cpu
