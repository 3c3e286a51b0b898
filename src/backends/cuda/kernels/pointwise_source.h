// CUDA source text for a pointwise program over operands of given types and strides.
#pragma once
#include <string>
#include <vector>

#include "ir/tensor.h"
#include "ops/fused/pointwise_program.h"

namespace tenon::cuda {

struct PointwiseOperand {
  ir::DType dtype = ir::DType::kUndefined;  ///< undefined for an input that the program does not read
  ir::Dims strides;                         ///< elements, one an axis of the space; 0 where broadcast
};

/// The elements that a program visits, in as few axes as describe all operands.
struct PointwiseSpace {
  ir::Dims dims;  ///< at least one axis
  std::vector<PointwiseOperand> inputs, outputs;
};

/// A kernel `pointwise` of one parameter: an array of 64-bit words. Word 0 has a bit for each read input and each
/// output, in this order, that is set where the operand's rows may be accessed `vector` elements at a time: where its
/// address is a multiple of alignment[k] bytes, if that is not 0. The words after it are the addresses of the read
/// inputs and the outputs; the rest depends on the space alone.
struct PointwiseCode {
  std::string source;
  std::vector<int64_t> words;
  std::vector<size_t> read;        ///< the inputs that have an address, in the order of their words
  std::vector<int64_t> alignment;  ///< of read inputs, then outputs
  int64_t threads = 0;             ///< each does `unroll` vectors, one a block apart
  int unroll = 1;
};

/// What numbers a program computes with: f32; f64 where an operand is f64; i64 where all are integers and one is wider
/// than 16 bits or a result.
enum class PointwiseArithmetic : uint8_t { kF32, kF64, kI64 };

/// Returns why the program cannot be done on these operands, or an empty string.
std::string pointwise_refusal(const ops::PointwiseProgram& program, const PointwiseSpace& space);
PointwiseArithmetic pointwise_arithmetic(const PointwiseSpace& space);

/// `multiprocessors` and `sm` (compute capability times ten) are those of the GPU. The source depends on the structure
/// of the space, not on its sizes.
PointwiseCode pointwise_code(const ops::PointwiseProgram& program, const PointwiseSpace& space, int sm,
                             int multiprocessors);

}  // namespace tenon::cuda
