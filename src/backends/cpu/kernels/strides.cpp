#include "backends/cpu/kernels/strides.h"

#include <algorithm>

namespace tenon::cpu {

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
