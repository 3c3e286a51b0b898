#include "import/onnx/scope.h"

namespace tenon::importer {

std::optional<ir::ValueId> Scope::find(const std::string& name) {
  if (auto it = values.find(name); it != values.end()) return it->second;
  if (!outer) return std::nullopt;
  const auto found = outer->find(name);
  if (!found || *found == kBroken || *found == ir::kNone) return found;
  const ir::Value source = outer->graph.value(*found);
  ir::ValueId inner;
  if (source.constant) {
    inner = graph.add_constant(*source.constant, graph.unique_name(name));
  } else {
    inner = graph.add_input(graph.unique_name(name), source.dtype, source.shape);
    graph.value(inner).ranked = source.ranked;
    graph.value(inner).contents = source.contents;
    captures->push_back(*found);
  }
  values.emplace(name, inner);
  return inner;
}

void Scope::define(const std::string& name, ir::ValueId value, size_t first_new) {
  require(values.emplace(name, value).second, ErrorCode::kInvalidModel, "value \"", name, "\" is defined twice");
  if (value == kBroken || value == ir::kNone || value < first_new) return;
  const std::string wanted = prefix + name;
  if (graph.value(value).name == wanted) return;
  // A name made up earlier for an unnamed value gives way to the model's own.
  if (const ir::ValueId holder = graph.find(wanted); holder != ir::kNone)
    graph.rename(holder, graph.unique_name(wanted));
  graph.rename(value, wanted);
}

}  // namespace tenon::importer
