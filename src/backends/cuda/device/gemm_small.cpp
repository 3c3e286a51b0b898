#include "backends/cuda/device/gemm_small.h"

#include "backends/cuda/device/gemm_tma.h"

namespace tenon::cuda {

bool gemm_small_does(const Epilogue& e) {
  if (e.join == Join::kNone) return e.act == Act::kNone || e.act == Act::kRelu || e.act == Act::kGeluErf;
  const bool first = e.join == Join::kAddFirst && (e.act == Act::kNone || e.act == Act::kRelu);
  return e.extra_step == 1 && e.extra_rows.value == 1 && (first || (e.join == Join::kAdd && e.act == Act::kNone));
}

bool gemm_small_takes(const GemmArgs& a) { return a.batch == 1 && gemm_tma_takes(a, false); }

cudaError_t gemm_small(const GemmArgs& a, Elem type, int tile, int splits, cudaStream_t stream) {
  if (type == Elem::kF16) return gemm_small_f16(a, tile, splits, stream);
  if (type == Elem::kBF16) return gemm_small_bf16(a, tile, splits, stream);
  return cudaErrorInvalidValue;
}

}  // namespace tenon::cuda
