#pragma once
#include <cmath>

namespace tenon::ops {

/// log(1 + exp(x)) without overflow.
inline double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

}  // namespace tenon::ops
