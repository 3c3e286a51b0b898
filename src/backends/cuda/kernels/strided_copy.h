// A move between strided views as the device does it: in tiles through shared memory, or element by element in the
// widest accesses that fit.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "backends/cuda/device/copy.h"
#include "backends/moves.h"

namespace tenon::cuda {

class StridedCopy {
 public:
  /// `size` is that of an element in bytes: 1, 2, 4, 8 or 16.
  StridedCopy(const Move& move, int64_t size);
  /// Why the device cannot do it; empty if it can.
  const std::string& reason() const { return reason_; }
  bool empty() const { return plain_.count == 0; }
  /// Whether it goes through tiles, given addresses of the operands.
  bool tiled(const void* from, const void* to) const;
  cudaError_t run_tiled(const void* from, void* to, cudaStream_t stream) const;
  /// Widest access in bytes.
  int64_t width(const void* from, const void* to) const;
  /// The copy in accesses of `width` bytes.
  CopySegment segment(const void* from, void* to, int64_t width) const;

  int input = 0, output = 0;

 private:
  struct View {
    ir::Dims dims, from, to;  ///< innermost last
    int64_t size = 1;         ///< bytes of an element
    int64_t count = 1;
  };
  void find_tiles();
  static std::optional<View> with_wider_elements(const View& v);
  static bool tile_axis(const View& v, size_t& columns);

  std::string reason_;
  View plain_;
  int64_t from_at_ = 0, to_at_ = 0;  ///< bytes
  std::optional<View> tiles_;
  size_t columns_ = 0;  ///< axis of tiles_ along which the source is contiguous
};

/// Copies from inputs to outputs, in as few launches as is cheap.
void run_copies(std::span<const StridedCopy> copies, const void* const* inputs, void* const* outputs,
                cudaStream_t stream);

/// Fills sizes and strides, innermost first, from dims with the innermost last. At most kAxes of them.
Extents extents_of(const ir::Dims& dims);
Strides strides_of(const ir::Dims& strides);

}  // namespace tenon::cuda
