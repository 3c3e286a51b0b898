// Products of a warpgroup on Hopper's tensor cores: wgmma with the right operand in shared memory and the left there or
// in registers (sm_90a). Widths of 32, 48, 64, 96, 128, 136, 192, 208, 232 and 256 columns have instructions here.
//
// Operands lie in rows of 64 elements of k (128 bytes) whose eight 16-byte chunks are exchanged by the row's number
// modulo 8; a tile starts at a multiple of 1024 bytes. Sums are laid out as those of mma.sync: lane l of warp w of the
// group holds rows 16 w + l / 4 and 8 further, and in each eight of columns 2 (l % 4) and the next.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace tenon::cuda {

/// Describes rows of 128 bytes, swizzled by 128 bytes, from `at` on: eight rows a group of 1024 bytes.
__device__ __forceinline__ uint64_t describe_rows(const void* at) {
  const uint64_t address = uint64_t(__cvta_generic_to_shared(at)) >> 4 & 0x3fff;
  return address | uint64_t(1) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}

/// A barrier of the 128 threads of group `group` of those that multiply.
__device__ __forceinline__ void sync_group(int group) { asm volatile("bar.sync %0, 128;" ::"r"(group + 1) : "memory"); }
/// Two groups take turns: a group waits until the other has passed it the turn. Groups that alternate at a ring of
/// barriers have to, since who waits for a phase must not do so two phases early.
__device__ __forceinline__ void wait_turn(int group) { asm volatile("bar.sync %0, 256;" ::"r"(group + 4) : "memory"); }
__device__ __forceinline__ void pass_turn(int group) {
  asm volatile("bar.arrive %0, 256;" ::"r"(group + 4) : "memory");
}

/// Before the first product after registers or shared memory were written.
__device__ __forceinline__ void fence_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Until at most `kPending` of the groups that were committed last are unfinished.
template <int kPending = 0>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
/// What this thread copied to shared memory is seen by products that are issued after the next barrier.
__device__ __forceinline__ void publish_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
/// Keeps the compiler from moving accesses to sums across this point.
template <int N>
__device__ __forceinline__ void pin(float (&sums)[N][4]) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    asm volatile("" : "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])::"memory");
}

/// sums (+)= a b for 64 rows of a, `8 * N` columns of b and 16 of k; sums are overwritten unless `add`. Asynchronous.
template <class T, int N>
__device__ __forceinline__ void multiply_rows(float (&sums)[N][4], uint64_t a, uint64_t b, int add = 1);
/// The same with a in registers, laid out as sums of 16 columns are, which are not written before wait_products(). 32
/// and 64 columns.
template <class T, int N>
__device__ __forceinline__ void multiply_fragment(float (&sums)[N][4], const uint32_t (&a)[4], uint64_t b, int add);
/// The same for 64 columns of b that lie next to each other in rows of 128 bytes: a row each of 16 of k from `b` on.
template <class T>
__device__ __forceinline__ void multiply_columns(float (&sums)[8][4], const uint32_t (&a)[4], uint64_t b, int add);

// Registers of a product have to be named one by one, so a width is a text of its own: N eights of columns have 4 N.
#define TENON_SUMS_1(i) "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])
#define TENON_SUMS_2(i) TENON_SUMS_1(i), TENON_SUMS_1(i + 1)
#define TENON_SUMS_4(i) TENON_SUMS_2(i), TENON_SUMS_2(i + 2)
#define TENON_SUMS_6(i) TENON_SUMS_4(i), TENON_SUMS_2(i + 4)
#define TENON_SUMS_8(i) TENON_SUMS_4(i), TENON_SUMS_4(i + 4)
#define TENON_SUMS_12(i) TENON_SUMS_8(i), TENON_SUMS_4(i + 8)
#define TENON_SUMS_16(i) TENON_SUMS_8(i), TENON_SUMS_8(i + 8)
#define TENON_SUMS_17(i) TENON_SUMS_16(i), TENON_SUMS_1(i + 16)
#define TENON_SUMS_24(i) TENON_SUMS_16(i), TENON_SUMS_8(i + 16)
#define TENON_SUMS_26(i) TENON_SUMS_24(i), TENON_SUMS_2(i + 24)
#define TENON_SUMS_29(i) TENON_SUMS_26(i), TENON_SUMS_2(i + 26), TENON_SUMS_1(i + 28)
#define TENON_SUMS_32(i) TENON_SUMS_16(i), TENON_SUMS_16(i + 16)
#define TENON_REGISTERS_4 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define TENON_REGISTERS_6 TENON_REGISTERS_4 ", %16, %17, %18, %19, %20, %21, %22, %23"
#define TENON_REGISTERS_8 TENON_REGISTERS_6 ", %24, %25, %26, %27, %28, %29, %30, %31"
#define TENON_REGISTERS_12 \
  TENON_REGISTERS_8 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define TENON_REGISTERS_16 \
  TENON_REGISTERS_12 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define TENON_REGISTERS_17 TENON_REGISTERS_16 ", %64, %65, %66, %67"
