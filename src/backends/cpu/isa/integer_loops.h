// Products of 32-bit integers, which wrap.
#pragma once
#include <cstdint>

namespace tenon::isa {

struct IntegerLoops {
  static constexpr int64_t kRows = 4;
  int64_t panel;  ///< columns of one packed panel of B
  /// y[r][j] += sum over i < k of a[r][i * step] b[i * panel + j] for `rows` <= kRows rows and the panel's columns.
  /// Rows of y are dense.
  void (*multiply)(const uint32_t* const* a, int64_t step, const uint32_t* b, int64_t k, uint32_t* y, int64_t rows);
};

}  // namespace tenon::isa
