#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ir/attrs.h"

namespace tenon::ops {

/// Einsum: sums of products over labelled axes, e.g. "bij,bjk->bik". Labels are letters; "..." stands for broadcast
/// axes; without "->" the result has the labels that occur once, in alphabetical order, after the broadcast axes. An
/// axis of size 1 broadcasts.
struct EinsumAttrs {
  std::string equation = {};
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&EinsumAttrs::equation>("equation")};
    return f;
  }
};

/// Axes of operands and result as label numbers 0, 1, 2, …
struct EinsumPlan {
  std::vector<std::vector<int>> operands;
  std::vector<int> result;
  int label_count = 0;
};
/// Throws kInvalidModel on an equation that does not fit operands of these ranks.
EinsumPlan parse_einsum(std::string_view equation, const std::vector<size_t>& ranks);

}  // namespace tenon::ops
