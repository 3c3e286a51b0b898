#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// BatchNormalization at inference: x [N, C, …], scale, bias, mean and variance [C];
/// y = (x - mean) / sqrt(variance + epsilon) * scale + bias.
struct BatchNormAttrs {
  float epsilon = 1e-5f;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&BatchNormAttrs::epsilon>("epsilon")};
    return f;
  }
};

}  // namespace tenon::ops
