#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Transpose: axis i of the output is axis perm[i] of the input. An empty perm reverses the axes.
struct TransposeAttrs {
  std::vector<int64_t> perm;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&TransposeAttrs::perm>("perm")};
    return f;
  }
};

}  // namespace tenon::ops
