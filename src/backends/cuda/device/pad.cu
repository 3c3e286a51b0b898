#include "backends/cuda/device/pad.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

/// The entry that stands for position `at` outside [0, extent).
__device__ int source_of(PadRule rule, int at, int extent) {
  if (rule == PadRule::kEdge) return at < 0 ? 0 : extent - 1;
  if (rule == PadRule::kWrap) return (at % extent + extent) % extent;
  if (extent == 1) return 0;
  const int period = 2 * (extent - 1), m = (at % period + period) % period;
  return m < extent ? m : period - m;
}

template <class T>
__global__ void __launch_bounds__(kThreads) pad_kernel(const __grid_constant__ PadParams p) {
  begin();
  finish_early();
  uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  int64_t from = 0, to = 0;
  bool inside = true;
  for (int d = 0; d < p.out.rank; ++d) {
    const uint32_t c = p.out.size[d].take(i);
    int at = int(c) - p.begin[d];
    if (at < 0 || at >= p.in[d]) {
      inside = false;
      if (p.rule != PadRule::kConstant) at = source_of(p.rule, at, p.in[d]);
    }
    from += at * p.x_strides.of[d];
    to += int64_t(c) * p.y_strides.of[d];
  }
  T v;
  if (inside || p.rule != PadRule::kConstant)
    v = static_cast<const T*>(p.x)[from];
  else
    v = p.value ? *static_cast<const T*>(p.value) : *reinterpret_cast<const T*>(p.pattern);
  static_cast<T*>(p.y)[to] = v;
}

}  // namespace

cudaError_t pad(const PadParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(pad_kernel<decltype(element)>, dim3((p.count + kThreads - 1) / kThreads), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
