#include "ops/parse.h"

#include "ops/op.h"

namespace tenon::ops {

ir::ParseOptions parse_options() {
  ir::ParseOptions options;
  options.schema = [](std::string_view op) -> const ir::AttrSchema* {
    const OpDef* def = find_op_or_null(op);
    return def ? def->attrs : nullptr;
  };
  return options;
}

ir::Graph parse_graph(std::string_view text) {
  ir::Graph graph = ir::parse(text, parse_options());
  infer(graph);
  return graph;
}

}  // namespace tenon::ops
