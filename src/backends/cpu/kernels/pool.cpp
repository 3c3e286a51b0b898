// Maximum and average pooling. Channels last: one output position folds rows of channels. Channels first: rows of the
// window are folded into one, then shifted copies of that row.
#include "ops/nn/pool.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "backends/pool_geometry.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using isa::PwOp;
using ops::PoolAttrs;
using ops::PoolKind;

struct Common {
  explicit Common(const Problem& p)
      : loops(isa::loop_table()),
        g(pool_geometry_of(p)),
        max(p.attrs<PoolAttrs>().kind == PoolKind::kMax),
        with_pads(p.attrs<PoolAttrs>().count_include_pad),
        type(p.inputs[0].dtype, loops.pointwise),
        type_index(int(*float_type(p.inputs[0].dtype))) {}
  const isa::LoopTable& loops;
  PoolGeometry g;
  bool max, with_pads;
  RowType type;
  int type_index;
};

class PoolChannelsLast final : public Kernel {
 public:
  explicit PoolChannelsLast(const Problem& p)
      : c_(p), x_pitch_(p.inputs[0].pitch), y_pitch_(p.outputs[0].pitch), threads_(p.threads) {
    rows_ = c_.g.batch * c_.g.axes[0].out * c_.g.axes[1].out;
    // A row of outputs is one piece; where there are few, channels are split.
    const double ns = double(p.outputs[0].count()) * double(c_.g.taps()) * 0.05;
    parts_ = rows_ >= 4 * threads_ ? 1 : std::clamp<int64_t>(c_.g.channels / 64, 1, 4 * threads_);
    tasks_ = task_count(ns, rows_ * parts_, p.threads);
  }
  int64_t workspace_bytes() const override { return (c_.g.taps() + 8) / 8 * 64 * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      int64_t* taps = static_cast<int64_t*>(args.workspace) + (c_.g.taps() + 8) / 8 * 8 * worker;
      const int64_t pieces = rows_ * parts_;
      for (int64_t i = pieces * task / tasks_, end = pieces * (task + 1) / tasks_; i < end; ++i)
        row(args, i / parts_, i % parts_, taps);
    });
  }

 private:
  void row(const RunArgs& args, int64_t r, int64_t part, int64_t* taps) const {
    const auto& [d, h, w] = c_.g.axes;
    const int64_t oh = r % h.out, od = r / h.out % d.out, n = r / h.out / d.out;
    const int64_t c0 = c_.g.channels * part / parts_, c1 = c_.g.channels * (part + 1) / parts_;
    const char* x = static_cast<const char*>(args.inputs[0]) + (n * c_.g.positions_in() * x_pitch_ + c0) * c_.type.size;
    char* y = static_cast<char*>(args.outputs[0]) + (r * w.out * y_pitch_ + c0) * c_.type.size;
    const double lines = double(d.counted(od, c_.with_pads) * h.counted(oh, c_.with_pads));
    int64_t count = 0, from = 0;  // the taps in hand are those of output column `from`
    bool whole = false;           // and none of them is cut off along the width
    for (int64_t ow = 0; ow < w.out; ++ow, y += y_pitch_ * c_.type.size) {
      const int64_t at = ow * w.stride - w.begin;
      const bool inside = at >= 0 && at + (w.kernel - 1) * w.dilation < w.in;
      if (!inside || !whole) {
        count = find_taps(od, oh, ow, taps);
        from = ow;
        whole = inside;
      }
      const char* window = x + (ow - from) * w.stride * x_pitch_ * c_.type.size;
      if (c_.max && count > 0) {
        c_.loops.pool.max[c_.type_index](window, taps, count, y, c1 - c0);
        continue;
      }
      const double counted = lines * double(inside ? w.kernel : w.counted(ow, c_.with_pads));
      const float scale = c_.max ? -std::numeric_limits<float>::infinity() : float(1 / counted);
      if (count == 0)
        empty(y, scale, c1 - c0);
      else
        c_.loops.pool.sum[c_.type_index](window, taps, count, scale, y, c1 - c0);
    }
  }
  /// Offsets of the elements in one window; returns how many there are.
  int64_t find_taps(int64_t od, int64_t oh, int64_t ow, int64_t* taps) const {
    const auto& [d, h, w] = c_.g.axes;
    const int64_t b0 = h.first_tap(oh), b1 = h.last_tap(oh), k0 = w.first_tap(ow), k1 = w.last_tap(ow);
    int64_t count = 0;
    for (int64_t a = d.first_tap(od), a1 = d.last_tap(od); a < a1; ++a)
      for (int64_t b = b0; b < b1; ++b) {
        const int64_t line =
            ((od * d.stride - d.begin + a * d.dilation) * h.in + oh * h.stride - h.begin + b * h.dilation) * w.in;
        for (int64_t k = k0; k < k1; ++k) taps[count++] = (line + ow * w.stride - w.begin + k * w.dilation) * x_pitch_;
      }
    return count;
  }
  /// A window that covers padding alone: -infinity, or 0 / counted.
  void empty(char* y, float scale, int64_t n) const {
    const float v = c_.max ? scale : 0 * scale;
    for (int64_t i = 0; i < n; ++i) c_.type.store(&v, y + i * c_.type.size, 1);
  }

  Common c_;
  int64_t x_pitch_, y_pitch_;
  int threads_;
  int64_t rows_ = 1, parts_ = 1, tasks_ = 1;
};

