// Nodes of control flow's bodies, run with kernels.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "backends/kernel.h"
#include "ops/node_runner.h"

namespace tenon::cpu {

/// Prepares a kernel for each node and set of operand dims that it meets, and keeps them. Serves one thread at a time.
/// Graphs must live as long as the runner, and `weights` (null: none) as well.
class BodyRunner final : public ops::NodeRunner {
 public:
  BodyRunner(ThreadPool& pool, WeightCache* weights);
  ~BodyRunner() override;
  std::optional<std::vector<ir::Tensor>> run(const ir::Graph& graph, ir::NodeId n,
                                             const std::vector<ir::Tensor>& inputs) override;

 private:
  struct Prepared;
  std::unique_ptr<Prepared> prepare(const ir::Graph& graph, ir::NodeId n, const std::vector<ir::Tensor>& inputs) const;

  ThreadPool& pool_;
  WeightCache* weights_;
  std::map<std::pair<const ir::Graph*, ir::NodeId>, std::vector<std::unique_ptr<Prepared>>> prepared_;
  ir::Tensor workspace_;
};

}  // namespace tenon::cpu
