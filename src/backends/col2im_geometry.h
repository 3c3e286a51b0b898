// How the columns of Col2Im lie in the image, on up to three spatial axes: what kernels of every device share.
#pragma once
#include <array>

#include "backends/kernel.h"

namespace tenon {

/// Tap t of the block at position o lies at o * stride + t * dilation - begin.
struct ColumnAxis {
  int64_t image = 1, block = 1, positions = 1, stride = 1, dilation = 1, begin = 0;
};
using ColumnAxes = std::array<ColumnAxis, 3>;  ///< unused ones first

/// The block's sizes are a constant of up to three entries.
ColumnAxes column_axes(const Problem& p);
/// Why the operands are not columns of such axes, or of floating-point numbers; empty if they are.
std::string refuse_columns(const Problem& p);

}  // namespace tenon
