// Bounds of symbolic integers, for decisions that shape inference takes without knowing the numbers.
#pragma once
#include <optional>

#include "ir/dim.h"

namespace tenon::ops {

/// Inclusive bounds; nullopt where none is known. Named symbols are sizes, so they are at least 0.
struct DimRange {
  std::optional<int64_t> low, high;
};
DimRange range_of(const ir::SymbolTable& table, ir::Dim d);

/// The sign of a - b: -1, 0 or 1 if it is the same for all sizes, else nullopt. Never throws.
std::optional<int> compare_dims(ir::SymbolTable& table, ir::Dim a, ir::Dim b);

}  // namespace tenon::ops
