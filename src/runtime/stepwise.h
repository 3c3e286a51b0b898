// Running a graph whose shapes depend on data: each node is prepared when its inputs are there.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/program.h"

namespace tenon::runtime {

/// Returns the graph's outputs. Allocates as it goes; memory of a value is released after its last reader. What `known`
/// values make superfluous is not run, and inputs that are then not read may be empty.
std::vector<ir::Tensor> stepwise(const ConcreteGraph& concrete, const std::vector<ir::Tensor>& inputs,
                                 const std::map<ir::ValueId, ir::Tensor>& known, const PrepareOptions& options,
                                 ThreadPool& pool,
                                 const std::function<void(const std::string&, const std::string&, double)>& profiler);

}  // namespace tenon::runtime
