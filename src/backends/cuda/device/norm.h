// Normalization of rows by their mean and variance, or by the mean of their squares.
#pragma once
#include "backends/cuda/device/index.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias for `rows` rows of `length` elements; without `centered`
/// the mean counts as 0. Scale and bias have one number an element of a row; or, where `plane` is not 0, one a channel:
/// a row is planes of `plane` elements, those of channels (row * channels of a row) mod `channels` and following.
struct NormParams {
  const void *x = nullptr, *scale = nullptr, *bias = nullptr;  ///< bias may be null
  void* y = nullptr;
  float *mean = nullptr, *inverse = nullptr;  ///< of each row, or null
  int64_t rows = 0, x_pitch = 0, y_pitch = 0;
  int length = 0;
  float epsilon = 0;
  bool centered = true;
  int plane = 0, channels = 1;
  Elem scale_type = Elem::kF32, bias_type = Elem::kF32;
  bool constant = false;  ///< scale and bias were written before any kernel ran: they may be read early
};
cudaError_t norm_rows(const NormParams& params, Elem type, cudaStream_t stream);

/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias with given statistics of each channel; x is [outer,
/// channels, plane].
struct BatchNormParams {
  const void *x = nullptr, *of_channel[4] = {};  ///< scale, bias, mean, variance
  Elem types[4] = {};
  void* y = nullptr;
  uint32_t count = 0;
  Divisor plane, channels;
  float epsilon = 0;
};
cudaError_t batch_norm(const BatchNormParams& params, Elem type, cudaStream_t stream);

/// LRN: y = x / (bias + alpha_over_size * sum of squares of the channels from c - before to c + after)^beta; x is
/// [outer, channels, plane].
struct LrnParams {
  const void* x = nullptr;
  void* y = nullptr;
  uint32_t count = 0;
  Divisor plane, channels;
  int before = 0, after = 0;
  float bias = 1, alpha_over_size = 0, beta = 0;
};
cudaError_t lrn(const LrnParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
