// cuDNN's operation graphs as plain data, the engines that the library proposes for one, and execution plans.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backends/cuda/libraries/cudnn_api.h"

namespace tenon::cuda::cudnn {

/// A tensor of a graph: an operand, a number, or the result of one operation that another reads.
struct TensorSpec {
  DataType type = kFloat;
  std::vector<int64_t> dims, strides;  ///< N, C, then two or three spatial axes; four axes of a product
  enum class Kind : uint8_t { kOperand, kNumber, kVirtual } kind = Kind::kOperand;
  float number = 0;
};

/// y = conv(x, w), or the gradient of a convolution by its input: y receives dx, x is dy.
struct ConvolutionSpec {
  bool backward_data = false;
  int x = 0, w = 0, y = 0;
  std::vector<int64_t> before, after, strides, dilations;
};

/// y = mode(x) or mode(x, b).
struct PointwiseSpec {
  PointwiseMode mode = kIdentity;
  int x = 0, b = -1, y = 0;
  std::vector<std::pair<Attribute, double>> parameters = {};
};

/// c = a b over the last two axes.
struct MatMulSpec {
  int a = 0, b = 0, c = 0;
};
/// y = reduction of x over the axes where y has one element.
struct ReductionSpec {
  ReductionMode mode = kSum;
  int x = 0, y = 0;
};

/// Operations that read tensors by number, each after those that it reads from. All arithmetic is f32.
struct GraphSpec {
  using Operation = std::variant<ConvolutionSpec, MatMulSpec, ReductionSpec, PointwiseSpec>;
  std::vector<TensorSpec> tensors;
  std::vector<Operation> operations;
  int add(TensorSpec tensor) {
    tensors.push_back(std::move(tensor));
    return int(tensors.size()) - 1;
  }
  /// Equal for equal graphs.
  std::string text() const;
};

/// An engine with the values of its knobs.
struct EngineChoice {
  int64_t engine = 0;
  std::vector<std::pair<int, int64_t>> knobs;
  uint32_t notes = 0;  ///< bit n for numerical note n
  bool has(NumericalNote n) const { return notes >> n & 1; }
  bool operator==(const EngineChoice& o) const { return engine == o.engine && knobs == o.knobs; }
};

/// What the heuristics propose for the graph on GPU `ordinal`, best first, without repetition. Kept for the process.
std::vector<EngineChoice> engine_choices(const GraphSpec& graph, int ordinal);

/// A compiled graph. Immutable; may be executed by several threads at once.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual int64_t workspace_bytes() const = 0;
  /// `pointers` has one entry a tensor of the graph, of which those of operands are read. Operands are aligned to
  /// kOperandAlignment bytes.
  virtual void execute(const std::vector<const void*>& pointers, void* workspace, cudaStream_t stream) const = 0;
};
inline constexpr int64_t kOperandAlignment = 16;

/// Compiles the graph for the engine; throws kUnsupported where the engine refuses it. The plans built last are kept,
/// so that asking again is cheap.
std::shared_ptr<const Plan> build_plan(const GraphSpec& graph, const EngineChoice& choice, int ordinal);

}  // namespace tenon::cuda::cudnn
