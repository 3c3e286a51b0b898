#include "backends/cpu/kernels/strides.h"

#include <algorithm>

namespace tenon::cpu {

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

double streaming_us(double bytes, double ns, int threads) {
  const int workers = threads > 1 && ns + bytes * 0.05 > 8000 ? threads : 1;
  const double bytes_per_ns = bytes < 1e6 ? 40.0 * workers : 14.0 * std::min(workers, 2);  // caches; memory
  return 0.3 + (workers > 1 ? 1.5 : 0) + std::max(ns / workers, bytes / bytes_per_ns) / 1000;
}

int64_t task_count(double ns, int64_t pieces, int threads) {
  constexpr double kTaskNs = 4000;  // least work that is worth a task of its own
  if (threads <= 1) return 1;
  return std::clamp<int64_t>(int64_t(ns / kTaskNs), 1, std::max<int64_t>(1, std::min<int64_t>(pieces, 4 * threads)));
}

}  // namespace tenon::cpu
