#pragma once
#include <string>

#include "ir/attrs.h"

namespace tenon::ops {

/// "SqueezeExcite": a factor a channel, from the means of all channels.
///
/// Inputs: x [N, spatial…, C], w1 [R, C, 1…], b1 [R], w2 [C, R, 1…], b2 [C]. Output: [N, 1…, C], of x's type:
/// outer(w2 inner(w1 m + b1) + b2), where m are the means of x over its spatial axes. `inner` and `outer` are pointwise
/// programs of i0 (see pointwise_program.h), empty for none.
struct SqueezeExciteAttrs {
  std::string inner, outer;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&SqueezeExciteAttrs::inner>("inner"),
                                  ir::field<&SqueezeExciteAttrs::outer>("outer")};
    return f;
  }
};

}  // namespace tenon::ops
