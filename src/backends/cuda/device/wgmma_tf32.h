// Products of a warpgroup of TF32 numbers with the left operand in registers (sm_90a): as those of wgmma.h, with the
// fragments of mma_tf32.h and rows of 32 numbers, of which the lower 13 bits do not matter.
#pragma once
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {

/// sums (+)= a b for 64 rows of a, `8 * N` columns of b and 8 of k; sums are overwritten unless `add`. Asynchronous: a
/// is not written before wait_products().
template <int N>
__device__ __forceinline__ void multiply_tf32(float (&sums)[N][4], const uint32_t (&a)[4], uint64_t b, int add);

#define TENON_SUMS_1(i) "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])
#define TENON_SUMS_4(i) TENON_SUMS_1(i), TENON_SUMS_1(i + 1), TENON_SUMS_1(i + 2), TENON_SUMS_1(i + 3)
#define TENON_SUMS_8(i) TENON_SUMS_4(i), TENON_SUMS_4(i + 4)
#define TENON_SUMS_16(i) TENON_SUMS_8(i), TENON_SUMS_8(i + 8)
#define TENON_SUMS_32(i) TENON_SUMS_16(i), TENON_SUMS_16(i + 16)
#define TENON_REGISTERS_4 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define TENON_REGISTERS_8 \
  TENON_REGISTERS_4       \
  ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define TENON_REGISTERS_16                                                             \
  TENON_REGISTERS_8                                                                    \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define TENON_REGISTERS_32                                                             \
  TENON_REGISTERS_16                                                                   \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "   \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, "   \
  "%110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, "     \
  "%123, %124, %125, %126, %127"
/// One instruction: its columns, their eights, the names of a's registers, and those of b and `add`.
#define TENON_MULTIPLY(columns, N, a_names, b_name, add_name)                                                        \
  template <>                                                                                                        \
  __device__ __forceinline__ void multiply_tf32<N>(float(&sums)[N][4], const uint32_t(&a)[4], uint64_t b, int add) { \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_name                                                        \
                 ", 0;\n"                                                                                            \
                 "wgmma.mma_async.sync.aligned.m64n" columns "k8.f32.tf32.tf32 {" TENON_REGISTERS_##N                \
                 "}, {" a_names "}, " b_name ", p, 1, 1;\n}"                                                         \
                 : TENON_SUMS_##N(0)                                                                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                                    \
  }
TENON_MULTIPLY("32", 4, "%16, %17, %18, %19", "%20", "%21")
TENON_MULTIPLY("64", 8, "%32, %33, %34, %35", "%36", "%37")
TENON_MULTIPLY("128", 16, "%64, %65, %66, %67", "%68", "%69")
TENON_MULTIPLY("256", 32, "%128, %129, %130, %131", "%132", "%133")
#undef TENON_MULTIPLY
#undef TENON_SUMS_1
#undef TENON_SUMS_4
#undef TENON_SUMS_8
#undef TENON_SUMS_16
#undef TENON_SUMS_32
#undef TENON_REGISTERS_4
#undef TENON_REGISTERS_8
#undef TENON_REGISTERS_16
#undef TENON_REGISTERS_32

}  // namespace tenon::cuda
