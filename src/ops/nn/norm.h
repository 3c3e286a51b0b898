#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// LayerNormalization: x, scale, bias (optional) → y, mean (optional), inverse deviation (optional), over the axes from
/// `axis` on: y = (x - mean) / sqrt(variance + epsilon) * scale + bias. RMSNormalization: x, scale → y, with
/// y = x / sqrt(mean of squares + epsilon) * scale. Scale and bias broadcast to x.
struct LayerNormAttrs {
  int64_t axis = -1;
  float epsilon = 1e-5f;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&LayerNormAttrs::axis>("axis"),
                                  ir::field<&LayerNormAttrs::epsilon>("epsilon")};
    return f;
  }
};

/// InstanceNormalization: x [N, C, …], scale [C], bias [C]; statistics of each plane of one channel.
struct InstanceNormAttrs {
  float epsilon = 1e-5f;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&InstanceNormAttrs::epsilon>("epsilon")};
    return f;
  }
};

/// GroupNormalization: x [N, C, …], scale [C], bias [C]; statistics of each group of C / num_groups channels.
struct GroupNormAttrs {
  int64_t num_groups = 1;
  float epsilon = 1e-5f;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&GroupNormAttrs::num_groups>("num_groups"),
                                  ir::field<&GroupNormAttrs::epsilon>("epsilon")};
    return f;
  }
};

/// LpNormalization: x divided by its p-norm (1 or 2) along one axis; a line of zeros stays.
struct LpNormAttrs {
  int64_t axis = -1, p = 2;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&LpNormAttrs::axis>("axis"), ir::field<&LpNormAttrs::p>("p")};
    return f;
  }
};

/// LRN across channels of x [N, C, …]: y = x / (bias + alpha / size * sum of squares)^beta, the sum over the channels
/// from c - (size - 1) / 2 to c + size / 2, both rounded down.
struct LrnAttrs {
  int64_t size = 1;
  float alpha = 1e-4f, beta = 0.75f, bias = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&LrnAttrs::size>("size"), ir::field<&LrnAttrs::alpha>("alpha"),
                                  ir::field<&LrnAttrs::beta>("beta"), ir::field<&LrnAttrs::bias>("bias")};
    return f;
  }
};

}  // namespace tenon::ops
