#include "backends/strides.h"

#include <algorithm>

namespace tenon {

ir::Dims element_strides(const TensorDesc& desc) {
  ir::Dims s(desc.dims.size(), 1);
  if (s.size() < 2) return s;
  s[s.size() - 2] = desc.pitch;
  for (size_t i = s.size() - 2; i-- > 0;) s[i] = s[i + 1] * desc.dims[i + 1];
  return s;
}

ir::Dims broadcast_strides(const TensorDesc& desc, const ir::Dims& dims) {
  const ir::Dims own = element_strides(desc);
  ir::Dims s(dims.size(), 0);
  const size_t offset = dims.size() - own.size();
  for (size_t i = 0; i < own.size(); ++i) s[offset + i] = desc.dims[i] == 1 ? 0 : own[i];
  return s;
}

void collapse(ir::Dims& dims, std::vector<ir::Dims>& strides) {
  auto erase = [&](size_t i) {
    dims.erase(dims.begin() + int64_t(i));
    for (auto& s : strides) s.erase(s.begin() + int64_t(i));
  };
  for (size_t i = dims.size(); i-- > 0;)
    if (dims[i] == 1) erase(i);
  for (size_t i = dims.size(); i-- > 1;) {
    const bool joint =
        std::all_of(strides.begin(), strides.end(), [&](const ir::Dims& s) { return s[i - 1] == s[i] * dims[i]; });
    if (!joint) continue;
    dims[i - 1] *= dims[i];
    for (auto& s : strides) s[i - 1] = s[i];
    erase(i);
  }
}

AxisSplit split_at(const ir::Dims& dims, int64_t axis) {
  AxisSplit s;
  const int64_t at = axis < 0 ? axis + int64_t(dims.size()) : axis;
  for (int64_t i = 0; i < int64_t(dims.size()); ++i) (i < at ? s.outer : i > at ? s.inner : s.size) *= dims[size_t(i)];
  return s;
}

}  // namespace tenon
