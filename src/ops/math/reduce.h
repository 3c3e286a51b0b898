#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class ReduceKind : int64_t { kSum, kMean, kMax, kMin, kProd, kL1, kL2, kLogSum, kLogSumExp, kSumSquare };
std::span<const std::string_view> enum_names(ReduceKind);

/// Reduce: combines the elements along `axes` (negative ones count from the back; an empty list combines single
/// elements). Axes stay with size 1 when `keepdims`, else they go. Nothing combined gives 0 for sums, 1 for a product,
/// the lowest or highest value of the type for maximum and minimum, NaN for a mean.
struct ReduceAttrs {
  ReduceKind kind = ReduceKind::kSum;
  std::vector<int64_t> axes;
  bool keepdims = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ReduceAttrs::kind>("kind"), ir::field<&ReduceAttrs::axes>("axes"),
                                  ir::field<&ReduceAttrs::keepdims>("keepdims")};
    return f;
  }
};

}  // namespace tenon::ops