class PoolPlanes final : public Kernel {
 public:
  explicit PoolPlanes(const Problem& p) : c_(p), threads_(p.threads) {
    const PoolAxis& w = c_.g.axes[2];
    span_ = (w.out - 1) * w.stride + (w.kernel - 1) * w.dilation + 1;
    width_ = (std::max(span_, w.begin + w.in) + 15) / 16 * 16;
    for (int64_t o = 0; o < w.out; ++o) inverse_.push_back(float(1 / double(w.counted(o, c_.with_pads))));
    planes_ = c_.g.batch * c_.g.channels;
    whole_ = c_.g.positions_out() == 1 && c_.g.taps() == c_.g.positions_in();
    for (const PoolAxis& axis : c_.g.axes) whole_ = whole_ && axis.begin == 0 && axis.dilation == 1;
    tasks_ =
        task_count(double(p.outputs[0].count()) * double(c_.g.axes[0].kernel * c_.g.axes[1].kernel + w.kernel) * 0.1,
                   planes_, p.threads);
  }
  int64_t workspace_bytes() const override { return 3 * width_ * 4 * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      float* buffer = static_cast<float*>(args.workspace) + 3 * width_ * worker;
      for (int64_t i = planes_ * task / tasks_, end = planes_ * (task + 1) / tasks_; i < end; ++i)
        plane(args, i, buffer);
    });
  }

 private:
  void plane(const RunArgs& args, int64_t index, float* buffer) const {
    const auto& [d, h, w] = c_.g.axes;
    const char* x = static_cast<const char*>(args.inputs[0]) + index * c_.g.positions_in() * c_.type.size;
    char* y = static_cast<char*>(args.outputs[0]) + index * c_.g.positions_out() * c_.type.size;
    if (whole_) return whole_plane(x, y, buffer);
    for (int64_t od = 0; od < d.out; ++od)
      for (int64_t oh = 0; oh < h.out; ++oh, y += w.out * c_.type.size) {
        fold_lines(x, od, oh, buffer);
        fold_columns(buffer, buffer + width_);
        float* line = buffer + width_;
        if (!c_.max) {
          const float scale = float(1 / double(d.counted(od, c_.with_pads) * h.counted(oh, c_.with_pads)));
          c_.loops.pointwise.loops[int(PwOp::kMul)][0](line, line, inverse_.data(), nullptr, w.out);
          c_.loops.pointwise.loops[int(PwOp::kMul)][2](line, line, &scale, nullptr, w.out);
        }
        c_.type.store(line, y, w.out);
      }
  }
  /// One window that is the plane itself: rows of it as long as the buffer.
  void whole_plane(const char* x, char* y, float* buffer) const {
    const auto kind = c_.max ? isa::RowReduce::kMax : isa::RowReduce::kSum;
    const int64_t n = c_.g.positions_in(), step = c_.type.f32 ? n : 3 * width_;
    double v = 0;
    for (int64_t k = 0; k < n; k += step) {
      const int64_t count = std::min(step, n - k);
      const double part = c_.loops.rows.reduce[int(kind)](c_.type.in(x + k * c_.type.size, buffer, count), count);
      v = k == 0 ? part : !c_.max ? v + part : std::isnan(v) || part <= v ? v : part;
    }
    const float result = float(c_.max ? v : v / double(n));
    c_.type.store(&result, y, 1);
  }
  /// The window's rows folded into `line`, with the padding of the width around them.
  void fold_lines(const char* x, int64_t od, int64_t oh, float* line) const {
    const auto& [d, h, w] = c_.g.axes;
    const float neutral = c_.max ? -std::numeric_limits<float>::infinity() : 0.f;
    std::fill(line, line + width_, neutral);
    float* row = line + 2 * width_;
    const auto join = c_.loops.pointwise.loops[int(c_.max ? PwOp::kMax : PwOp::kAdd)][0];
    for (int64_t a = d.first_tap(od); a < d.last_tap(od); ++a)
      for (int64_t b = h.first_tap(oh); b < h.last_tap(oh); ++b) {
        const int64_t at =
            ((od * d.stride - d.begin + a * d.dilation) * h.in + oh * h.stride - h.begin + b * h.dilation) * w.in;
        join(line + w.begin, line + w.begin, c_.type.in(x + at * c_.type.size, row, w.in), nullptr, w.in);
      }
  }
  /// Every output position of the width; `to` and the row after it are free.
  void fold_columns(const float* line, float* to) const {
    const PoolAxis& w = c_.g.axes[2];
    if (w.out == 1 && w.dilation == 1) {
      const auto kind = c_.max ? isa::RowReduce::kMax : isa::RowReduce::kSum;
      *to = float(c_.loops.rows.reduce[int(kind)](line, w.kernel));
      return;
    }
    const auto join = c_.loops.pointwise.loops[int(c_.max ? PwOp::kMax : PwOp::kAdd)][0];
    const int64_t n = (w.out - 1) * w.stride + 1;
    float* dense = w.stride == 1 ? to : to + width_;
    std::copy(line, line + n, dense);
    for (int64_t k = 1; k < w.kernel; ++k) join(dense, dense, line + k * w.dilation, nullptr, n);
    if (w.stride != 1) c_.loops.move.gather(dense, w.stride, to, w.out, 4);
  }

  Common c_;
  int threads_;
  bool whole_ = false;
  std::vector<float> inverse_;
  int64_t span_ = 0, width_ = 0, planes_ = 1, tasks_ = 1;
};

