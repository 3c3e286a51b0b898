#include "backends/cuda/device/elementary.h"

#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

dim3 blocks(int64_t count) { return dim3(unsigned((count + kThreads - 1) / kThreads)); }

template <Elementary kF>
__device__ __forceinline__ float value(float x, float a, float b) {
  if constexpr (kF == Elementary::kAsin) return asinf(x);
  if constexpr (kF == Elementary::kAcos) return acosf(x);
  if constexpr (kF == Elementary::kAtan) return atanf(x);
  if constexpr (kF == Elementary::kSinh) return sinhf(x);
  if constexpr (kF == Elementary::kCosh) return coshf(x);
  if constexpr (kF == Elementary::kAsinh) return asinhf(x);
  if constexpr (kF == Elementary::kAcosh) return acoshf(x);
  if constexpr (kF == Elementary::kAtanh) return atanhf(x);
  return x != x ? x : x < -b ? x + a : x > b ? x - a : 0.f;
}

template <class T, Elementary kF>
__global__ void __launch_bounds__(kThreads) function_kernel(const __grid_constant__ ElementaryArgs p) {
  begin();
  finish_early();
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.count) return;
  const float x = to_float(static_cast<const T*>(p.x)[i]);
  if constexpr (kF == Elementary::kIsInf)
    static_cast<uint8_t*>(p.y)[i] = (x == INFINITY && p.b != 0) || (x == -INFINITY && p.a != 0);
  else
    static_cast<T*>(p.y)[i] = from_float<T>(value<kF>(x, p.a, p.b));
}

template <class T>
cudaError_t run(const ElementaryArgs& p, cudaStream_t stream) {
#define TENON_CASE(name) \
  case Elementary::name: \
    return launch(function_kernel<T, Elementary::name>, blocks(p.count), dim3(kThreads), 0, stream, p);
  switch (p.f) {
    TENON_CASE(kAsin)
    TENON_CASE(kAcos)
    TENON_CASE(kAtan)
    TENON_CASE(kSinh)
    TENON_CASE(kCosh)
    TENON_CASE(kAsinh)
    TENON_CASE(kAcosh)
    TENON_CASE(kAtanh)
    TENON_CASE(kShrink)
    TENON_CASE(kIsInf)
  }
#undef TENON_CASE
  return cudaErrorInvalidValue;
}

/// A block does a head of a position; a thread one element or pair after the other.
template <class T>
__global__ void __launch_bounds__(kThreads) rotary_kernel(const __grid_constant__ RotaryArgs p) {
  begin();
  finish_early();
  const int lanes = 32, warp = int(threadIdx.x) / lanes;
  const int64_t item = int64_t(blockIdx.x) * (kThreads / lanes) + warp;
  if (item >= p.batch * p.steps * p.heads) return;
  const int64_t head = item % p.heads, step = item / p.heads % p.steps, batch = item / p.heads / p.steps;
  const int64_t at = batch * p.b + step * p.p + head * p.h;
  const T* const x = static_cast<const T*>(p.x) + at;
  T* const y = static_cast<T*>(p.y) + at;
  int64_t row = batch * p.steps + step;
  if (p.positions) row = p.positions[row];
  const bool known = row >= 0 && row < p.rows;
  for (int64_t i = threadIdx.x % lanes; i < p.half; i += lanes) {
    const int64_t u = p.interleaved ? 2 * i : i, v = p.interleaved ? u + 1 : u + p.half;
    const float co = known ? to_float(static_cast<const T*>(p.cos)[row * p.half + i]) : NAN;
    const float si = known ? to_float(static_cast<const T*>(p.sin)[row * p.half + i]) : NAN;
    const float a = to_float(x[u]), b = to_float(x[v]);
    y[u] = from_float<T>(co * a - si * b);
    y[v] = from_float<T>(si * a + co * b);
  }
  for (int64_t i = 2 * p.half + threadIdx.x % lanes; i < p.size; i += lanes) y[i] = x[i];
}

}  // namespace

cudaError_t elementary(const ElementaryArgs& args, Elem type, cudaStream_t stream) {
  return with_elem(type, [&](auto t) { return run<decltype(t)>(args, stream); });
}

cudaError_t rotary(const RotaryArgs& args, Elem type, cudaStream_t stream) {
  const int64_t items = args.batch * args.steps * args.heads, each = kThreads / 32;
  const dim3 grid(unsigned((items + each - 1) / each));
  return with_elem(type,
                   [&](auto t) { return launch(rotary_kernel<decltype(t)>, grid, dim3(kThreads), 0, stream, args); });
}

}  // namespace tenon::cuda
