#include "backends/reduce_layout.h"

#include "ops/math/reduce.h"

namespace tenon {

ReduceLayout reduce_layout_of(const Problem& p) {
  const ir::Dims& x = p.inputs[0].dims;
  std::vector<bool> gone(x.size(), false);
  for (int64_t a : p.attrs<ops::ReduceAttrs>().axes) gone[size_t(a < 0 ? a + int64_t(x.size()) : a)] = true;
  const ir::Dims strides = element_strides(p.inputs[0]);
  struct Group {
    ReduceAxis axis;
    bool gone;
  };
  std::vector<Group> groups;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == 1) continue;
    if (!groups.empty() && groups.back().gone == gone[i] && groups.back().axis.stride == strides[i] * x[i]) {
      groups.back().axis = {groups.back().axis.size * x[i], strides[i]};
    } else {
      groups.push_back({{x[i], strides[i]}, gone[i]});
    }
  }
  ReduceLayout l;
  if (!groups.empty() && groups.back().axis.stride == 1) {
    l.inner = groups.back().axis;
    l.inner_combined = groups.back().gone;
    groups.pop_back();
  }
  for (const Group& g : groups) {
    (g.gone ? l.combined : l.kept).push_back(g.axis);
    (g.gone ? l.repeats : l.results) *= g.axis.size;
  }
  l.count = l.repeats * (l.inner_combined ? l.inner.size : 1);
  return l;
}

}  // namespace tenon