#define TENON_REGISTERS_24                                                           \
  TENON_REGISTERS_17                                                                 \
  ", %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83" \
  ", %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define TENON_REGISTERS_26 TENON_REGISTERS_24 ", %96, %97, %98, %99, %100, %101, %102, %103"
#define TENON_REGISTERS_29 TENON_REGISTERS_26 ", %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115"
#define TENON_REGISTERS_32 TENON_REGISTERS_29 ", %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
/// One instruction: its columns, their eights, and the names of its operands behind the sums.
#define TENON_MULTIPLY(T, type, columns, N, a_name, b_name, add_name)                                          \
  template <>                                                                                                  \
  __device__ __forceinline__ void multiply_rows<T, N>(float(&sums)[N][4], uint64_t a, uint64_t b, int add) {   \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_name                                                  \
                 ", 0;\n"                                                                                      \
                 "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " {" TENON_REGISTERS_##N \
                 "}, " a_name ", " b_name ", p, 1, 1, 0, 0;\n}"                                                \
                 : TENON_SUMS_##N(0)                                                                           \
                 : "l"(a), "l"(b), "r"(add));                                                                  \
  }
#define TENON_MULTIPLY_FRAGMENT(function, type, columns, N, a_names, b_name, add_name, order)                  \
  template <>                                                                                                  \
  __device__ __forceinline__ void function(float(&sums)[N][4], const uint32_t(&a)[4], uint64_t b, int add) {   \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_name                                                  \
                 ", 0;\n"                                                                                      \
                 "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " {" TENON_REGISTERS_##N \
                 "}, {" a_names "}, " b_name ", p, 1, 1, " order ";\n}"                                        \
                 : TENON_SUMS_##N(0)                                                                           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                              \
  }
#define TENON_MULTIPLY_BOTH(...)             \
  TENON_MULTIPLY(__half, "f16", __VA_ARGS__) \
  TENON_MULTIPLY(__nv_bfloat16, "bf16", __VA_ARGS__)
#define TENON_FRAGMENT_BOTH(function, ...)                      \
  TENON_MULTIPLY_FRAGMENT(function<__half>, "f16", __VA_ARGS__) \
  TENON_MULTIPLY_FRAGMENT(function<__nv_bfloat16>, "bf16", __VA_ARGS__)
TENON_MULTIPLY_BOTH("32", 4, "%16", "%17", "%18")
TENON_MULTIPLY_BOTH("48", 6, "%24", "%25", "%26")
TENON_MULTIPLY_BOTH("64", 8, "%32", "%33", "%34")
TENON_MULTIPLY_BOTH("96", 12, "%48", "%49", "%50")
TENON_MULTIPLY_BOTH("128", 16, "%64", "%65", "%66")
TENON_MULTIPLY_BOTH("136", 17, "%68", "%69", "%70")
TENON_MULTIPLY_BOTH("192", 24, "%96", "%97", "%98")
TENON_MULTIPLY_BOTH("208", 26, "%104", "%105", "%106")
TENON_MULTIPLY_BOTH("232", 29, "%116", "%117", "%118")
TENON_MULTIPLY_BOTH("256", 32, "%128", "%129", "%130")
TENON_FRAGMENT_BOTH(multiply_fragment, "32", 4, "%16, %17, %18, %19", "%20", "%21", "0")
TENON_FRAGMENT_BOTH(multiply_fragment, "64", 8, "%32, %33, %34, %35", "%36", "%37", "0")
TENON_FRAGMENT_BOTH(multiply_columns, "64", 8, "%32, %33, %34, %35", "%36", "%37", "1")
#undef TENON_FRAGMENT_BOTH
#undef TENON_MULTIPLY_BOTH
#undef TENON_MULTIPLY_FRAGMENT
#undef TENON_MULTIPLY
#undef TENON_SUMS_1
#undef TENON_SUMS_2
#undef TENON_SUMS_4
#undef TENON_SUMS_6
#undef TENON_SUMS_8
#undef TENON_SUMS_12
#undef TENON_SUMS_16
#undef TENON_SUMS_17
#undef TENON_SUMS_24
#undef TENON_SUMS_26
#undef TENON_SUMS_29
#undef TENON_SUMS_32
#undef TENON_REGISTERS_4
#undef TENON_REGISTERS_6
#undef TENON_REGISTERS_8
#undef TENON_REGISTERS_12
#undef TENON_REGISTERS_16
#undef TENON_REGISTERS_17
#undef TENON_REGISTERS_24
#undef TENON_REGISTERS_26
#undef TENON_REGISTERS_29
#undef TENON_REGISTERS_32

}  // namespace tenon::cuda
