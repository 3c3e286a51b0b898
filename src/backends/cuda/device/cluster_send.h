// Sums that blocks of a cluster send to each other's shared memory, which barriers there count (compute
// capability 9.0).
#pragma once
#include "backends/cuda/device/cluster.h"

namespace tenon::cuda {

/// Starts writing four floats to an address in the cluster, reporting 16 bytes to a barrier of the same block.
__device__ __forceinline__ void send_to_cluster(uint32_t to, uint32_t barrier, const float (&v)[4]) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%2, %3, %4, %5}, [%1];" ::"r"(to),
      "r"(barrier), "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3])
      : "memory");
#endif
}
/// Waits for the first phase of a barrier that other blocks report to; what they sent is there.
__device__ __forceinline__ void wait_sent(const uint64_t* barrier) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n.reg .pred done;\nagain:\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], 0;\n@!done bra again;\n}" ::"r"(
          uint32_t(__cvta_generic_to_shared(barrier)))
      : "memory");
#endif
}

}  // namespace tenon::cuda
