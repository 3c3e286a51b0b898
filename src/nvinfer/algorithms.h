// IAlgorithmSelector: the user's choice among the kernels of each node.
#pragma once
#include <memory>

#include "builder/builder.h"
#include "nvinfer/convert.h"
#include "nvinfer/level.h"

namespace tenon::nvinfer {

#if TRT_UNTIL(10)
/// What selectAlgorithms returns for a node: indices of candidates. Nothing selected means all, or, with
/// `reject_empty`, an error. Throws kInvalidArgument for an index that was not offered.
std::vector<size_t> ask_selector(nvinfer1::IAlgorithmSelector& selector, const select::NodeReport& node,
                                 bool reject_empty);
/// Tells the selector what was chosen, with its times.
void tell_selector(nvinfer1::IAlgorithmSelector& selector, const std::vector<select::NodeReport>& nodes);
#endif

}  // namespace tenon::nvinfer
