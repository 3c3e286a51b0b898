// Products of a warpgroup on Hopper's tensor cores with the left operand in registers (sm_90a): as wgmma.h, where lane
// l of warp w holds a's elements as in mma.h, of rows 16 w + l / 4 and 8 further.
#pragma once
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {

/// sums (+)= a b for 64 rows of a, `8 * N` columns of b and 16 of k; sums are overwritten unless `add`. Asynchronous: a
/// is not written before wait_products().
template <class T, int N>
__device__ __forceinline__ void multiply_fragment(float (&sums)[N][4], const uint32_t (&a)[4], uint64_t b, int add);

#define TENON_SUMS_1(i) "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])
#define TENON_SUMS_4 TENON_SUMS_1(0), TENON_SUMS_1(1), TENON_SUMS_1(2), TENON_SUMS_1(3)
#define TENON_SUMS_8 TENON_SUMS_4, TENON_SUMS_1(4), TENON_SUMS_1(5), TENON_SUMS_1(6), TENON_SUMS_1(7)
/// One instruction: its shape, how many eights of columns, its registers' names, those of a, and those of b and `add`.
#define TENON_MULTIPLY(T, type, shape, N, registers, a_names, b_name, add_name)                                  \
  template <>                                                                                                    \
  __device__ __forceinline__ void multiply_fragment<T, N>(float(&sums)[N][4], const uint32_t(&a)[4], uint64_t b, \
                                                          int add) {                                             \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_name                                                    \
                 ", 0;\n"                                                                                        \
                 "wgmma.mma_async.sync.aligned." shape ".f32." type "." type " {" registers "}, {" a_names       \
                 "}, " b_name ", p, 1, 1, 0;\n}"                                                                 \
                 : TENON_SUMS_##N                                                                                \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                                \
  }
#define TENON_REGISTERS_4 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define TENON_REGISTERS_8                                                  \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
TENON_MULTIPLY(__half, "f16", "m64n32k16", 4, TENON_REGISTERS_4, "%16, %17, %18, %19", "%20", "%21")
TENON_MULTIPLY(__nv_bfloat16, "bf16", "m64n32k16", 4, TENON_REGISTERS_4, "%16, %17, %18, %19", "%20", "%21")
TENON_MULTIPLY(__half, "f16", "m64n64k16", 8, TENON_REGISTERS_8, "%32, %33, %34, %35", "%36", "%37")
TENON_MULTIPLY(__nv_bfloat16, "bf16", "m64n64k16", 8, TENON_REGISTERS_8, "%32, %33, %34, %35", "%36", "%37")
#undef TENON_MULTIPLY
#undef TENON_SUMS_1
#undef TENON_SUMS_4
#undef TENON_SUMS_8
#undef TENON_REGISTERS_4
#undef TENON_REGISTERS_8

}  // namespace tenon::cuda
