#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/fused/pointwise_program.h"
#include "ops/op.h"

namespace tenon::ops {

/// "Pointwise": results of `program` for every element; operands broadcast as in numpy, and every result has the shape
/// of all operands together. A result of type bool is whether the value differs from 0.
struct PointwiseAttrs {
  std::string program;
  std::vector<std::string> types;  ///< element types of the results, "f32", …; empty: all that of operand 0
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&PointwiseAttrs::program>("program"),
                                  ir::field<&PointwiseAttrs::types>("types")};
    return f;
  }
};

/// The value of constant input `i` of a node, or null.
using ConstantOf = std::function<const Tensor*(size_t i)>;

/// The program that does what a node of another operator (Add, LeakyRelu, Where, …) does for one element: i<k> is the
/// node's input k. Constant scalar bounds and exponents become numbers, unless they are absent. nullopt if the operator
/// is not element-wise or has no program.
std::optional<PointwiseProgram> pointwise_program_of(const ir::Node& node, const ConstantOf& constant);

/// Every operator that may have a program; Cast's is "i0".
std::span<const std::string_view> pointwise_operators();

}  // namespace tenon::ops
