// Running a graph whose shapes depend on data: each node is prepared when its inputs are there.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/split.h"
#include "runtime/step_device.h"

namespace tenon::runtime {

struct StepwiseOptions {
  PrepareOptions host;  ///< kernels of the processor
  ThreadPool& pool;
  StepDevice* device = nullptr;  ///< null: all nodes run on the processor
  std::function<void(const std::string&, const std::string&, double)> profiler;
};

/// Runs `rest` on `given` values, which are the graph's inputs and others that it reads, and returns the graph's
/// outputs. Allocates as it goes; memory of a value is released after its last reader. On a device run nodes that read
/// what is there or much of what is not, of those whose results' sizes are theirs to find the ones that it has kernels
/// for (KernelDef::most); the processor takes the others. Work for the device is put on its stream, and may not be over
/// on return.
std::vector<Held> stepwise(const ConcreteGraph& concrete, const Rest& rest, std::map<ir::ValueId, Held> given,
                           const StepwiseOptions& options);

}  // namespace tenon::runtime
