#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// How an update meets the element that it lands on.
enum class ScatterReduction : int64_t { kNone, kAdd, kMul, kMax, kMin };
inline std::span<const std::string_view> enum_names(ScatterReduction) {
  static constexpr std::string_view names[] = {"none", "add", "mul", "max", "min"};
  return names;
}

/// ScatterElements. Inputs: data, indices, updates. y = data, then y[index[i][j]][j] = update[i][j] along axis 0.
struct ScatterElementsAttrs {
  int64_t axis = 0;
  ScatterReduction reduction = ScatterReduction::kNone;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ScatterElementsAttrs::axis>("axis"),
                                  ir::field<&ScatterElementsAttrs::reduction>("reduction")};
    return f;
  }
};

/// ScatterND. Inputs: data, indices [..., k], updates. Each row of k indices names a sub-tensor that updates replace.
struct ScatterNdAttrs {
  ScatterReduction reduction = ScatterReduction::kNone;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ScatterNdAttrs::reduction>("reduction")};
    return f;
  }
};

}  // namespace tenon::ops
