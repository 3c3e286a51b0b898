#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// LeakyRelu, Elu, Celu, ThresholdedRelu, Swish.
struct AlphaAttrs {
  float alpha = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AlphaAttrs::alpha>("alpha")};
    return f;
  }
};

/// HardSigmoid: min(max(alpha * x + beta, 0), 1). ScaledTanh: alpha * tanh(beta * x). Affine: alpha * x + beta.
/// Selu: beta * (x > 0 ? x : alpha * (exp(x) - 1)). ParametricSoftplus: alpha * log(1 + exp(beta * x)).
struct AlphaBetaAttrs {
  float alpha = 1, beta = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AlphaBetaAttrs::alpha>("alpha"), ir::field<&AlphaBetaAttrs::beta>("beta")};
    return f;
  }
};

/// Shrink: x - bias above lambd, x + bias below -lambd, else 0.
struct ShrinkAttrs {
  float bias = 0, lambd = 0.5f;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ShrinkAttrs::bias>("bias"), ir::field<&ShrinkAttrs::lambd>("lambd")};
    return f;
  }
};

/// Gelu by the error function, or by the tanh approximation.
struct GeluAttrs {
  bool approximate = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&GeluAttrs::approximate>("approximate")};
    return f;
  }
};

}  // namespace tenon::ops
