#include "runtime/split.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon::runtime {
namespace {

bool is_tensor(const ir::Value& v) { return ir::is_static(v.shape) && v.dtype != ir::DType::kString; }

}  // namespace

std::vector<ir::ValueId> known_values(const ConcreteGraph& concrete) {
  const ir::Graph& g = concrete.graph;
  std::vector<bool> known(g.value_count(), false), computed(g.value_count(), false), read(g.value_count(), false);
  for (ir::ValueId v = 0; v < g.value_count(); ++v) known[v] = g.value(v).constant && is_tensor(g.value(v));
  for (ir::ValueId v : g.inputs) known[v] = is_tensor(g.value(v));
  bool work = false;
  for (ir::NodeId n : concrete.order) {
    const ir::Node& node = g.node(n);
    const ops::OpForm form = ops::find_op(node.op).form;
    bool ready = form != ops::OpForm::kControlFlow;
    for (ir::ValueId v : node.inputs) ready = ready && (v == ir::kNone || known[v]);
    for (ir::ValueId v : node.outputs) ready = ready && (v == ir::kNone || is_tensor(g.value(v)));
    for (ir::ValueId v : ready ? node.outputs : node.inputs) {
      if (v == ir::kNone) continue;
      (ready ? computed : read)[v] = true;
      if (ready) known[v] = true;
    }
    work = work || (ready && form != ops::OpForm::kView);
  }
  for (ir::ValueId v : g.outputs) read[v] = true;
  std::vector<ir::ValueId> values;
  for (ir::ValueId v = 0; v < g.value_count() && work; ++v)
    if (computed[v] && read[v]) values.push_back(v);
  return values;
}

Rest rest_of(const ConcreteGraph& concrete, const std::vector<ir::ValueId>& known) {
  const ir::Graph& g = concrete.graph;
  std::vector<bool> there(g.value_count(), false), read(g.value_count(), false);
  for (ir::ValueId v : known) there[v] = true;
  for (ir::ValueId v : g.outputs) read[v] = !there[v];
  Rest rest;
  for (size_t i = concrete.order.size(); i-- > 0;) {
    const ir::Node& node = g.node(concrete.order[i]);
    bool needed = false;
    for (ir::ValueId v : node.outputs) needed = needed || (v != ir::kNone && read[v]);
    if (!needed) continue;
    rest.order.push_back(concrete.order[i]);
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone && !there[v]) read[v] = true;
  }
  std::reverse(rest.order.begin(), rest.order.end());
  for (ir::ValueId v : g.inputs) rest.reads_input.push_back(read[v]);
  return rest;
}

}  // namespace tenon::runtime
