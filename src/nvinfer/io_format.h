// Network inputs and outputs in the formats that ITensor::setAllowedFormats asks for.
//
// In the graph such a tensor has the dims of its memory ([N, C/4, H, W, 4] for kCHW4), and nodes beside it move the
// elements, which passes and devices treat as any others. Users see the dims of the network.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "nvinfer/tensor_format.h"
#include "plan/plan.h"

namespace tenon::nvinfer {

/// Key of plan::Plan::info: the inputs and outputs that are not row-major.
inline constexpr const char* kIoFormats = "io_formats";

struct IoFormat {
  nvinfer1::TensorFormat format = nvinfer1::TensorFormat::kLINEAR;
  int64_t channels = -1;  ///< of the network's tensor; -1 where they vary, which takes formats without groups
};

/// The formats of an engine's inputs and outputs, by index into runtime::Engine::io().
class IoFormats {
 public:
  IoFormats() = default;
  /// Throws kCorruptFile for what text() does not give.
  explicit IoFormats(const std::string& text);
  std::string text() const;
  bool empty() const { return known_.empty(); }
  void set(size_t io, IoFormat format) { known_[io] = format; }
  IoFormat at(size_t io) const;
  bool any_channels_last() const;
  /// Dims of the memory from those of the tensor. Throws kShapeMismatch for other channels than the format was made
  /// for.
  ir::Dims in_memory(size_t io, const ir::Dims& dims) const;
  /// Dims of the tensor from those of its memory.
  ir::Dims of_tensor(size_t io, const ir::Dims& memory) const;
  /// How many elements, or groups of channels, lie between neighbours on each axis of the tensor; -1 where not known.
  ir::Dims strides(size_t io, const ir::Dims& dims) const;
  /// The axis of the tensor whose elements lie in groups, and how many a group has; -1 if there are none.
  int32_t vectorized_axis(size_t io, size_t rank) const;
  int32_t vector(size_t io) const;

 private:
  std::map<size_t, IoFormat> known_;
};

/// Formats that a tensor may have, as bits, by its name; 0 or no entry: any.
using AllowedFormats = std::map<std::string, uint32_t>;

/// Gives inputs and outputs of a lowered network formats that they may have: row-major where that is allowed. Profiles
/// and the names in `scales` follow. Throws kUnsupported naming a tensor that can have none of its formats.
IoFormats apply_formats(ir::Graph& graph, const AllowedFormats& allowed, std::vector<plan::Profile>& profiles,
                        std::map<std::string, float>& scales);

/// Inputs and outputs beside which elements are only moved, by name.
std::vector<std::string> moved_tensors(const ir::Graph& graph);

}  // namespace tenon::nvinfer
