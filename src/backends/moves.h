// What operators that only move elements do, as copies between strided views: Transpose, Concat, Split, Slice, Expand,
// Tile, DepthToSpace and SpaceToDepth; and how Pad reads its operands.
#pragma once
#include <string>
#include <vector>

#include "backends/strides.h"
#include "ops/shape/pad.h"

namespace tenon {

/// to[to_at + sum index * to] = from[from_at + sum index * from] for every index within dims, in elements. Places in
/// `to` do not overlap; strides of `from` may be 0 or negative.
struct Move {
  ir::Dims dims, from, to;
  int input = 0, output = 0;
  int64_t from_at = 0, to_at = 0;
};
struct Moves {
  std::vector<Move> all;
  std::string reason;  ///< why there are none
};
/// The moves of any of these operators but Pad, independent of each other.
Moves moves_of(const Problem& p);

/// Element size that is moved for a type: 1, 2, 4, 8 or 16; 0 for types without a whole number of bytes.
int64_t element_bytes(ir::DType type);

/// The amounts of Pad or CenterCropPad on every axis, negative where it crops.
struct Padding {
  ops::PadMode mode = ops::PadMode::kConstant;
  ir::Dims begin, end;
  std::string reason;  ///< why they are not known
};
Padding padding_of(const Problem& p);
/// Source position of padded position `at` on an axis of `extent` entries, both counted from the first entry.
int64_t pad_source(ops::PadMode mode, int64_t at, int64_t extent);

}  // namespace tenon
