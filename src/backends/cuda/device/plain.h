// Reading and writing elements of types that are known only at run time.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/types.h"

namespace tenon::cuda {

__device__ __forceinline__ bool is_integer(Plain t) { return t >= Plain::kI8; }

/// Element `i` as `Wide`: int64_t for integers and bool, or double for any type.
template <class Wide>
__device__ __forceinline__ Wide load_plain(const void* p, Plain type, int64_t i) {
  switch (type) {
    case Plain::kF32:
      return Wide(static_cast<const float*>(p)[i]);
    case Plain::kF16:
      return Wide(__half2float(static_cast<const __half*>(p)[i]));
    case Plain::kBF16:
      return Wide(__bfloat162float(static_cast<const __nv_bfloat16*>(p)[i]));
    case Plain::kF64:
      return Wide(static_cast<const double*>(p)[i]);
    case Plain::kI8:
      return Wide(static_cast<const int8_t*>(p)[i]);
    case Plain::kI16:
      return Wide(static_cast<const int16_t*>(p)[i]);
    case Plain::kU16:
      return Wide(static_cast<const uint16_t*>(p)[i]);
    case Plain::kI32:
      return Wide(static_cast<const int32_t*>(p)[i]);
    case Plain::kU32:
      return Wide(static_cast<const uint32_t*>(p)[i]);
    case Plain::kI64:
      return Wide(static_cast<const int64_t*>(p)[i]);
    default:
      return Wide(static_cast<const uint8_t*>(p)[i]);
  }
}

/// Towards zero; NaN is 0.
__device__ __forceinline__ int64_t whole(double v) { return v != v ? 0 : __double2ll_rz(v); }
__device__ __forceinline__ int64_t whole(int64_t v) { return v; }

template <class Wide>
__device__ __forceinline__ void store_plain(void* p, Plain type, int64_t i, Wide v) {
  switch (type) {
    case Plain::kF32:
      static_cast<float*>(p)[i] = float(v);
      return;
    case Plain::kF16:
      static_cast<__half*>(p)[i] = __float2half_rn(float(v));
      return;
    case Plain::kBF16:
      static_cast<__nv_bfloat16*>(p)[i] = __float2bfloat16_rn(float(v));
      return;
    case Plain::kF64:
      static_cast<double*>(p)[i] = double(v);
      return;
    case Plain::kI8:
    case Plain::kU8:
      static_cast<uint8_t*>(p)[i] = uint8_t(whole(v));
      return;
    case Plain::kI16:
    case Plain::kU16:
      static_cast<uint16_t*>(p)[i] = uint16_t(whole(v));
      return;
    case Plain::kI32:
    case Plain::kU32:
      static_cast<uint32_t*>(p)[i] = uint32_t(whole(v));
      return;
    case Plain::kI64:
      static_cast<int64_t*>(p)[i] = whole(v);
      return;
    default:
      static_cast<uint8_t*>(p)[i] = v != Wide(0);
  }
}

}  // namespace tenon::cuda
