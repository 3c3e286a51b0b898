// Running a graph whose shapes depend on data: each node is prepared when its inputs are there.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "runtime/program.h"

namespace tenon::runtime {

/// Returns the graph's outputs. Allocates as it goes; memory of a value is released after its last reader.
std::vector<ir::Tensor> stepwise(const ConcreteGraph& concrete, const std::vector<ir::Tensor>& inputs,
                                 const PrepareOptions& options, ThreadPool& pool,
                                 const std::function<void(const std::string&, const std::string&, double)>& profiler);

}  // namespace tenon::runtime
