#include "ir/inline.h"

namespace tenon::ir {

std::vector<ValueId> inline_graph(Graph& into, const Graph& body, std::span<const ValueId> args,
                                  std::string_view prefix) {
  require(args.size() == body.inputs.size(), ErrorCode::kInternal, "a graph of ", body.inputs.size(),
          " inputs is given ", args.size());
  require(into.symbols == body.symbols, ErrorCode::kInternal, "a graph with other symbols cannot be inlined");
  std::vector<ValueId> map(body.value_count(), kNone);
  for (size_t i = 0; i < args.size(); ++i) map[body.inputs[i]] = args[i];
  const auto mapped = [&](ValueId v) {
    if (v == kNone) return kNone;
    if (map[v] == kNone && body.constant(v))
      map[v] = into.add_constant(*body.constant(v), into.unique_name(body.value(v).name));
    return map[v];
  };
  for (NodeId n : body.topological_order()) {
    const Node& source = body.node(n);
    std::vector<ValueId> inputs;
    for (ValueId v : source.inputs) inputs.push_back(mapped(v));
    const NodeId copy =
        into.add_node(source.op, std::move(inputs), source.attrs, source.outputs.size(), cat(prefix, source.name));
    into.node(copy).origin = source.origin;
    into.node(copy).metadata = source.metadata;
    for (size_t i = 0; i < source.outputs.size(); ++i) {
      if (source.outputs[i] == kNone) {
        into.node(copy).outputs[i] = kNone;
        continue;
      }
      const Value& from = body.value(source.outputs[i]);
      const ValueId to = map[source.outputs[i]] = into.node(copy).outputs[i];
      into.value(to).dtype = from.dtype;
      into.value(to).ranked = from.ranked;
      into.value(to).shape = from.shape;
      into.value(to).contents = from.contents;
    }
  }
  std::vector<ValueId> outputs;
  for (ValueId v : body.outputs) outputs.push_back(mapped(v));
  return outputs;
}

}  // namespace tenon::ir
