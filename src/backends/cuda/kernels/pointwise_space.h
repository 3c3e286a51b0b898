// The elements that a pointwise program visits for a problem.
#pragma once
#include <optional>

#include "backends/cuda/kernels/pointwise_source.h"
#include "backends/kernel.h"

namespace tenon::cuda {

/// The space of a program whose input k is inputs[k], of type kUndefined where it is absent, and whose results are
/// `outputs`, all of the same dims. Inputs that the program does not read get no type. Throws nothing; where it cannot
/// be done, `reason` says why.
PointwiseSpace pointwise_space(const ops::PointwiseProgram& program, const std::vector<TensorDesc>& inputs,
                               const std::vector<TensorDesc>& outputs, std::string& reason);

}  // namespace tenon::cuda
