// Pointwise programs: what a fused region or an epilogue computes for one element.
//
// Text form, kept in attributes: assignments separated by ';', then the results separated by ','.
//   "add(i0, i1)"                    one expression
//   "t0 = add(i0, i1); relu(t0)"     with a temporary
//   "t0 = mul(i0, 2); t0, exp(t0)"   two results
// i<k> names operand k (numpy broadcasting against the result), t<k> a temporary, numbers are constants of type f32.
// Functions are those of kPointwiseFunctions; all arithmetic is in f32 (f64 in the double-precision reference).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ops {

enum class PointwiseFn : uint8_t {
#define TENON_POINTWISE(name) k##name,
#include "ops/fused/pointwise_functions.inc"
#undef TENON_POINTWISE
};

struct PointwiseFnInfo {
  std::string_view name;  ///< in the text form, e.g. "leaky_relu"
  PointwiseFn fn;
  int arity;  ///< clip(x, low, high), hard_sigmoid(x, alpha, beta), leaky_relu(x, alpha), elu(x, alpha), select(c, a,
              ///< b)
  double (*eval)(const double* args);
};
/// In the order of the enumeration.
const std::vector<PointwiseFnInfo>& pointwise_functions();

/// Operand of an instruction.
struct PointwiseArg {
  enum class Kind : uint8_t { kInput, kTemp, kConstant } kind;
  int index = 0;
  float value = 0;
};
struct PointwiseInstr {
  PointwiseFn fn;
  std::vector<PointwiseArg> args;  ///< instruction k writes temporary k
};
struct PointwiseProgram {
  std::vector<PointwiseInstr> instrs;
  std::vector<PointwiseArg> results;
  int input_count = 0;  ///< 1 + the highest operand index used
};

/// Throws kInvalidModel with the position of the first thing that cannot be read. Limits: 256 instructions, 64
/// operands.
PointwiseProgram parse_pointwise(std::string_view text);
/// Canonical text; parse(print(p)) gives p.
std::string print_pointwise(const PointwiseProgram& program);
/// One element in double precision.
double apply_pointwise(PointwiseFn fn, const double* args);
/// Results of the program for one element, `inputs[k]` being operand k.
void eval_pointwise(const PointwiseProgram& program, const double* inputs, double* temps, double* results);

}  // namespace tenon::ops
