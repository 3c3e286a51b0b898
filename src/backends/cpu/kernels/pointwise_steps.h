// An element-wise program as a list of loops over strips.
#pragma once
#include <vector>

#include "backends/cpu/isa/pointwise_loops.h"
#include "ops/fused/pointwise_program.h"

namespace tenon::cpu {

/// One loop: slot `to` = loop(slots args). `single`: all operands are one value, and so is the result.
struct PwStep {
  isa::PwLoop loop;
  int to, args[3];
  bool single;
};

/// Slots are numbered: the program's operands, then constants, then registers, which are strips of f32.
struct PwSteps {
  int inputs = 0;
  std::vector<float> constants;
  int registers = 0;
  std::vector<PwStep> steps;
  std::vector<int> results;  ///< slots that hold whole strips, or operands; a result's register is not written again
  double nanoseconds = 0;    ///< estimate for one element on one core with operands in the first-level cache
  int first_register() const { return inputs + int(constants.size()); }
};

/// Chooses loops and registers. `single[i]` says that operand i is one value a strip. Merges multiply-add, add-relu and
/// SiLU pairs, simplifies powers with small constant exponents, and drops what no result needs.
PwSteps compile_pointwise(const ops::PointwiseProgram& program, const std::vector<bool>& single,
                          const isa::PointwiseLoops& loops);

}  // namespace tenon::cpu
