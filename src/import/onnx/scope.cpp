#include "import/onnx/scope.h"

namespace tenon::importer {

ir::ValueId Scope::capture(ir::ValueId outer_value, const std::string& name) {
  if (outer_value == kBroken || outer_value == ir::kNone) return outer_value;
  if (auto it = inner_of.find(outer_value); it != inner_of.end()) return it->second;
  ir::ValueId inner;
  if (is_sequence(outer_value)) {
    std::vector<ir::ValueId> elements;
    for (ir::ValueId v : sequences.of(outer_value)) elements.push_back(capture(v, name));
    inner = sequences.add(std::move(elements));
  } else if (const ir::Value source = outer->graph.value(outer_value); source.constant) {
    inner = graph.add_constant(*source.constant, graph.unique_name(name));
  } else {
    inner = graph.add_input(graph.unique_name(name), source.dtype, source.shape);
    graph.value(inner).ranked = source.ranked;
    graph.value(inner).contents = source.contents;
    captures->push_back(outer_value);
  }
  inner_of.emplace(outer_value, inner);
  return inner;
}

std::optional<ir::ValueId> Scope::find(const std::string& name) {
  if (auto it = values.find(name); it != values.end()) return it->second;
  if (!outer) return std::nullopt;
  const auto found = outer->find(name);
  if (!found) return found;
  const ir::ValueId inner = capture(*found, name);
  values.emplace(name, inner);
  return inner;
}

void Scope::define(const std::string& name, ir::ValueId value, size_t first_new) {
  require(values.emplace(name, value).second, ErrorCode::kInvalidModel, "value \"", name, "\" is defined twice");
  if (value >= kFirstSequence || value < first_new) return;  // sequences, kBroken and kNone have no name
  const std::string wanted = prefix + name;
  if (graph.value(value).name == wanted) return;
  // A name made up earlier for an unnamed value gives way to the model's own.
  if (const ir::ValueId holder = graph.find(wanted); holder != ir::kNone)
    graph.rename(holder, graph.unique_name(wanted));
  graph.rename(value, wanted);
}

}  // namespace tenon::importer
