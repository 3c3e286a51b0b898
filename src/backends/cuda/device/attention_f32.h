// Attention of f32 on Hopper (compute capability 9.0 alone): heads of up to 64 elements, any mask. Blocks take 128
// queries of a head at a time; operands are multiplied as pairs of TF32 numbers.
#pragma once
#include "backends/cuda/device/attention.h"

namespace tenon::cuda {

inline constexpr int kWideF32Size = 64, kWideF32Queries = 128, kWideF32Keys = 64;
/// Addresses are multiples of 16 bytes, sizes of 8 and strides of 4 elements; a mask is f32 or bool. `blocks` are how
/// many the GPU runs at a time.
cudaError_t attention_f32(const AttentionParams& p, int blocks, cudaStream_t stream);

}  // namespace tenon::cuda
