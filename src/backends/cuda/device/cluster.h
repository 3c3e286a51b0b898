// Clusters of blocks that share their shared memory (compute capability 9.0).
#pragma once
#include <cstdint>

namespace tenon::cuda {

/// A barrier of all threads of the cluster; what they wrote to shared memory before it is seen after it.
__device__ __forceinline__ void sync_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
#endif
}
/// A barrier that orders no accesses to memory.
__device__ __forceinline__ void leave_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait;" ::: "memory");
#endif
}
/// Four floats at the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ float4 load_from_cluster(const float* local, uint32_t rank) {
  float4 v = {};
#if __CUDA_ARCH__ >= 900
  const uint32_t mine = uint32_t(__cvta_generic_to_shared(local));
  uint32_t theirs;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(theirs) : "r"(mine), "r"(rank));
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(theirs)
               : "memory");
#endif
  return v;
}

}  // namespace tenon::cuda
