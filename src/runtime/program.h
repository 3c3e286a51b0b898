// A plan prepared for concrete shapes: kernels in order, and where each operand lives.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "runtime/concretize.h"

namespace tenon::runtime {

class StreamedWeights;
class StepWeights;

/// Where an operand's bytes are.
struct Place {
  enum class Kind : uint8_t { kAbsent, kArena, kInput, kOutput, kConstant } kind = Kind::kAbsent;
  int64_t offset = 0;  ///< bytes into the arena, input, or output
  uint32_t index = 0;  ///< which input or output of the graph
  const void* constant = nullptr;
};

/// Weights that are copied to the device before each run of a step.
struct Load {
  void* to = nullptr;
  std::shared_ptr<const void> from;  ///< page-locked
  size_t bytes = 0;
};

struct Step {
  std::shared_ptr<const Kernel> kernel;  ///< null: copy input 0 to output 0
  std::vector<Place> inputs, outputs;
  std::vector<Load> loads;  ///< streamed weights; steps that have some take turns with the halves of the scratch
  int64_t workspace_offset = 0;
  int64_t host_workspace_offset = 0;
  int64_t copy_bytes = 0;
  double us = 0;  ///< as measured or estimated; known where auxiliary streams are wanted
  int lane = 0;   ///< see LanePlan
  int forks = 0;  ///< lanes 1 to forks - 1 wait for lane 0 before this step
  int joins = 0;  ///< lane 0 waits for lanes 1 to joins - 1 behind this step
  ir::NodeId node = ir::kNone;
  std::string name, kernel_name;
};

/// Steps that run one after the other. The application's own operators are not recorded: their code may allocate or
/// wait.
struct Stretch {
  size_t begin = 0, end = 0;
  bool recordable = true;
};

struct Program {
  ConcreteGraph concrete;
  std::vector<Step> steps;
  std::vector<Stretch> stretches;  ///< all steps, in order
  plan::MemoryPlan memory;
  std::vector<ir::Dims> input_dims, output_dims;
  std::vector<ir::Tensor> keep_alive;                         ///< constants that steps point into
  std::vector<std::shared_ptr<const void>> device_constants;  ///< the same in the memory of a device
  int64_t host_workspace_bytes = 0;                           ///< of all steps together
  std::shared_ptr<void> copy_stream;                          ///< streamed weights travel on it; null: there are none
  int lanes = 1;                                              ///< streams that steps run on
  bool stepwise = false;  ///< shapes depend on data: run by Stepwise, `steps` is empty
};

/// Key of Plan::info: how the names of kernels begin that the plan does without, separated by spaces.
inline constexpr const char* kWithoutKernels = "without_kernels";
std::vector<std::string> without_kernels(const std::map<std::string, std::string>& info);
bool is_without(const KernelDef& kernel, std::span<const std::string> beginnings);

/// Kernels come from `choices` where they fit, else the cheapest that accepts the problem.
struct PrepareOptions {
  const Backend* backend = nullptr;
  const std::vector<plan::Choice>* choices = nullptr;
  int threads = 1;
  ThreadPool* pool = nullptr;  ///< prepares kernels side by side; null: one after the other
  WeightCache* weights = nullptr;
  StreamedWeights* streamed = nullptr;  ///< what of them does not stay on the device; null: nothing
  int auxiliary_streams = 0;            ///< most that steps may run on beside the run's own
  std::vector<std::string> without;     ///< without_kernels() of the plan
};

std::shared_ptr<const Program> prepare(const ir::Graph& graph, const std::vector<ir::Dims>& input_dims,
                                       const PrepareOptions& options,
                                       const std::map<ir::ValueId, ir::Tensor>& values = {});

struct Aliases;

/// The problem that node `n` poses in a graph whose shapes are concrete, but for sizes of outputs that the node finds
/// in its data, which are 0; `aliases`, if given, sets pitches.
Problem make_problem(const ir::Graph& graph, ir::NodeId n, const PrepareOptions& options,
                     const Aliases* aliases = nullptr);
/// What reports call a node: its name; of one that a pass made, its operator and its first output's name.
std::string layer_name(const ir::Graph& graph, const ir::Node& node);
/// The kernel for a problem: `wanted` if it accepts, else the cheapest that does, without those whose names begin so;
/// else null, with every reason appended to `refusals`.
const KernelDef* find_kernel(const Backend& backend, const Problem& problem, std::string_view wanted,
                             std::string& refusals, std::span<const std::string> without = {});
/// That kernel. Throws kUnsupported with every refusal if none accepts.
const KernelDef& pick_kernel(const Backend& backend, const Problem& problem, std::string_view wanted,
                             std::span<const std::string> without = {});
/// That kernel of the options' backend, prepared; where preparing shows that it cannot do the problem, the next.
/// `streamed`: the step's view of weights that do not stay on the device, or null.
std::pair<const KernelDef*, std::unique_ptr<Kernel>> prepare_best(const PrepareOptions& options, const Problem& problem,
                                                                  std::string_view wanted,
                                                                  StepWeights* streamed = nullptr);

}  // namespace tenon::runtime
