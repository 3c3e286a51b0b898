#include "backends/cuda/device/cast.h"

#include "backends/cuda/device/plain.h"
#include "backends/cuda/dtype.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256, kItems = 4, kPack = 8;

template <class Wide>
__global__ void __launch_bounds__(kThreads) any_kernel(const __grid_constant__ CastParams p) {
  begin();
  finish_early();
  const int64_t first = int64_t(blockIdx.x) * kThreads * kItems + threadIdx.x;
  Wide v[kItems];
#pragma unroll
  for (int k = 0; k < kItems; ++k)
    if (first + k * kThreads < p.count) v[k] = load_plain<Wide>(p.x, p.from, first + k * kThreads);
#pragma unroll
  for (int k = 0; k < kItems; ++k)
    if (first + k * kThreads < p.count) store_plain(p.y, p.to, first + k * kThreads, v[k]);
}

/// Between f32, f16 and bf16: kN neighbouring elements a thread.
template <class From, class To, int kN>
__global__ void __launch_bounds__(kThreads) float_kernel(const From* x, To* y, int64_t count) {
  begin();
  finish_early();
  const int64_t at = (int64_t(blockIdx.x) * kThreads + threadIdx.x) * kN;
  if (at + kN <= count) {
    constexpr int kRead = sizeof(From) * kN > 16 ? int(16 / sizeof(From)) : kN;
    constexpr int kWrite = sizeof(To) * kN > 16 ? int(16 / sizeof(To)) : kN;
    float v[kN];
#pragma unroll
    for (int k = 0; k < kN; k += kRead) {
      float part[kRead];
      load_floats<From, kRead>(x + at + k, part);
#pragma unroll
      for (int j = 0; j < kRead; ++j) v[k + j] = part[j];
    }
#pragma unroll
    for (int k = 0; k < kN; k += kWrite) {
      float part[kWrite];
#pragma unroll
      for (int j = 0; j < kWrite; ++j) part[j] = v[k + j];
      store_floats<To, kWrite>(y + at + k, part);
    }
  } else {
    for (int64_t i = at; i < count; ++i) y[i] = from_float<To>(to_float(x[i]));
  }
}

template <class From, class To>
cudaError_t cast_floats(const CastParams& p, cudaStream_t stream) {
  const auto* x = static_cast<const From*>(p.x);
  auto* y = static_cast<To*>(p.y);
  constexpr int64_t kMany = 256 * 1024;
  const bool wide = (reinterpret_cast<uintptr_t>(p.x) | reinterpret_cast<uintptr_t>(p.y)) % 16 == 0;
  auto blocks = [&](int n) { return dim3(unsigned((p.count + n * kThreads - 1) / (n * kThreads))); };
  if (wide && p.count >= kMany)
    return launch(float_kernel<From, To, kPack>, blocks(kPack), kThreads, 0, stream, x, y, p.count);
  if (wide) return launch(float_kernel<From, To, 2>, blocks(2), kThreads, 0, stream, x, y, p.count);
  return launch(float_kernel<From, To, 1>, blocks(1), kThreads, 0, stream, x, y, p.count);
}

}  // namespace

cudaError_t cast(const CastParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  if (p.from <= Plain::kBF16 && p.to <= Plain::kBF16)
    return with_elem(Elem(int(p.from)), [&](auto from) {
      return with_elem(Elem(int(p.to)), [&](auto to) { return cast_floats<decltype(from), decltype(to)>(p, stream); });
    });
  const dim3 blocks(unsigned((p.count + kThreads * kItems - 1) / (kThreads * kItems)));
  if (p.from >= Plain::kI8 && p.to >= Plain::kI8) return launch(any_kernel<int64_t>, blocks, kThreads, 0, stream, p);
  return launch(any_kernel<double>, blocks, kThreads, 0, stream, p);
}

}  // namespace tenon::cuda
