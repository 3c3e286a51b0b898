#include "backends/resize_plan.h"

#include <algorithm>

#include "ops/data/resize.h"

namespace tenon {
namespace {

using ops::ResizeAttrs;

ResizePlan refuse(std::string reason) {
  ResizePlan p;
  p.reason = std::move(reason);
  return p;
}

bool changes(const ResizeAttrs& a, const ops::ResizeAxis& axis) {
  return axis.in != axis.out || axis.scale_num != axis.scale_den ||
         a.coordinate == ops::ResizeCoordinate::kTfCropAndResize ||
         a.coordinate == ops::ResizeCoordinate::kTfHalfPixelForNn;
}

void fill_taps(const ResizeAttrs& a, const ops::ResizeAxis& axis, AxisTaps& t) {
  t = AxisTaps{axis.in, axis.out, {0}, {}, {}};
  for (int64_t o = 0; o < axis.out; ++o) {
    if (changes(a, axis)) {
      const ops::ResizeTaps taps = ops::resize_taps(a, axis, o);
      if (taps.outside) t.outside = true;
      for (size_t k = 0; k < taps.index.size() && !taps.outside; ++k) {
        if (taps.weight[k] == 0 && taps.index.size() > 1) continue;
        t.index.push_back(taps.index[k]);
        t.weight.push_back(float(taps.weight[k]));
      }
    } else {
      t.index.push_back(o);
      t.weight.push_back(1);
    }
    t.begin.push_back(int64_t(t.index.size()));
  }
}

}  // namespace

int64_t AxisTaps::most() const {
  int64_t n = 0;
  for (int64_t o = 0; o < out; ++o) n = std::max(n, begin[size_t(o) + 1] - begin[size_t(o)]);
  return n;
}

ResizePlan resize_plan_of(const Problem& p) {
  const auto& a = p.attrs<ResizeAttrs>();
  for (size_t i = 1; i < p.inputs.size(); ++i)
    if (p.has_input(i) && !p.constants[i]) return refuse(cat("input ", i, " is not known before running"));
  auto doubles = [&](size_t i) { return p.has_input(i) ? p.constants[i]->to_doubles() : std::vector<double>(); };
  const auto axes = ops::resize_axes(a, p.inputs[0].dims, doubles(1), doubles(2),
                                     p.has_input(3) ? p.constants[3]->to_ints() : ir::Dims());
  size_t first = axes.size(), last = 0;
  for (size_t d = 0; d < axes.size(); ++d)
    if (changes(a, axes[d])) first = std::min(first, d), last = d;
  if (first == axes.size()) first = last = axes.size() - 1;
  if (last - first >= ResizePlan::kAxes) return refuse("more than 3 neighbouring axes are resized");
  ResizePlan plan;
  for (size_t d = 0; d < axes.size(); ++d) {
    if (d < first)
      plan.outer *= axes[d].in;
    else if (d > last)
      plan.inner *= axes[d].in;
    else
      fill_taps(a, axes[d], plan.axes[ResizePlan::kAxes - 1 - (last - d)]);
  }
  return plan;
}

}  // namespace tenon
