// Resize: tables of taps for each axis, made once.
#include "ops/data/resize.h"

#include <cstring>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/resize.h"
#include "backends/cuda/elem.h"
#include "backends/moves.h"
#include "backends/resize_plan.h"

namespace tenon::cuda {
namespace {

class ResizeKernel final : public Kernel {
 public:
  explicit ResizeKernel(const Problem& p)
      : nearest_(copies(p)), size_(element_bytes(p.inputs[0].dtype)), inner_(1), count_(p.outputs[0].count()) {
    const ResizePlan plan = resize_plan_of(p);
    require(plan.reason.empty(), ErrorCode::kInternal, plan.reason);
    if (!nearest_) type_ = elem_of(p.inputs[0].dtype);
    inner_ = plan.inner;
    params_.outside = p.attrs<ops::ResizeAttrs>().extrapolation_value;
    upload_tables(p, plan);
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    ResizeParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    if (count_ == 0) return;
    int64_t bytes = size_;
    if (nearest_) {
      const uint64_t all =
          uint64_t(inner_ * size_) | reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y);
      bytes = std::max(size_, std::min<int64_t>(16, int64_t(all & (~all + 1))));
    }
    p.inner = Divisor(inner_ * size_ / bytes);
    p.count = uint32_t(count_ * size_ / bytes);
    TENON_CUDA(nearest_ ? resize_nearest(p, int(bytes), stream_of(args)) : cuda::resize(p, type_, stream_of(args)));
  }
  /// Whether elements are copied as they are.
  static bool copies(const Problem& p) {
    return p.attrs<ops::ResizeAttrs>().mode == ops::ResizeMode::kNearest && !extrapolates(resize_plan_of(p));
  }
  static bool extrapolates(const ResizePlan& plan) {
    for (const AxisTaps& a : plan.axes)
      if (a.outside) return true;
    return false;
  }

 private:
  /// Whether no position has more than two taps along an axis, and none is extrapolated.
  static bool has_pairs(const ResizePlan& plan) {
    for (const AxisTaps& a : plan.axes)
      if (a.outside || a.most() > 2) return false;
    return true;
  }
  /// Appends the pairs of an axis; returns where they begin.
  static size_t put_pairs(const AxisTaps& a, std::vector<uint32_t>& words) {
    const size_t at = words.size();
    for (size_t o = 0; o < size_t(a.out); ++o) {
      const size_t first = size_t(a.begin[o]), last = size_t(a.begin[o + 1]) - 1;
      TapPair t{int(a.index[first]), int(a.index[last]), a.weight[first], 0};
      if (last > first) t.second_weight = a.weight[last];
      uint32_t of_pair[4];
      std::memcpy(of_pair, &t, sizeof t);
      words.insert(words.end(), of_pair, of_pair + 4);
    }
    return at;
  }
  void upload_tables(const Problem& p, const ResizePlan& plan) {
    std::vector<uint32_t> words;
    auto put = [&](const auto& values, auto zero) {
      const size_t at = words.size();
      words.resize(at + values.size());
      for (size_t i = 0; i < values.size(); ++i) {
        const auto v = decltype(zero)(values[i]);
        std::memcpy(&words[at + i], &v, 4);
      }
      return at;
    };
    const bool paired = has_pairs(plan);
    size_t at[ResizePlan::kAxes][4] = {};
    for (size_t i = 0; paired && i < ResizePlan::kAxes; ++i) at[i][3] = put_pairs(plan.axes[i], words);
    for (size_t i = 0; i < ResizePlan::kAxes; ++i) {
      const AxisTaps& a = plan.axes[i];
      at[i][0] = put(a.begin, int32_t());
      at[i][1] = put(a.index, int32_t());
      at[i][2] = put(a.weight, float());
      params_.axes[i].in = int(a.in);
      params_.axes[i].out = Divisor(std::max<int64_t>(a.out, 1));
    }
    tables_ = upload(p, words.data(), words.size() * 4);
    const auto* base = static_cast<const uint32_t*>(tables_.get());
    for (size_t i = 0; i < ResizePlan::kAxes; ++i) {
      params_.axes[i].begin = reinterpret_cast<const int*>(base + at[i][0]);
      params_.axes[i].index = reinterpret_cast<const int*>(base + at[i][1]);
      params_.axes[i].weight = reinterpret_cast<const float*>(base + at[i][2]);
      if (paired) params_.axes[i].pairs = reinterpret_cast<const TapPair*>(base + at[i][3]);
    }
  }

  bool nearest_;
  Elem type_ = Elem::kF32;
  int64_t size_, inner_, count_;
  ResizeParams params_;
  std::shared_ptr<const void> tables_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (p.inputs[0].dims.empty()) return Support::no("a scalar has no axis");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[0].count() > kMaxElements || p.outputs[0].count() > kMaxElements)
    return Support::no("the operands have ", p.inputs[0].count(), " and ", p.outputs[0].count(),
                       " elements, accepted are ", kMaxElements);
  const ResizePlan plan = resize_plan_of(p);
  if (!plan.reason.empty()) return Support::no(plan.reason);
  const bool nearest = p.attrs<ops::ResizeAttrs>().mode == ops::ResizeMode::kNearest;
  if ((!nearest || ResizeKernel::extrapolates(plan)) && !is_elem(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", interpolated are f32, bf16 and f16");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> resize() {
  return {{"resize_taps", "Resize", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ResizeKernel>(p); }}};
}

}  // namespace tenon::cuda
