// Products of 64 rows whose columns are pixels: 136 and 232 of them, beside 208, whole lines of common images with
// what a window sees beside them.
#pragma once
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {

#define TENON_SUMS_1(i) "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])
#define TENON_SUMS_5(i) \
  TENON_SUMS_1(i), TENON_SUMS_1(i + 1), TENON_SUMS_1(i + 2), TENON_SUMS_1(i + 3), TENON_SUMS_1(i + 4)
#define TENON_SUMS_15(i) TENON_SUMS_5(i), TENON_SUMS_5(i + 5), TENON_SUMS_5(i + 10)
#define TENON_SUMS_17(i) TENON_SUMS_15(i), TENON_SUMS_1(i + 15), TENON_SUMS_1(i + 16)
#define TENON_SUMS_26(i) TENON_SUMS_15(i), TENON_SUMS_5(i + 15), TENON_SUMS_5(i + 20), TENON_SUMS_1(i + 25)
#define TENON_SUMS_29(i) TENON_SUMS_26(i), TENON_SUMS_1(i + 26), TENON_SUMS_1(i + 27), TENON_SUMS_1(i + 28)
#define TENON_REGISTERS_60                                       \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, "           \
  "%12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, " \
  "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59"
#define TENON_REGISTERS_68 \
  TENON_REGISTERS_60       \
  ", %60, %61, %62, %63, %64, %65, %66, %67"
#define TENON_REGISTERS_104                                      \
  TENON_REGISTERS_68                                             \
  ", %68, %69, %70, %71, "                                       \
  "%72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, " \
  "%84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
  "%96, %97, %98, %99, %100, %101, %102, %103"
#define TENON_REGISTERS_116 \
  TENON_REGISTERS_104       \
  ", %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115"
/// One instruction: its columns, their eights, its registers' names, and those of a, b and `add`.
#define TENON_MULTIPLY(T, type, columns, N, registers, a_name, b_name, add_name)                                  \
  template <>                                                                                                     \
  __device__ __forceinline__ void multiply_rows<T, N>(float(&sums)[N][4], uint64_t a, uint64_t b, int add) {      \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_name                                                     \
                 ", 0;\n"                                                                                         \
                 "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " {" registers "}, " a_name \
                 ", " b_name ", p, 1, 1, 0, 0;\n}"                                                                \
                 : TENON_SUMS_##N(0)                                                                              \
                 : "l"(a), "l"(b), "r"(add));                                                                     \
  }
#define TENON_MULTIPLY_BOTH(...)             \
  TENON_MULTIPLY(__half, "f16", __VA_ARGS__) \
  TENON_MULTIPLY(__nv_bfloat16, "bf16", __VA_ARGS__)
TENON_MULTIPLY_BOTH("136", 17, TENON_REGISTERS_68, "%68", "%69", "%70")
TENON_MULTIPLY_BOTH("232", 29, TENON_REGISTERS_116, "%116", "%117", "%118")
#undef TENON_MULTIPLY_BOTH
#undef TENON_MULTIPLY
#undef TENON_SUMS_1
#undef TENON_SUMS_5
#undef TENON_SUMS_15
#undef TENON_SUMS_17
#undef TENON_SUMS_26
#undef TENON_SUMS_29
#undef TENON_REGISTERS_60
#undef TENON_REGISTERS_68
#undef TENON_REGISTERS_104
#undef TENON_REGISTERS_116

}  // namespace tenon::cuda
