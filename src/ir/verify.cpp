#include "ir/verify.h"

namespace tenon::ir {
namespace {

void verify_value(const Graph& g, ValueId v, const std::vector<bool>& is_input, bool typed, std::string_view reader) {
  const Value& value = g.value(v);
  require(value.constant || value.producer != kNone || is_input[v], ErrorCode::kInternal, "value '", value.name,
          "', read by ", reader, ", has no producer");
  if (typed)
    require(value.dtype != DType::kUndefined && value.ranked, ErrorCode::kUnsupported, "the type of value '",
            value.name, "', read by ", reader, ", is not known");
  if (value.constant)
    require(value.producer == kNone && value.constant->dtype() == value.dtype && value.ranked &&
                value.shape == to_shape(value.constant->dims()),
            ErrorCode::kInternal, "constant '", value.name, "' differs in type from its value or has a producer");
}

}  // namespace

void verify(const Graph& g, bool typed) {
  g.check_links();
  g.topological_order();
  std::vector<bool> is_input(g.value_count(), false);
  for (ValueId v : g.inputs) {
    require(v < g.value_count() && g.value(v).producer == kNone && !g.value(v).constant, ErrorCode::kInternal,
            "a graph input is produced or constant");
    require(!is_input[v], ErrorCode::kInternal, "input '", g.value(v).name, "' is listed twice");
    is_input[v] = true;
  }
  for (NodeId n = 0; n < g.node_count(); ++n) {
    const Node& node = g.node(n);
    if (!node.alive) continue;
    const std::string place = cat("node '", node.name, "' (", node.op, ")");
    for (ValueId v : node.inputs)
      if (v != kNone) verify_value(g, v, is_input, typed, place);
    for (const Field& f : node.attrs.schema().fields) {
      if (f.kind != FieldKind::kGraph) continue;
      if (const auto& body = f.of<std::shared_ptr<Graph>>(node.attrs.data())) {
        require(body->symbols == g.symbols, ErrorCode::kInternal, place, ": body ", f.name,
                " has other symbols than its graph");
        verify(*body, typed);
      }
    }
  }
  for (ValueId v : g.outputs) verify_value(g, v, is_input, typed, "the caller");
}

}  // namespace tenon::ir
