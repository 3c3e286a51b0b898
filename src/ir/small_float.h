#pragma once
#include "base/half.h"
#include "ir/dtype.h"

namespace tenon::ir {

/// The codec of a floating-point type of up to 8 bits with sign and mantissa; null for others.
inline const SmallFloat* small_float(DType t) {
  switch (t) {
    case DType::kF8E4M3FN:
      return &kF8E4M3FN;
    case DType::kF8E5M2:
      return &kF8E5M2;
    case DType::kF8E4M3FNUZ:
      return &kF8E4M3FNUZ;
    case DType::kF8E5M2FNUZ:
      return &kF8E5M2FNUZ;
    case DType::kF4E2M1:
      return &kF4E2M1;
    default:
      return nullptr;
  }
}

}  // namespace tenon::ir
