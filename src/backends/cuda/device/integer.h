// Exact element-wise arithmetic on whole numbers and bool, and choosing between elements of any type.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

enum class IntegerRule : int {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,   ///< sign of the divisor
  kFmod,  ///< sign of the dividend
  kPow,
  kMin,
  kMax,
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kAnd,  ///< of all bits; for bool the logical one
  kOr,
  kXor,
  kShiftLeft,
  kShiftRight,
  kNeg,
  kAbs,
  kSign,
  kInvert,  ///< all bits; for bool the logical one
};

struct IntegerParams {
  const void* x[2] = {};  ///< the second may be null
  void* y = nullptr;
  Plain types[2] = {}, to = Plain::kI64;
  IntegerRule rule = IntegerRule::kAdd;
  uint32_t count = 0;
  Extents extents;  ///< of y, which is dense
  Strides strides[2];
};
cudaError_t integer(const IntegerParams& params, cudaStream_t stream);

/// y[i] = condition[i] ? a[i] : b[i].
struct SelectParams {
  const bool* condition = nullptr;
  const void *a = nullptr, *b = nullptr;
  void* y = nullptr;
  uint32_t count = 0;
  Extents extents;  ///< of y, which is dense
  Strides strides[3];
};
/// Elements of 1, 2, 4, 8 or 16 bytes.
cudaError_t select(const SelectParams& params, int bytes, cudaStream_t stream);

}  // namespace tenon::cuda
