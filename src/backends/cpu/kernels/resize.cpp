// Resize as a product of taps along its axes: y = sum of weights times elements. With channels last an output position
// is a weighted sum of rows of channels; where the last axis itself is resized, whole lines are combined first and then
// resized along the line.
#include "ops/data/resize.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "backends/moves.h"
#include "backends/resize_plan.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using isa::PwOp;
using ops::ResizeAttrs;

class Resize final : public Kernel {
 public:
  explicit Resize(const Problem& p)
      : plan_(resize_plan_of(p)),
        loops_(isa::loop_table()),
        nearest_(p.attrs<ResizeAttrs>().mode == ops::ResizeMode::kNearest),
        size_(element_bytes(p.inputs[0].dtype)),
        threads_(p.threads) {
    require(plan_.reason.empty(), ErrorCode::kInternal, plan_.reason);
    if (!nearest_) {
      type_ = RowType(p.inputs[0].dtype, loops_.pointwise);
      type_index_ = int(*float_type(p.inputs[0].dtype));
    }
    find_pairs();
    lines_ = plan_.outer * plan_.axes[0].out * plan_.axes[1].out;
    tasks_ = task_count(double(p.outputs[0].count()) * (nearest_ ? 0.15 : 0.5), lines_, p.threads);
    taps_ = plan_.axes[0].most() * plan_.axes[1].most() * plan_.axes[2].most();
    floats_ = (std::max(2 * plan_.axes[2].in + plan_.axes[2].out, 4 * taps_) + 31) / 16 * 16;
  }
  int64_t workspace_bytes() const override { return floats_ * 4 * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      float* buffer = static_cast<float*>(args.workspace) + floats_ * worker;
      for (int64_t i = lines_ * task / tasks_, end = lines_ * (task + 1) / tasks_; i < end; ++i) line(args, i, buffer);
    });
  }

 private:
  void line(const RunArgs& args, int64_t i, float* buffer) const {
    const auto& [d, h, w] = plan_.axes;
    const int64_t oh = i % h.out, od = i / h.out % d.out, outer = i / h.out / d.out;
    const char* x = static_cast<const char*>(args.inputs[0]) + outer * d.in * h.in * w.in * plan_.inner * size_;
    char* y = static_cast<char*>(args.outputs[0]) + i * w.out * plan_.inner * size_;
    if (nearest_) return nearest_line(x, y, d.index[size_t(od)] * h.in + h.index[size_t(oh)]);
    if (plan_.inner == 1) return line_of_elements(x, y, od, oh, buffer);
    line_of_rows(x, y, od, oh, buffer);
  }
  void nearest_line(const char* x, char* y, int64_t row) const {
    const AxisTaps& w = plan_.axes[2];
    const int64_t bytes = plan_.inner * size_;
    x += row * w.in * bytes;
    auto copy = [&](auto element) {
      for (int64_t o = 0; o < w.out; ++o)
        std::memcpy(y + o * int64_t(sizeof element), x + w.index[size_t(o)] * int64_t(sizeof element), sizeof element);
    };
    switch (bytes) {
      case 1:
        return copy(uint8_t());
      case 2:
        return copy(uint16_t());
      case 4:
        return copy(uint32_t());
      case 8:
        return copy(uint64_t());
      default:
        for (int64_t o = 0; o < w.out; ++o) std::memcpy(y + o * bytes, x + w.index[size_t(o)] * bytes, size_t(bytes));
    }
  }
  /// fn(row of x, weight) for the taps of a line along the outer two axes.
  template <class F>
  void each_row(int64_t od, int64_t oh, F fn) const {
    const auto& [d, h, w] = plan_.axes;
    for (int64_t a = d.begin[size_t(od)]; a < d.begin[size_t(od) + 1]; ++a)
      for (int64_t b = h.begin[size_t(oh)]; b < h.begin[size_t(oh) + 1]; ++b)
        fn(d.index[size_t(a)] * h.in + h.index[size_t(b)], d.weight[size_t(a)] * h.weight[size_t(b)]);
  }
  void line_of_rows(const char* x, char* y, int64_t od, int64_t oh, float* buffer) const {
    const AxisTaps& w = plan_.axes[2];
    int64_t* offsets = reinterpret_cast<int64_t*>(buffer);
    float* weights = buffer + 2 * taps_;
    for (int64_t ow = 0; ow < w.out; ++ow) {
      int64_t count = 0;
      each_row(od, oh, [&](int64_t row, float weight) {
        for (int64_t k = w.begin[size_t(ow)]; k < w.begin[size_t(ow) + 1]; ++k) {
          offsets[count] = (row * w.in + w.index[size_t(k)]) * plan_.inner;
          weights[count++] = weight * w.weight[size_t(k)];
        }
      });
      loops_.pool.weighted[type_index_](x, offsets, weights, count, y + ow * plan_.inner * size_, plan_.inner);
    }
  }
  void line_of_elements(const char* x, char* y, int64_t od, int64_t oh, float* buffer) const {
    const AxisTaps& w = plan_.axes[2];
    float *sum = buffer, *row = buffer + w.in, *out = row + w.in;
    bool first = true;
    each_row(od, oh, [&](int64_t index, float weight) {
      const float* from = type_.in(x + index * w.in * size_, row, w.in);
      if (first)
        loops_.pointwise.loops[int(PwOp::kMul)][2](sum, from, &weight, nullptr, w.in);
      else
        loops_.pointwise.loops[int(PwOp::kFma)][2](sum, from, &weight, sum, w.in);
      first = false;
    });
    if (pairs_.empty()) {
      for (int64_t o = 0; o < w.out; ++o) {
        float v = 0;
        for (int64_t k = w.begin[size_t(o)]; k < w.begin[size_t(o) + 1]; ++k)
          v += w.weight[size_t(k)] * sum[w.index[size_t(k)]];
        out[o] = v;
      }
    } else {
      const Pair* pair = pairs_.data();
      for (int64_t o = 0; o < w.out; ++o, ++pair) out[o] = pair->a * sum[pair->i] + pair->b * sum[pair->j];
    }
    type_.store(out, y, w.out);
  }

  /// The taps of a position where none has more than two.
  struct Pair {
    int32_t i, j;
    float a, b;
  };
  void find_pairs() {
    const AxisTaps& w = plan_.axes[2];
    if (w.most() > 2 || w.in > INT32_MAX) return;
    for (int64_t o = 0; o < w.out; ++o) {
      const size_t first = size_t(w.begin[size_t(o)]), last = size_t(w.begin[size_t(o) + 1]) - 1;
      pairs_.push_back(
          {int32_t(w.index[first]), int32_t(w.index[last]), w.weight[first], last > first ? w.weight[last] : 0});
    }
  }

  ResizePlan plan_;
  std::vector<Pair> pairs_;
  const isa::LoopTable& loops_;
  bool nearest_;
  RowType type_;
  int type_index_ = 0;
  int64_t size_;
  int threads_;
  int64_t lines_ = 1, tasks_ = 1, taps_ = 1, floats_ = 0;
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ResizeAttrs>();
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (a.mode != ops::ResizeMode::kNearest && !float_type(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", interpolated are f32, bf16 and f16");
  const ResizePlan plan = resize_plan_of(p);
  if (!plan.reason.empty()) return Support::no(plan.reason);
  for (const AxisTaps& axis : plan.axes)
    if (axis.outside) return Support::no("positions outside the input are extrapolated");
  const double n = double(p.outputs[0].count());
  return Support::yes(streaming_us(n * 5, n * (a.mode == ops::ResizeMode::kNearest ? 0.1 : 0.4), p.threads));
}

}  // namespace

std::vector<KernelDef> resize() {
  return {{"resize_taps", "Resize", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Resize>(p); }}};
}

}  // namespace tenon::cpu
