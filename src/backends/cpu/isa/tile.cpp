// Every size of register tile.
#include "backends/cpu/isa/tile.h"

namespace tenon::isa::TENON_ISA {
namespace {

template <class Mac, int V>
TileFn pick(int rows) {
  static constexpr TileFn kTiles[] = {
    tile<Mac, 1, V>,
    tile<Mac, 2, V>,
    tile<Mac, 3, V>,
    tile<Mac, 4, V>,
    tile<Mac, 5, V>,
    tile<Mac, 6, V>,
#if defined(__AVX512F__) || defined(__aarch64__)
    tile<Mac, 7, V>,
    tile<Mac, 8, V>,
    tile<Mac, 9, V>,
    tile<Mac, 10, V>,
    tile<Mac, 11, V>,
    tile<Mac, 12, V>,
#endif
#if defined(__AVX512F__)
    tile<Mac, 13, V>,
    tile<Mac, 14, V>,
#endif
  };
  return kTiles[rows - 1];
}

template <class Mac>
WideTile pick_wide(int64_t rows) {
  if (rows == 1) return {wide_tile<Mac, 1, 4>, 4};
  if (rows == 2) return {wide_tile<Mac, 2, 2>, 2};
  if (rows == 3) return {wide_tile<Mac, 3, 2>, 2};
  return {nullptr, 0};
}

}  // namespace

WideTile find_wide_tile(bool bf16, int64_t rows) { return bf16 ? pick_wide<MacBf16>(rows) : pick_wide<MacF32>(rows); }

TileFn find_tile(bool bf16, int vectors, int rows) {
  if (bf16) return vectors == kVectors ? pick<MacBf16, kVectors>(rows) : pick<MacBf16, 1>(rows);
  return vectors == kVectors ? pick<MacF32, kVectors>(rows) : pick<MacF32, 1>(rows);
}

}  // namespace tenon::isa::TENON_ISA
