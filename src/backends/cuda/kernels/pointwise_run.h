// Prepared pointwise programs, for the kernel of the operator and for kernels that end in a program.
#pragma once
#include <cuda_runtime_api.h>

#include <memory>

#include "backends/cuda/kernels/pointwise_space.h"

namespace tenon::cuda {

class PointwiseRun {
 public:
  virtual ~PointwiseRun() = default;
  /// Enqueues the program. inputs[k] is the address of the program's operand k.
  virtual void run(const void* const* inputs, void* const* outputs, cudaStream_t stream) const = 0;
};

/// Why a program cannot be compiled for the GPU of `p`, or an empty string.
std::string refuse_compiled(const Problem& p, const ops::PointwiseProgram& program,
                            const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs);
std::unique_ptr<PointwiseRun> compile_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                                                const std::vector<TensorDesc>& inputs,
                                                const std::vector<TensorDesc>& outputs);

/// The same for the interpreter, which knows fewer types and shorter programs.
std::string refuse_interpreted(const Problem& p, const ops::PointwiseProgram& program,
                               const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs);
std::unique_ptr<PointwiseRun> interpret_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                                                  const std::vector<TensorDesc>& inputs,
                                                  const std::vector<TensorDesc>& outputs);

/// Compiled if possible, else interpreted.
std::string refuse_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                             const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs);
std::unique_ptr<PointwiseRun> prepare_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                                                const std::vector<TensorDesc>& inputs,
                                                const std::vector<TensorDesc>& outputs);

}  // namespace tenon::cuda
