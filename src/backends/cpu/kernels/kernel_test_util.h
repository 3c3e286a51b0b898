// Runs a CPU kernel on a one-node problem and compares it with the operator's reference in double precision.
//
// Every problem runs at each instruction-set level that this processor has, with 1 and with 2 threads, the second time
// on buffers that start one element off their alignment. Outputs, the gaps between their rows and guards around them
// are poisoned with 0xFF bytes (NaN in every floating-point type) first; gaps and guards must keep them.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backends/kernel.h"
#include "ir/graph.h"

namespace tenon::cpu::testing {

/// One operand. An undefined dtype stands for an absent optional input.
struct Operand {
  ir::DType dtype = ir::DType::kF32;
  ir::Dims dims;
  int64_t pitch = 0;                ///< elements between rows of the last axis; 0: dense
  bool constant = false;            ///< a constant of the graph: shape inference and kernels see its value
  std::optional<ir::Tensor> value;  ///< else filled with numbers of [low, high)
  double low = -2, high = 2;
};
Operand f32(ir::Dims dims, double low = -2, double high = 2);
Operand of_type(ir::DType dtype, ir::Dims dims, double low = -2, double high = 2);
Operand pitched(Operand operand, int64_t pitch);
Operand constant(ir::Tensor value);
Operand constant(Operand operand);
Operand absent();

struct KernelCase {
  std::string op = {};
  ir::Attrs attrs = {};
  std::vector<Operand> inputs = {};
  size_t outputs = 1;
  std::vector<int64_t> output_pitch = {};    ///< 0 or left out: dense
  std::vector<ir::DType> output_types = {};  ///< where shape inference does not decide; normally empty
  std::string kernel = {};  ///< the only kernel to run; empty: each that accepts the problem, the reference excepted
  bool own_only = false;    ///< on a device: without tactics of libraries and those that round to TF32
  bool deep = false;        ///< long sums, which racecheck leaves out
  bool must_accept = true;  ///< fail if no kernel but the reference accepts the problem
  double norm = 0;          ///< bound of ||y - y64|| / ||y64|| an output; 0: 1e-6 for f32, 4e-3 for bf16, 6e-4 for f16
  double element = 0;       ///< bound of |y - y64| / |y64| an element, with 1e-30 let through; 0: not checked
  double spread = 30;       ///< bound of |y - y64| an element, as a multiple of norm x (rms of y64 + |y64|)
  bool batched =
      true;  ///< operands whose dims[0] is that of output 0 are rows of a batch: alone they give the same bits
  uint32_t seed = 1;
};

/// Runs a case with doctest checks; failures name operator, kernel, level and threads.
void check_kernel(const KernelCase& c);

/// Why kernel `name` refuses the case; empty if it accepts.
std::string refusal(const KernelCase& c, std::string_view kernel);

/// Outputs of `kernel` on the case, at the level in force.
std::vector<ir::Tensor> run_kernel(const KernelCase& c, std::string_view kernel, int threads);

/// Calls `fn` with the name of each instruction-set level of this processor, dispatch being capped at it meanwhile.
void for_each_isa(const std::function<void(const std::string&)>& fn);

/// Microseconds of one run (the least of `repeats`) of `kernel` on the case; for measurements by hand.
double time_kernel(const KernelCase& c, std::string_view kernel, int threads, int repeats = 20);

}  // namespace tenon::cpu::testing
