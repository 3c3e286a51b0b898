#include <algorithm>

#include "passes/pass_list.h"

namespace tenon::passes {

int dead_code(ir::Graph& graph, PassContext& context) {
  int count = 0;
  const auto order = graph.topological_order();
  for (auto n = order.rbegin(); n != order.rend(); ++n) {
    const auto& outputs = graph.node(*n).outputs;
    if (std::any_of(outputs.begin(), outputs.end(),
                    [&](ir::ValueId v) { return v != ir::kNone && (!graph.users(v).empty() || graph.is_output(v)); }))
      continue;
    context.note(graph.node(*n), "nothing reads its outputs");
    graph.erase_node(*n);
    ++count;
  }
  return count;
}

}  // namespace tenon::passes
