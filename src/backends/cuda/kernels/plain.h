// The device's name of a type that it converts and computes whole numbers with.
#pragma once
#include <optional>

#include "backends/cuda/device/cast.h"
#include "ir/dtype.h"

namespace tenon::cuda {

/// Nullopt for types that are not handled: u64, those below 8 bits, complex numbers, strings.
inline std::optional<Plain> plain_of(ir::DType t) {
  using ir::DType;
  switch (t) {
    case DType::kF32:
      return Plain::kF32;
    case DType::kF16:
      return Plain::kF16;
    case DType::kBF16:
      return Plain::kBF16;
    case DType::kF64:
      return Plain::kF64;
    case DType::kI8:
      return Plain::kI8;
    case DType::kU8:
      return Plain::kU8;
    case DType::kI16:
      return Plain::kI16;
    case DType::kU16:
      return Plain::kU16;
    case DType::kI32:
      return Plain::kI32;
    case DType::kU32:
      return Plain::kU32;
    case DType::kI64:
      return Plain::kI64;
    case DType::kBool:
      return Plain::kBool;
    default:
      return std::nullopt;
  }
}

}  // namespace tenon::cuda
