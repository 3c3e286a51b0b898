#pragma once
#include "ops/math/reduce.h"

namespace tenon::ops {

/// ReduceAlong: Reduce along axes that are computed. Inputs: x, axes (integer vector). No axes means all of them, or
/// with `noop_with_empty_axes` single elements.
struct ReduceAlongAttrs {
  ReduceKind kind = ReduceKind::kSum;
  bool keepdims = true;
  bool noop_with_empty_axes = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ReduceAlongAttrs::kind>("kind"),
                                  ir::field<&ReduceAlongAttrs::keepdims>("keepdims"),
                                  ir::field<&ReduceAlongAttrs::noop_with_empty_axes>("noop_with_empty_axes")};
    return f;
  }
};

}  // namespace tenon::ops
