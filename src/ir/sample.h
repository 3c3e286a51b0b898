// Tensors to try a network on, and how far two tensors are apart.
#pragma once
#include "base/random.h"
#include "ir/tensor.h"

namespace tenon::ir {

/// Standard normal numbers, or whole numbers 0 and 1; empty strings. The same everywhere for a seed.
Tensor random_tensor(DType dtype, const Dims& dims, Xorshift& random);

/// ‖a − b‖₂ / ‖b‖₂ over all elements; 0 for equal, infinity where dims differ or one has a NaN the other lacks.
double relative_error(const Tensor& a, const Tensor& b);

}  // namespace tenon::ir
