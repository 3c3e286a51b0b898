#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int64_t kVectors = 2, kPanel = kVectors * kLanes, kRows = IntegerLoops::kRows;

TENON_INLINE Vu load_u32(const uint32_t* p) {
  Vu v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
TENON_INLINE void store_u32(uint32_t* p, Vu v) { __builtin_memcpy(p, &v, sizeof v); }

template <int kCount>
TENON_INLINE void tile(const uint32_t* const* a, int64_t step, const uint32_t* b, int64_t k, uint32_t* y) {
  Vu sums[kCount][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sums[r][v] = load_u32(y + r * kPanel + v * kLanes);
  for (int64_t i = 0; i < k; ++i) {
    Vu columns[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) columns[v] = load_u32(b + i * kPanel + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < kCount; ++r) {
      const uint32_t factor = a[r][i * step];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[r][v] += columns[v] * factor;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store_u32(y + r * kPanel + v * kLanes, sums[r][v]);
}

void multiply(const uint32_t* const* a, int64_t step, const uint32_t* b, int64_t k, uint32_t* y, int64_t rows) {
  switch (rows) {
    case 1:
      return tile<1>(a, step, b, k, y);
    case 2:
      return tile<2>(a, step, b, k, y);
    case 3:
      return tile<3>(a, step, b, k, y);
    default:
      return tile<4>(a, step, b, k, y);
  }
}

}  // namespace

void fill_integer(IntegerLoops& t) {
  t.panel = kPanel;
  t.multiply = multiply;
}

}  // namespace tenon::isa::TENON_ISA
