// The tiles of gemm_tma.h for one type of elements.
#pragma once
#include "backends/cuda/device/gemm_tma_kernel.h"

namespace tenon::cuda {
namespace {

/// In the order of kTmaTiles.
template <class T>
cudaError_t launch_tma_tile(const GemmArgs& a, Elem type, bool conv, int tile, int cluster, int blocks,
                            cudaStream_t stream) {
  const auto with = [&]<class F>(F) { return launch_tma<F, T>(a, type, conv, cluster, blocks, stream); };
  switch (tile) {
    case 0:
      return with(TmaForm<2, 192, 2, true, 4, 1, 4>());
    case 1:
      return with(TmaForm<1, 192, 2, false, 4, 3>());
    case 2:
      return with(TmaForm<1, 192, 3, false, 4, 1>());
    case 3:
      return with(TmaForm<1, 256, 2, false, 4, 2>());
    case 4:
      return with(TmaForm<2, 128, 2, false, 4, 2>());
    case 5:
      return with(TmaForm<1, 128, 3, false, 4, 2>());
    case 6:
      return with(TmaForm<2, 128, 2, true, 5, 2, 2>());
    case 7:
      return with(TmaForm<1, 64, 3, false, 6, 1>());
    case 8:
      return with(TmaForm<2, 64, 2, true, 8, 1, 2>());
    case 9:
      return with(TmaForm<1, 128, 2, true, 8, 2>());
    case 10:
      return with(TmaForm<1, 192, 3, false, 3, 3>());
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace tenon::cuda
