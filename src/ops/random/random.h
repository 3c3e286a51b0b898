// Random numbers as pure functions of a seed and an index, so that results repeat on any machine and thread count.
#pragma once
#include <cmath>

#include "ir/attrs.h"

namespace tenon::ops {

/// RandomNormal and RandomUniform. Input: a tensor whose dims the output takes (optional; else `shape`).
struct RandomAttrs {
  float low_or_mean = 0;
  float high_or_scale = 1;
  int64_t seed = 0;
  ir::DType dtype = ir::DType::kF32;
  std::vector<int64_t> shape;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&RandomAttrs::low_or_mean>("low_or_mean"),
                                  ir::field<&RandomAttrs::high_or_scale>("high_or_scale"),
                                  ir::field<&RandomAttrs::seed>("seed"), ir::field<&RandomAttrs::dtype>("dtype"),
                                  ir::field<&RandomAttrs::shape>("shape")};
    return f;
  }
};

/// Bernoulli (input: probabilities) and Multinomial (input: [batch, classes] of unnormalized log-probabilities; output
/// [batch, sample_size]).
struct SampleAttrs {
  int64_t seed = 0;
  ir::DType dtype = ir::DType::kF32;
  int64_t sample_size = 1;  ///< Multinomial only
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&SampleAttrs::seed>("seed"), ir::field<&SampleAttrs::dtype>("dtype"),
                                  ir::field<&SampleAttrs::sample_size>("sample_size")};
    return f;
  }
};

/// Number `index` of the sequence of `seed`, in [0, 1). SplitMix64 (Steele, Lea, Flood 2014) as a counter-based
/// generator.
inline double random_unit(int64_t seed, int64_t index) {
  uint64_t z = uint64_t(seed) * 0xd1342543de82ef95u + uint64_t(index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return double((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/// Standard normal number `index`, by Box and Muller's transform.
inline double random_normal(int64_t seed, int64_t index) {
  const double radius = std::sqrt(-2 * std::log1p(-random_unit(seed, 2 * index)));
  return radius * std::cos(6.283185307179586 * random_unit(seed, 2 * index + 1));
}

}  // namespace tenon::ops
