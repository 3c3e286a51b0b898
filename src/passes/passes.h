// Graph to graph: the passes that turn an imported model into what kernels run well.
//
// A pass is a free function `int name(ir::Graph&, PassContext&)` in a file of that name, returning the number of
// changes, and named once in pipeline.cpp. Most passes are lists of rules (rewrite.h). Bodies of control flow are
// visited as graphs of their own.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tenon::passes {

/// What passes may do.
struct PassOptions {
  bool allow_bf16 = false;       ///< compute-heavy nodes may take bf16 operands
  bool allow_fp16 = false;       ///< the same for f16; bf16 is preferred where both are allowed
  bool channels_last = true;     ///< convolutions take channels-last tensors
  bool parts_in_place = true;    ///< kernels read the parts of a Split where they lie, so that it costs nothing
  bool squeeze_excite = false;   ///< kernels compute squeeze-and-excitation as one operator
  bool images_in_place = false;  ///< convolutions of few channels read tensors whose channels come first
  bool sums_in_place = false;    ///< kernels read operands that stand beside each other as one of more channels
  int64_t scaled_channels = 0;   ///< most channels that convolutions without a window multiply by factors; 0 for none
  std::vector<ir::DType> scaled_types = {ir::DType::kF16, ir::DType::kBF16};  ///< and the types in which they do
  /// Bytes of an image from which the f32 result of a convolution before a depthwise one need not be kept.
  int64_t expanded_bytes = INT64_MAX;
  /// The type that a node computes in, by its name: f32, bf16, f16 or, with scales, i8. Narrow ones must be allowed.
  std::map<std::string, ir::DType> types;
  /// What one step of an 8-bit value stands for, by the name of the f32 value that is rounded to it.
  std::map<std::string, float> scales;
  std::vector<std::string> disabled;       ///< passes that are left out
  std::vector<std::string> only;           ///< if not empty, the passes that run
  std::string stop_after;                  ///< the last pass to run; empty for all
  int64_t fold_limit = int64_t(32) << 20;  ///< bytes that one folded constant may have beyond those it replaces
  bool verify = true;                      ///< check the graph after each pass
  /// Called after each pass that ran, with the typed graph.
  std::function<void(std::string_view pass, const ir::Graph&)> observe;
  std::function<bool()> cancelled;  ///< polled between passes; true ends with Error kCancelled
};

struct Change {
  std::string node;  ///< the node as the model calls it
  std::string why;
};

struct PassReport {
  std::string_view pass;
  int changes = 0;
  double microseconds = 0;
  int transposes = 0;  ///< Transpose nodes that there are after the pass, bodies excluded
  std::vector<Change> details;
};

class PassContext {
 public:
  explicit PassContext(const PassOptions& options) : options_(options) {}
  const PassOptions& options() const { return options_; }
  void note(const ir::Node& node, std::string why) {
    changes.push_back({node.name.empty() ? node.op : node.name, std::move(why)});
  }
  std::vector<Change> changes;

 private:
  const PassOptions& options_;
};

struct Pass {
  std::string_view name;
  int (*run)(ir::Graph&, PassContext&);
};

/// All passes in the order in which they run; a pass may stand more than once.
std::span<const Pass> pipeline();

/// The widest type that `options` asks of a node, by its name and those of the nodes it stands for.
std::optional<ir::DType> asked_type(const PassOptions& options, const ir::Node& node);

/// Runs the pipeline over a typed graph. Inputs and outputs keep their names, types and order. After each pass that
/// changed something types are inferred again and the graph is verified; a failure names the pass and the node.
/// Throws kInvalidArgument for an unknown pass name in the options.
std::vector<PassReport> run_passes(ir::Graph& graph, const PassOptions& options);
/// Runs one pass, by the same rules.
PassReport run_pass(ir::Graph& graph, const Pass& pass, const PassOptions& options);
/// Throws kInvalidArgument naming the passes there are.
const Pass& find_pass(std::string_view name);

/// One line a pass that changed something: name, changes, microseconds; with `details` one more a change.
std::string print(const std::vector<PassReport>& reports, bool details);

}  // namespace tenon::passes
