// Blocks of a cluster that write to each other's shared memory (compute capability 9.0).
#pragma once
#include "backends/cuda/device/cluster.h"

namespace tenon::cuda {

/// The two halves of sync_cluster(); between them a block may do what others do not see.
__device__ __forceinline__ void arrive_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}
__device__ __forceinline__ void wait_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}
/// As arrive_cluster(), for blocks that made nothing but barriers and published them.
__device__ __forceinline__ void start_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
#endif
}
/// The address of the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ uint32_t map_to_cluster(const void* local, int rank) {
  uint32_t theirs = 0;
#if __CUDA_ARCH__ >= 900
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(theirs)
      : "r"(uint32_t(__cvta_generic_to_shared(local))), "r"(rank));
#endif
  return theirs;
}
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
/// Writes to the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ void store_to_cluster(float* local, uint32_t rank, float v) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n.reg .b32 theirs;\nmapa.shared::cluster.u32 theirs, %0, %1;\nst.shared::cluster.f32 [theirs], %2;\n}" ::"r"(
          uint32_t(__cvta_generic_to_shared(local))),
      "r"(rank), "f"(v)
      : "memory");
#endif
}

}  // namespace tenon::cuda
