#include "backends/cuda/device/integer.h"

#include "backends/cuda/device/bytes.h"
#include "backends/cuda/device/plain.h"
#include "backends/cuda/launch.h"
#include "ops/math/integer.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

__device__ int64_t apply(IntegerRule rule, int64_t a, int64_t b, bool of_bool) {
  namespace f = ops::integer;
  switch (rule) {
    case IntegerRule::kAdd:
      return f::add(a, b);
    case IntegerRule::kSub:
      return f::sub(a, b);
    case IntegerRule::kMul:
      return f::mul(a, b);
    case IntegerRule::kDiv:
      return f::div(a, b, false);
    case IntegerRule::kMod:
      return f::mod(a, b, false);
    case IntegerRule::kFmod:
      return f::fmod(a, b, false);
    case IntegerRule::kPow:
      return f::pow(a, b, false);
    case IntegerRule::kMin:
      return a < b ? a : b;
    case IntegerRule::kMax:
      return a > b ? a : b;
    case IntegerRule::kEqual:
      return a == b;
    case IntegerRule::kLess:
      return a < b;
    case IntegerRule::kLessOrEqual:
      return a <= b;
    case IntegerRule::kGreater:
      return a > b;
    case IntegerRule::kGreaterOrEqual:
      return a >= b;
    case IntegerRule::kAnd:
      return a & b;
    case IntegerRule::kOr:
      return a | b;
    case IntegerRule::kXor:
      return a ^ b;
    case IntegerRule::kShiftLeft:
      return f::shift_left(a, b);
    case IntegerRule::kShiftRight:
      return f::shift_right(a, b, false);
    case IntegerRule::kNeg:
      return f::sub(0, a);
    case IntegerRule::kAbs:
      return a < 0 ? f::sub(0, a) : a;
    case IntegerRule::kSign:
      return (a > 0) - (a < 0);
    default:
      return of_bool ? a == 0 : ~a;
  }
}

__global__ void __launch_bounds__(kThreads) integer_kernel(const __grid_constant__ IntegerParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  uint32_t rest = i;
  int64_t at[2] = {};
  for (int d = 0; d < p.extents.rank; ++d) {
    const uint32_t r = p.extents.size[d].take(rest);
    at[0] += int64_t(r) * p.strides[0].of[d];
    at[1] += int64_t(r) * p.strides[1].of[d];
  }
  const int64_t a = load_plain<int64_t>(p.x[0], p.types[0], at[0]);
  const int64_t b = p.x[1] ? load_plain<int64_t>(p.x[1], p.types[1], at[1]) : 0;
  store_plain(p.y, p.to, i, apply(p.rule, a, b, p.types[0] == Plain::kBool));
}

template <class T>
__global__ void __launch_bounds__(kThreads) select_kernel(const __grid_constant__ SelectParams p) {
  begin();
  finish_early();
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= p.count) return;
  uint32_t rest = i;
  int64_t at[3] = {};
  for (int d = 0; d < p.extents.rank; ++d) {
    const uint32_t r = p.extents.size[d].take(rest);
#pragma unroll
    for (int k = 0; k < 3; ++k) at[k] += int64_t(r) * p.strides[k].of[d];
  }
  const bool first = p.condition[at[0]];
  static_cast<T*>(p.y)[i] = first ? static_cast<const T*>(p.a)[at[1]] : static_cast<const T*>(p.b)[at[2]];
}

dim3 blocks_for(uint32_t count) { return dim3((count + kThreads - 1) / kThreads); }

}  // namespace

cudaError_t integer(const IntegerParams& p, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return launch(integer_kernel, blocks_for(p.count), kThreads, 0, stream, p);
}

cudaError_t select(const SelectParams& p, int bytes, cudaStream_t stream) {
  if (p.count == 0) return cudaSuccess;
  return with_bytes(bytes, [&](auto element) {
    return launch(select_kernel<decltype(element)>, blocks_for(p.count), kThreads, 0, stream, p);
  });
}

}  // namespace tenon::cuda
