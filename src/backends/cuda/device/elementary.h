// Elementary functions and rotations of pairs: what pointwise programs have no name for.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backends/cuda/dtype.h"

namespace tenon::cuda {

enum class Elementary : int {
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kShrink,  ///< x + a below -b, x - a above b, else 0
  kIsInf,   ///< into bool: -inf if a != 0, inf if b != 0
};

/// y[i] = f(x[i]).
struct ElementaryArgs {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t count = 0;
  Elementary f = Elementary::kAsin;
  float a = 0, b = 0;
};
cudaError_t elementary(const ElementaryArgs& args, Elem type, cudaStream_t stream);

/// Turns pairs of a head's first 2 * half elements by the angle of their position, and copies the others. Heads of
/// `size` elements lie at batch * b + position * p + head * h.
struct RotaryArgs {
  const void *x = nullptr, *cos = nullptr, *sin = nullptr;
  const int64_t* positions = nullptr;  ///< [batch, steps] rows of cos and sin, or null: they have a row for each
  void* y = nullptr;
  int64_t batch = 0, steps = 0, heads = 0, size = 0, half = 0;
  int64_t b = 0, p = 0, h = 0;
  int64_t rows = 0;  ///< of cos and sin: positions beyond give NaN
  bool interleaved = false;
};
cudaError_t rotary(const RotaryArgs& args, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
