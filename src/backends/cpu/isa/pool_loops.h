// Pooling of channels: one output position is a fold of rows of channels.
#pragma once
#include <cstdint>

namespace tenon::isa {

/// By storage type: f32, bf16, f16 (PwType's first three).
inline constexpr int kPoolTypeCount = 3;

struct PoolLoops {
  /// y[c] = max over taps of x[offsets[t] + c]; offsets in elements, at least one. A NaN gives NaN.
  void (*max[kPoolTypeCount])(const void* x, const int64_t* offsets, int64_t taps, void* y, int64_t n);
  /// y[c] = scale * sum over taps.
  void (*sum[kPoolTypeCount])(const void* x, const int64_t* offsets, int64_t taps, float scale, void* y, int64_t n);
  /// y[c] = sum over taps of weights[t] * x[offsets[t] + c].
  void (*weighted[kPoolTypeCount])(const void* x, const int64_t* offsets, const float* weights, int64_t taps, void* y,
                                   int64_t n);
};

}  // namespace tenon::isa
