// The device's element type of an operand.
#pragma once
#include "backends/cuda/dtype.h"
#include "backends/kernel.h"

namespace tenon::cuda {

inline bool is_elem(ir::DType t) { return t == ir::DType::kF32 || t == ir::DType::kF16 || t == ir::DType::kBF16; }
inline Elem elem_of(ir::DType t) {
  return t == ir::DType::kF16 ? Elem::kF16 : t == ir::DType::kBF16 ? Elem::kBF16 : Elem::kF32;
}

}  // namespace tenon::cuda
