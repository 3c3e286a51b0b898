// The products of gemm_tensor_core.h for f32, which are compiled apart.
#pragma once
#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

cudaError_t gemm_tensor_core_conv_f32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_rows_f32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);
cudaError_t gemm_tensor_core_by_columns_f32(const GemmArgs& a, int tile, int splits, cudaStream_t stream);

}  // namespace tenon::cuda
