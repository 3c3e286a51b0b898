// A pointwise program read by every thread, for machines without a run-time compiler.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backends/cuda/fast_divide.h"

namespace tenon::cuda {

enum class InterpretedType : uint8_t { kF32, kF16, kBF16, kBool, kI8, kU8, kI16, kU16 };

struct InterpretedOperand {
  static constexpr int kAxes = 6;
  void* address = nullptr;
  int64_t strides[kAxes] = {};  ///< elements
  InterpretedType type = InterpretedType::kF32;
};

/// A value is numbered: inputs from 0, numbers of the text from kNumbers, results of instructions from kTemps.
struct InterpretedProgram {
  static constexpr int kInputs = 16, kNumbers = 16, kTemps = 48, kInstrs = 64, kOutputs = 8;
  struct Instr {
    uint8_t fn;  ///< ops::PointwiseFn
    uint8_t args[3];
  };
  InterpretedOperand inputs[kInputs], outputs[kOutputs];
  Divisor dims[InterpretedOperand::kAxes];  ///< of axes that the index runs through, the last first
  int rank = 1, input_count = 0, output_count = 0, instr_count = 0;
  uint32_t count = 0;  ///< elements
  Instr instrs[kInstrs] = {};
  float numbers[kTemps - kNumbers] = {};
  uint8_t results[kOutputs] = {};
};

cudaError_t interpret_pointwise(const InterpretedProgram& program, cudaStream_t stream);

}  // namespace tenon::cuda
