#include <algorithm>
#include <unordered_map>

#include "ops/op.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

constexpr int64_t kCompareBytes = 4096;  // larger constants are equal only if they share their bytes

bool same_constant(const ir::Tensor& a, const ir::Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (a.dtype() != ir::DType::kString && a.data().data() == b.data().data()) return true;
  return a.bytes() <= kCompareBytes && a == b;
}

/// Lets readers of equal constants share one.
int merge_constants(ir::Graph& graph) {
  std::unordered_map<uint64_t, std::vector<ir::ValueId>> seen;
  int count = 0;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    const ir::Tensor* t = graph.constant(v);
    if (!t || graph.users(v).empty() || t->dtype() == ir::DType::kString) continue;
    const uint64_t key =
        t->bytes() <= kCompareBytes ? t->hash() : uint64_t(reinterpret_cast<uintptr_t>(t->data().data()));
    auto& list = seen[key];
    auto it =
        std::find_if(list.begin(), list.end(), [&](ir::ValueId o) { return same_constant(*graph.constant(o), *t); });
    if (it == list.end()) {
      list.push_back(v);
    } else if (!graph.is_output(v)) {
      graph.replace_uses(v, *it);
      ++count;
    }
  }
  return count;
}

bool may_merge(const ir::Node& node) {
  const ops::OpDef& op = ops::find_op(node.op);
  return !op.random && op.form != ops::OpForm::kControlFlow && !node.outputs.empty();
}

bool same(const ir::Node& a, const ir::Node& b) {
  if (a.op != b.op || a.inputs != b.inputs || a.outputs.size() != b.outputs.size()) return false;
  for (size_t i = 0; i < a.outputs.size(); ++i)
    if ((a.outputs[i] == ir::kNone) != (b.outputs[i] == ir::kNone)) return false;
  return a.attrs == b.attrs;
}

}  // namespace

int common_subexpressions(ir::Graph& graph, PassContext& context) {
  int count = merge_constants(graph);
  std::unordered_map<uint64_t, std::vector<ir::NodeId>> seen;
  for (ir::NodeId n : graph.topological_order()) {
    const ir::Node& node = graph.node(n);
    if (!may_merge(node)) continue;
    Hasher h;
    h.add_text(node.op);
    for (ir::ValueId v : node.inputs) h.add(v);
    node.attrs.hash(h);
    auto& list = seen[h.value()];
    auto it = std::find_if(list.begin(), list.end(), [&](ir::NodeId o) { return same(graph.node(o), node); });
    const bool output = std::any_of(node.outputs.begin(), node.outputs.end(),
                                    [&](ir::ValueId v) { return v != ir::kNone && graph.is_output(v); });
    if (it == list.end() || output) {
      list.push_back(n);
      continue;
    }
    context.note(node, cat("computes the same as ", graph.node(*it).name));
    graph.node(*it).origin = ir::join_origins(graph.node(*it).origin, node.origin);
    const auto kept = graph.node(*it).outputs, dropped = node.outputs;
    for (size_t i = 0; i < dropped.size(); ++i)
      if (dropped[i] != ir::kNone) graph.replace_uses(dropped[i], kept[i]);
    graph.erase_node(n);
    ++count;
  }
  return count;
}

}  // namespace tenon::passes
