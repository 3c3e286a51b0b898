#include "passes/verify.h"

#include "ir/verify.h"
#include "ops/op.h"

namespace tenon::passes {
namespace {

void verify_operators(const ir::Graph& graph) {
  for (ir::NodeId n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(n);
    if (!node.alive) continue;
    const ops::OpDef* op = ops::find_op_or_null(node.op);
    require(op != nullptr, ErrorCode::kUnsupported, "node '", node.name, "': there is no operator called '", node.op,
            "'");
    require(node.inputs.size() >= op->min_inputs && node.inputs.size() <= op->max_inputs, ErrorCode::kInternal,
            "node '", node.name, "' (", node.op, ") has ", node.inputs.size(), " inputs");
    require(&node.attrs.schema() == op->attrs, ErrorCode::kInternal, "node '", node.name, "' (", node.op,
            ") has the attributes of another operator");
    for (const ir::Field& f : op->attrs->fields)
      if (f.kind == ir::FieldKind::kGraph)
        if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(node.attrs.data())) verify_operators(*body);
  }
}

}  // namespace

void verify(const ir::Graph& graph) {
  ir::verify(graph, true);
  verify_operators(graph);
}

}  // namespace tenon::passes
