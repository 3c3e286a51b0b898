// A matrix product as libraries take it: one shape, leading dimensions, and at most two axes of batch.
#pragma once
#include <string>
#include <vector>

#include "backends/kernel.h"
#include "ops/fused/pointwise_program.h"

namespace tenon::cuda {

/// y = act(alpha * op(a) op(b) + residual + bias), row-major; op(a) is m x k, op(b) k x n.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldy = 0, ldr = 0;  ///< elements between stored rows
  float alpha = 1;
  /// An axis of the batch: elements between its matrices, 0 where an operand is the same for all.
  struct Axis {
    int64_t count, a, b, y, residual;
  };
  std::vector<Axis> batch;  ///< outer first, none of count 1
  int bias = -1;            ///< operand with n numbers, or -1
  int residual = -1;        ///< operand that is added, or -1
  enum class Act : uint8_t { kNone, kRelu, kGeluErf, kGeluTanh } act = Act::kNone;
  double flops() const;
};

/// Reads a MatMul, or a Conv whose window is one element. Returns why it is no such product, or an empty string.
std::string read_gemm(const Problem& p, Gemm& g);
std::string read_gemm_of_conv(const Problem& p, Gemm& g);

}  // namespace tenon::cuda
