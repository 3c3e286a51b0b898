// A way for whoever evaluates a graph by its references to have heavy nodes done faster.
#pragma once
#include <optional>

#include "ops/op.h"

namespace tenon::ops {

/// Does nodes in place of their references, in the nodes' own types.
class NodeRunner {
 public:
  virtual ~NodeRunner() = default;
  /// The results of node `n` of `graph` on these operands, or nothing: the reference is to do it.
  virtual std::optional<std::vector<Tensor>> run(const ir::Graph& graph, ir::NodeId n,
                                                 const std::vector<Tensor>& inputs) = 0;
};

/// Lets eval_graph() on this thread, unless in double precision, ask `runner` first, for the life of the object. That
/// is how bodies of loops and conditions are run with kernels.
class ScopedNodeRunner {
 public:
  explicit ScopedNodeRunner(NodeRunner& runner);
  ~ScopedNodeRunner();
  ScopedNodeRunner(const ScopedNodeRunner&) = delete;
  ScopedNodeRunner& operator=(const ScopedNodeRunner&) = delete;

 private:
  NodeRunner* before_;
};

}  // namespace tenon::ops
