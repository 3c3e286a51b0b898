#include "backends/cuda/device/pointwise_interpreter.h"

#include "backends/cuda/device/pointwise_functions.h"
#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

__device__ float load(const InterpretedOperand& o, int64_t at) {
  switch (o.type) {
    case InterpretedType::kF32:
      return static_cast<const float*>(o.address)[at];
    case InterpretedType::kF16:
      return to_float(static_cast<const __half*>(o.address)[at]);
    case InterpretedType::kBF16:
      return to_float(static_cast<const __nv_bfloat16*>(o.address)[at]);
    case InterpretedType::kI8:
      return static_cast<const int8_t*>(o.address)[at];
    case InterpretedType::kI16:
      return static_cast<const int16_t*>(o.address)[at];
    case InterpretedType::kU16:
      return static_cast<const uint16_t*>(o.address)[at];
    default:
      return static_cast<const uint8_t*>(o.address)[at];
  }
}

__device__ void store(const InterpretedOperand& o, int64_t at, float v) {
  switch (o.type) {
    case InterpretedType::kF32:
      static_cast<float*>(o.address)[at] = v;
      break;
    case InterpretedType::kF16:
      static_cast<__half*>(o.address)[at] = from_float<__half>(v);
      break;
    case InterpretedType::kBF16:
      static_cast<__nv_bfloat16*>(o.address)[at] = from_float<__nv_bfloat16>(v);
      break;
    default:
      static_cast<uint8_t*>(o.address)[at] = v != 0;
  }
}

/// In the order of ops::PointwiseFn.
__device__ float apply(int fn, float a, float b, float c) {
  using F = PointwiseFunctions<false>;
  switch (fn) {
    case 0:
      return F::f_add(a, b);
    case 1:
      return F::f_sub(a, b);
    case 2:
      return F::f_mul(a, b);
    case 3:
      return F::f_div(a, b);
    case 4:
      return F::f_min(a, b);
    case 5:
      return F::f_max(a, b);
    case 6:
      return F::f_pow(a, b);
    case 7:
      return F::f_relu(a);
    case 8:
      return F::f_sigmoid(a);
    case 9:
      return F::f_tanh(a);
    case 10:
      return F::f_exp(a);
    case 11:
      return F::f_log(a);
    case 12:
      return F::f_sqrt(a);
    case 13:
      return F::f_reciprocal(a);
    case 14:
      return F::f_abs(a);
    case 15:
      return F::f_neg(a);
    case 16:
      return F::f_floor(a);
    case 17:
      return F::f_ceil(a);
    case 18:
      return F::f_round(a);
    case 19:
      return F::f_erf(a);
    case 20:
      return F::f_silu(a);
    case 21:
      return F::f_gelu_erf(a);
    case 22:
      return F::f_gelu_tanh(a);
    case 23:
      return F::f_hard_swish(a);
    case 24:
      return F::f_hard_sigmoid(a, b, c);
    case 25:
      return F::f_clip(a, b, c);
    case 26:
      return F::f_leaky_relu(a, b);
    case 27:
      return F::f_elu(a, b);
    case 28:
      return F::f_softplus(a);
    case 29:
      return F::f_mish(a);
    case 30:
      return F::f_select(a, b, c);
    case 31:
      return F::f_less(a, b);
    case 32:
      return F::f_less_equal(a, b);
    case 33:
      return F::f_greater(a, b);
    case 34:
      return F::f_greater_equal(a, b);
    case 35:
      return F::f_equal(a, b);
    case 36:
      return F::f_not(a);
    case 37:
      return F::f_and(a, b);
    case 38:
      return F::f_or(a, b);
    case 39:
      return F::f_sin(a);
    case 40:
      return F::f_cos(a);
    case 41:
      return F::f_sign(a);
    case 42:
      return F::f_rsqrt(a);
    default:
      return F::f_square(a);
  }
}

__device__ int64_t offset(const InterpretedOperand& o, const uint32_t* index, int rank) {
  int64_t at = 0;
  for (int a = 0; a < rank; ++a) at += int64_t(index[a]) * o.strides[a];
  return at;
}

__global__ void __launch_bounds__(256) interpret(const __grid_constant__ InterpretedProgram p) {
  begin();
  uint32_t rest = blockIdx.x * blockDim.x + threadIdx.x;
  if (rest >= p.count) return;
  uint32_t index[InterpretedOperand::kAxes];
  for (int a = p.rank - 1; a > 0; --a) {
    index[a] = rest;
    const uint32_t whole = p.dims[a].split(index[a]);
    rest = whole;
  }
  index[0] = rest;
  float values[InterpretedProgram::kTemps + InterpretedProgram::kInstrs];
  for (int i = 0; i < p.input_count; ++i)
    values[i] = p.inputs[i].address ? load(p.inputs[i], offset(p.inputs[i], index, p.rank)) : 0;
  for (int i = InterpretedProgram::kNumbers; i < InterpretedProgram::kTemps; ++i)
    values[i] = p.numbers[i - InterpretedProgram::kNumbers];
  for (int i = 0; i < p.instr_count; ++i) {
    const InterpretedProgram::Instr instr = p.instrs[i];
    values[InterpretedProgram::kTemps + i] =
        apply(instr.fn, values[instr.args[0]], values[instr.args[1]], values[instr.args[2]]);
  }
  for (int i = 0; i < p.output_count; ++i)
    store(p.outputs[i], offset(p.outputs[i], index, p.rank), values[p.results[i]]);
}

}  // namespace

cudaError_t interpret_pointwise(const InterpretedProgram& program, cudaStream_t stream) {
  if (program.count == 0) return cudaSuccess;
  return launch(interpret, dim3((program.count + 255) / 256), dim3(256), 0, stream, program);
}

}  // namespace tenon::cuda
