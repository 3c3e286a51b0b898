// Hopper's copy engine: copies of boxes of tensors that report to barriers in shared memory (compute capability 9.0).
#pragma once
#include <cuda.h>

#include <cstdint>

#include "backends/cuda/device/barrier.h"
#include "backends/cuda/device/cluster.h"

namespace tenon::cuda {

/// Arrives, expecting `bytes` more.
__device__ __forceinline__ void expect_bytes(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// Arrives at the barrier in this place of block `rank` of the cluster.
__device__ __forceinline__ void arrive_in_cluster(uint64_t* barrier, uint32_t rank) {
  asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(map_to_cluster(barrier, rank)) : "memory");
}
/// A barrier of all threads of the cluster that orders no accesses to memory.
__device__ __forceinline__ void meet_cluster() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
}

__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}
/// Copies a box of a tensor of three axes to shared memory, completing on `barrier`.
__device__ __forceinline__ void copy_box(void* to, const CUtensorMap& map, uint64_t* barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], "
      "[%5];" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(shared_address(barrier))
      : "memory");
}
/// Copies a box of a tensor of five axes.
__device__ __forceinline__ void copy_box(void* to, const CUtensorMap& map, uint64_t* barrier, int x, int y, int z,
                                         int u, int v) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5, %6}], [%7];" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(u), "r"(v), "r"(shared_address(barrier))
      : "memory");
}
/// The same to this place in each block of the cluster that `blocks` has a bit for, completing on their barriers.
__device__ __forceinline__ void copy_box_to(uint16_t blocks, void* to, const CUtensorMap& map, uint64_t* barrier, int x,
                                            int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster "
      "[%0], [%1, {%2, %3, %4}], [%5], %6;" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(z), "r"(shared_address(barrier)), "h"(blocks)
      : "memory");
}
/// Copies rows of one head to shared memory, completing on `barrier`.
__device__ __forceinline__ void copy_heads(void* to, const CUtensorMap& map, uint64_t* barrier, int row, int head,
                                           int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], "
      "[%6];" ::"r"(shared_address(to)),
      "l"(&map), "r"(0), "r"(row), "r"(head), "r"(batch), "r"(shared_address(barrier))
      : "memory");
}
/// Where pixels come from: channels from c on, pixel after pixel of the images' bounding box from (w, h, d, n) on, each
/// moved by (dw, dh, dd).
struct Pixels {
  int c, w, h, d, n;
  uint16_t dw, dh, dd;
};
/// Copies pixels of an image of two axes.
__device__ __forceinline__ void copy_pixels(void* to, const CUtensorMap& map, uint64_t* barrier, const Pixels& p) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};" ::"r"(shared_address(to)),
      "l"(&map), "r"(p.c), "r"(p.w), "r"(p.h), "r"(p.n), "r"(shared_address(barrier)), "h"(p.dw), "h"(p.dh)
      : "memory");
}
__device__ __forceinline__ void copy_pixels_to(uint16_t blocks, void* to, const CUtensorMap& map, uint64_t* barrier,
                                               const Pixels& p) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster "
      "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8}, %9;" ::"r"(shared_address(to)),
      "l"(&map), "r"(p.c), "r"(p.w), "r"(p.h), "r"(p.n), "r"(shared_address(barrier)), "h"(p.dw), "h"(p.dh), "h"(blocks)
      : "memory");
}
/// Copies pixels of an image of three axes.
__device__ __forceinline__ void copy_voxels(void* to, const CUtensorMap& map, uint64_t* barrier, const Pixels& p) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5, %6}], [%7], {%8, %9, %10};" ::"r"(shared_address(to)),
      "l"(&map), "r"(p.c), "r"(p.w), "r"(p.h), "r"(p.d), "r"(p.n), "r"(shared_address(barrier)), "h"(p.dw), "h"(p.dh),
      "h"(p.dd)
      : "memory");
}
__device__ __forceinline__ void copy_voxels_to(uint16_t blocks, void* to, const CUtensorMap& map, uint64_t* barrier,
                                               const Pixels& p) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster "
      "[%0], [%1, {%2, %3, %4, %5, %6}], [%7], {%8, %9, %10}, %11;" ::"r"(shared_address(to)),
      "l"(&map), "r"(p.c), "r"(p.w), "r"(p.h), "r"(p.d), "r"(p.n), "r"(shared_address(barrier)), "h"(p.dw), "h"(p.dh),
      "h"(p.dd), "h"(blocks)
      : "memory");
}

/// Copies shared memory to a box of a tensor. What threads wrote there is published and past a barrier before.
__device__ __forceinline__ void store_box(const CUtensorMap& map, const void* from, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%1, %2, %3}], [%4];" ::"l"(&map),
               "r"(x), "r"(y), "r"(z), "r"(shared_address(from))
               : "memory");
}
/// The same of a tensor of five axes.
__device__ __forceinline__ void store_box(const CUtensorMap& map, const void* from, int x, int y, int z, int u, int v) {
  asm volatile(
      "cp.async.bulk.tensor.5d.global.shared::cta.tile.bulk_group [%0, {%1, %2, %3, %4, %5}], [%6];" ::"l"(&map),
      "r"(x), "r"(y), "r"(z), "r"(u), "r"(v), "r"(shared_address(from))
      : "memory");
}
__device__ __forceinline__ void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/// Until the shared memory of this thread's stores, but for those committed last, may be written again.
template <int kPending = 0>
__device__ __forceinline__ void wait_stores_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}
/// Until this thread's stores are done.
__device__ __forceinline__ void wait_stores() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

/// Four 8x8 matrices of 16-bit elements to shared memory, as load_matrices reads them.
__device__ __forceinline__ void store_matrices(void* row, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared_address(row)), "r"(r[0]),
               "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
}

}  // namespace tenon::cuda
