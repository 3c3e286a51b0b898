// Copies between two strided views of one shape: every operator that only moves elements is a few of these.
#pragma once
#include <vector>

#include "backends/cpu/isa/move_loops.h"
#include "backends/cpu/kernels/strides.h"

namespace tenon::cpu {

/// to[sum index * to_strides] = from[sum index * from_strides] for every index within dims. Strides in elements of
/// `size` bytes (1, 2, 4, 8, 16); those of `to` may not overlap, those of `from` may be 0 or negative.
class StridedCopy {
 public:
  StridedCopy(ir::Dims dims, ir::Dims from_strides, ir::Dims to_strides, int64_t size);
  /// Equal shares that may be copied at once.
  int64_t pieces() const { return pieces_; }
  int64_t bytes() const { return bytes_; }
  /// Copies pieces [begin, end).
  void run(const void* from, void* to, int64_t begin, int64_t end) const;

 private:
  enum class Form : uint8_t { kRun, kSquare, kGather };
  void plan_blocks();
  void copy(const char* from, char* to, int64_t row, int64_t column) const;

  const isa::MoveLoops& loops_;
  Form form_ = Form::kRun;
  ir::Dims outer_, outer_from_, outer_to_;  ///< outer strides in bytes
  int64_t size_, bytes_ = 0;
  // Inner loops: `columns` along which `to` is contiguous, and `rows`: those of runs, or along which `from` is.
  int64_t rows_ = 1, columns_ = 1, from_row_ = 0, from_column_ = 0, to_row_ = 0, to_column_ = 0;
  int64_t row_block_ = 1, column_block_ = 1, row_blocks_ = 1, column_blocks_ = 1, pieces_ = 0;
};

}  // namespace tenon::cpu
