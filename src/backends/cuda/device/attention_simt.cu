// Attention without tensor cores, for sizes and strides that fit nothing else: a warp a query, a lane a
// key.
#include "backends/cuda/device/attention_row.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kWarps = 4;

/// kColumns: values a lane, at columns lane, lane + 32, ….
template <class T, int kColumns>
__global__ void __launch_bounds__(kWarps * 32) attention_simt_kernel(const AttentionParams p) {
  begin();
  finish_early();
  extern __shared__ float staged[];
  const int warp = threadIdx.x / 32, tiles = (p.queries + kWarps - 1) / kWarps;
  const int row = int(blockIdx.x) % tiles * kWarps + warp;
  if (row < p.queries) attend_row<T, kColumns>(p, int(blockIdx.x) / tiles, row, staged + warp * p.size);
}

template <class T, int kColumns>
cudaError_t run(const AttentionParams& p, cudaStream_t stream) {
  const int tiles = (p.queries + kWarps - 1) / kWarps;
  return launch(attention_simt_kernel<T, kColumns>, dim3(unsigned(tiles * p.heads * p.batch)), dim3(kWarps * 32),
                size_t(kWarps) * size_t(p.size) * sizeof(float), stream, p);
}

}  // namespace

cudaError_t attention_simt(Elem type, const AttentionParams& p, cudaStream_t stream) {
  return with_elem(type, [&](auto element) {
    using T = decltype(element);
    if (p.value_size <= 32) return run<T, 1>(p, stream);
    if (p.value_size <= 64) return run<T, 2>(p, stream);
    if (p.value_size <= 128) return run<T, 4>(p, stream);
    return run<T, kMaxSimtSize / 32>(p, stream);
  });
}

cudaError_t attention_mma(Elem type, AttentionTile tile, const AttentionParams& p, cudaStream_t stream) {
  if (type == Elem::kF32) return attention_mma_f32(tile, p, stream);
  return type == Elem::kF16 ? attention_mma_f16(tile, p, stream) : attention_mma_bf16(tile, p, stream);
}

}  // namespace tenon::cuda
