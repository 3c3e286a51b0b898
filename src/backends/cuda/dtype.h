// Calling a template for the element type that an operand has at run time.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace tenon::cuda {

/// Element types that device code computes with; others are moved by size or run on the host.
enum class Elem : int { kF32, kF16, kBF16 };

/// Calls `fn` with a value of the C++ type of `e`.
template <class Fn>
auto with_elem(Elem e, const Fn& fn) {
  switch (e) {
    case Elem::kF16:
      return fn(__half());
    case Elem::kBF16:
      return fn(__nv_bfloat16());
    default:
      return fn(float());
  }
}

}  // namespace tenon::cuda
