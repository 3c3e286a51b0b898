// Loops over one row of f32: reductions, softmax and normalization. Sums of up to 2^10 elements are taken in f32 lanes
// and added in double, in an order that depends on the length alone.
#pragma once
#include <cstdint>

namespace tenon::isa {

enum class RowReduce : int32_t { kSum, kSumAbs, kSumSquares, kMax, kMin, kProduct };
inline constexpr int kRowReduceCount = 6;

struct RowLoops {
  /// Of n >= 1 elements; a NaN gives NaN.
  double (*reduce[kRowReduceCount])(const float* x, int64_t n);
  /// Sum of (x - mean)^2.
  double (*centered_squares)(const float* x, float mean, int64_t n);
  /// y = exp(x * scale - bias), unless y is null; returns the sum. y may be x.
  double (*exp_sum)(const float* x, float scale, float bias, float* y, int64_t n);
  /// y = (x - mean) * scale * gamma + beta; gamma and beta may be null. y may be x.
  void (*normalize)(const float* x, float mean, float scale, const float* gamma, const float* beta, float* y,
                    int64_t n);
  /// total += x, and total = max(total, x), for up to 64 rows that lie `pitch` elements apart.
  void (*add_rows)(float* total, const float* x, int64_t pitch, int64_t rows, int64_t n);
  void (*max_rows)(float* total, const float* x, int64_t pitch, int64_t rows, int64_t n);
};

}  // namespace tenon::isa
