#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Matrix product over the last two axes, numpy broadcasting over the others; both operands have rank 2 or more.
///
/// Inputs: a [..., M, K], b [..., K, N], bias [N] (optional), then the extra operands of `epilogue`. A transposed
/// operand is stored with its last two axes exchanged. y = epilogue(alpha * a b + bias), where `i0` in the epilogue
/// names the sum. Integer operands multiply exactly, wrapping, and take neither alpha nor an epilogue.
struct MatMulAttrs {
  bool transpose_a = false, transpose_b = false;
  float alpha = 1;
  std::string epilogue = {};  ///< pointwise program (see ops/fused/pointwise_program.h), empty for none
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        ir::field<&MatMulAttrs::transpose_a>("transpose_a"), ir::field<&MatMulAttrs::transpose_b>("transpose_b"),
        ir::field<&MatMulAttrs::alpha>("alpha"), ir::field<&MatMulAttrs::epilogue>("epilogue")};
    return f;
  }
};

}  // namespace tenon::ops
