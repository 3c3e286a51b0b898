// Lp pooling, and maximum pooling that also says where the maxima are.
#include <cmath>
#include <limits>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "backends/pool_geometry.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using ops::PoolAttrs;
using ops::PoolKind;

/// Channels of one image are converted to f32 planes; one task is one such plane (channels first), or a row of
/// positions of all channels (channels last). A tap's place is kept for both storage orders of the indices.
class PoolWindows final : public Kernel {
 public:
  explicit PoolWindows(const Problem& p)
      : g_(pool_geometry_of(p)),
        attrs_(p.attrs<PoolAttrs>()),
        type_(p.inputs[0].dtype, isa::loop_table().pointwise),
        wants_indices_(p.outputs.size() > 1 && p.outputs[1].dtype != ir::DType::kUndefined),
        threads_(p.threads) {
    width_ = attrs_.channels_last ? g_.channels : 1;
    planes_ = attrs_.channels_last ? g_.batch : g_.batch * g_.channels;
    rows_ = planes_ * g_.axes[0].out * g_.axes[1].out;
    tasks_ = task_count(double(p.outputs[0].count()) * double(g_.taps()) * 1.5, rows_, threads_);
  }
  int64_t workspace_bytes() const override { return slot_bytes() * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      char* slot = static_cast<char*>(args.workspace) + slot_bytes() * worker;
      for (int64_t r = rows_ * task / tasks_, end = rows_ * (task + 1) / tasks_; r < end; ++r) row(args, r, slot);
    });
  }

 private:
  struct Tap {
    int64_t at, column;  ///< row-major and column-major position in the plane
  };
  struct Best {
    float value;
    int64_t index;
  };
  int64_t slot_bytes() const {
    return (g_.taps() * int64_t(sizeof(Tap)) + width_ * int64_t(sizeof(Best) + sizeof(double) + 2 * sizeof(float)) +
            63) /
           64 * 64;
  }

  void row(const RunArgs& args, int64_t r, char* slot) const {
    const auto& [d, h, w] = g_.axes;
    const int64_t oh = r % h.out, od = r / h.out % d.out, plane = r / h.out / d.out;
    Tap* taps = reinterpret_cast<Tap*>(slot);
    const int64_t base = plane * g_.positions_in() * width_;
    const char* x = static_cast<const char*>(args.inputs[0]) + base * type_.size;
    for (int64_t ow = 0; ow < w.out; ++ow) {
      const int64_t count = find_taps(od, oh, ow, taps), to = (r * w.out + ow) * width_;
      char* rest = slot + g_.taps() * int64_t(sizeof(Tap));
      char* y = static_cast<char*>(args.outputs[0]) + to * type_.size;
      if (attrs_.kind == PoolKind::kLp)
        lp(x, taps, count, rest, y);
      else
        max(x, base, taps, count, rest, y, wants_indices_ ? static_cast<int64_t*>(args.outputs[1]) + to : nullptr);
    }
  }
  int64_t find_taps(int64_t od, int64_t oh, int64_t ow, Tap* taps) const {
    const auto& [d, h, w] = g_.axes;
    int64_t count = 0;
    for (int64_t a = d.first_tap(od); a < d.last_tap(od); ++a)
      for (int64_t b = h.first_tap(oh); b < h.last_tap(oh); ++b)
        for (int64_t k = w.first_tap(ow); k < w.last_tap(ow); ++k) {
          const int64_t id = od * d.stride - d.begin + a * d.dilation, ih = oh * h.stride - h.begin + b * h.dilation;
          const int64_t iw = ow * w.stride - w.begin + k * w.dilation;
          taps[count++] = {(id * h.in + ih) * w.in + iw, id + d.in * (ih + h.in * iw)};
        }
    return count;
  }

  void lp(const char* x, const Tap* taps, int64_t count, char* rest, char* y) const {
    double* sums = reinterpret_cast<double*>(rest);
    float* row = reinterpret_cast<float*>(sums + width_);
    std::fill(sums, sums + width_, 0.0);
    for (int64_t t = 0; t < count; ++t) {
      const float* v = type_.in(x + taps[t].at * width_ * type_.size, row, width_);
      if (attrs_.p == 1)
        for (int64_t c = 0; c < width_; ++c) sums[c] += double(std::fabs(v[c]));
      else if (attrs_.p == 2)
        for (int64_t c = 0; c < width_; ++c) sums[c] += double(v[c]) * double(v[c]);
      else
        for (int64_t c = 0; c < width_; ++c) sums[c] += std::pow(double(std::fabs(v[c])), double(attrs_.p));
    }
    const double root = 1.0 / double(attrs_.p);
    for (int64_t c = 0; c < width_; ++c)
      row[c] = float(attrs_.p == 1 ? sums[c] : attrs_.p == 2 ? std::sqrt(sums[c]) : std::pow(sums[c], root));
    type_.store(row, y, width_);
  }
  /// The first of equal maxima wins, and a NaN wins over every number.
  void max(const char* x, int64_t base, const Tap* taps, int64_t count, char* rest, char* y, int64_t* indices) const {
    Best* best = reinterpret_cast<Best*>(rest);
    float* row = reinterpret_cast<float*>(best + width_);
    const bool columns = attrs_.storage_order == 1;
    // Indices name elements of the whole of x; its channels are `width_` apart or planes of their own.
    for (int64_t c = 0; c < width_; ++c) best[c] = {-std::numeric_limits<float>::infinity(), base + c};
    for (int64_t t = 0; t < count; ++t) {
      const float* v = type_.in(x + taps[t].at * width_ * type_.size, row, width_);
      const int64_t place = columns ? taps[t].column : taps[t].at * width_;
      for (int64_t c = 0; c < width_; ++c)
        if (t == 0 || v[c] > best[c].value || (std::isnan(v[c]) && !std::isnan(best[c].value)))
          best[c] = {v[c], base + c + place};
    }
    for (int64_t c = 0; c < width_; ++c) row[c] = best[c].value;
    type_.store(row, y, width_);
    if (indices)
      for (int64_t c = 0; c < width_; ++c) indices[c] = best[c].index;
  }

  PoolGeometry g_;
  PoolAttrs attrs_;
  RowType type_;
  bool wants_indices_;
  int threads_;
  int64_t width_ = 1, planes_ = 1, rows_ = 1, tasks_ = 1;
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<PoolAttrs>();
  if (a.kind == PoolKind::kAverage) return Support::no("averages have kernels of their own");
  if (!float_type(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  if (p.inputs[0].dims.size() < 3 || p.inputs[0].dims.size() > 2 + PoolGeometry::kAxes)
    return Support::no("1 to 3 spatial axes are pooled, x is ", p.inputs[0].dims);
  for (int64_t pad : a.pads)
    if (pad < 0) return Support::no("negative pads");
  const double out = double(p.outputs[0].count());
  return Support::yes(
      streaming_us(out * 8, out * double(pool_geometry_of(p).taps()) * (a.p > 2 ? 30 : 1.5), p.threads));
}

}  // namespace

std::vector<KernelDef> pool_windows() {
  return {{"pool_windows", "Pool", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PoolWindows>(p); }}};
}

}  // namespace tenon::cpu
