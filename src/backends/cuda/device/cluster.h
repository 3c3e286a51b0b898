// Clusters of blocks that share their shared memory (compute capability 9.0).
#pragma once
#include <cstdint>

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
/// A barrier of all threads of the cluster; what they wrote to shared memory before it is seen after it.
__device__ __forceinline__ void sync_cluster() {
  arrive_cluster();
  wait_cluster();
}
/// As arrive_cluster(), for blocks that made nothing but barriers and published them.
__device__ __forceinline__ void start_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory");
#endif
}
/// A barrier that orders no accesses to memory.
__device__ __forceinline__ void leave_cluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.relaxed;\nbarrier.cluster.wait;" ::: "memory");
#endif
}

/// The address of the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ uint32_t map_to_cluster(const void* local, uint32_t rank) {
  uint32_t theirs = 0;
#if __CUDA_ARCH__ >= 900
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(theirs)
      : "r"(uint32_t(__cvta_generic_to_shared(local))), "r"(rank));
#endif
  return theirs;
}
/// Four floats at the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ float4 load_from_cluster(const float* local, uint32_t rank) {
  float4 v = {};
#if __CUDA_ARCH__ >= 900
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(map_to_cluster(local, rank))
               : "memory");
#endif
  return v;
}
/// Writes to the place of `local` in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ void store_to_cluster(float* local, uint32_t rank, float v) {
#if __CUDA_ARCH__ >= 900
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(map_to_cluster(local, rank)), "f"(v) : "memory");
#endif
}

}  // namespace tenon::cuda