Support supports_any(const Problem& p, bool channels_last) {
  const auto& a = p.attrs<PoolAttrs>();
  if (a.channels_last != channels_last) return Support::no("x is channels ", a.channels_last ? "last" : "first");
  if (a.kind == PoolKind::kLp) return Support::no("Lp pooling is not computed");
  if (p.outputs.size() > 1 && p.outputs[1].dtype != ir::DType::kUndefined)
    return Support::no("indices of maxima are wanted");
  if (!float_type(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  if (p.inputs[0].dims.size() < 3 || p.inputs[0].dims.size() > 2 + PoolGeometry::kAxes)
    return Support::no("1 to 3 spatial axes are pooled, x is ", p.inputs[0].dims);
  const PoolGeometry g = pool_geometry_of(p);
  for (const PoolAxis& axis : g.axes)
    if (axis.begin < 0 || axis.end < 0) return Support::no("negative pads");
  const double in = double(p.inputs[0].count()), out = double(p.outputs[0].count());
  const auto by_stride = [&](int64_t size) { return double(size) * double(g.axes[2].stride); };
  const double taps = channels_last
                          ? double(g.taps())
                          : double(g.axes[0].kernel) * by_stride(g.axes[1].kernel) + by_stride(g.axes[2].kernel);
  return Support::yes(streaming_us((in + out) * ir::bits(p.inputs[0].dtype) / 8, out * taps * 0.04, p.threads));
}

}  // namespace

std::vector<KernelDef> pool() {
  return {{"pool_channels_last", "Pool", [](const Problem& p) { return supports_any(p, true); },
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PoolChannelsLast>(p); },
           1u | 1u << 16},
          {"pool_planes", "Pool", [](const Problem& p) { return supports_any(p, false); },
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PoolPlanes>(p); }}};
}

}  // namespace tenon::cpu
