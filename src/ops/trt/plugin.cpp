#include "ops/trt/plugin.h"

#include "ops/trt/lower.h"

namespace tenon::ops::trt {

ir::Attrs to_attrs(PluginAttrs attrs) { return attrs; }
const PluginAttrs& plugin_attrs(const ir::Attrs& attrs) { return attrs.as<PluginAttrs>(); }

CustomAttrs describe_plugin(const PluginSource& source, std::vector<PluginOperand> operands, size_t shape_inputs) {
  ir::SymbolTable symbols;
  for (size_t k = 0; k < operands.size(); ++k) {
    for (size_t d = 0; d < operands[k].shape.size(); ++d) {
      Dim& dim = operands[k].shape[d];
      if (!dim.is_const()) dim = symbols.named(cat("i", k, "_", d));
    }
    for (size_t j = 0; j < operands[k].elements.size(); ++j) {
      Dim& element = operands[k].elements[j];
      if (!element.is_const()) element = symbols.named(cat("e", k, "_", j));
    }
  }
  const PluginOutputs outputs = source.describe(operands, shape_inputs, symbols);
  CustomAttrs a = source.identity();
  a.shape_inputs = int64_t(shape_inputs);
  for (DType type : outputs.types) a.types.push_back(int64_t(type));
  for (const Shape& shape : outputs.shapes) a.shapes.push_back(shape_text(symbols, shape));
  for (Dim limit : outputs.limits) a.limits.push_back(limit == -1 ? std::string() : symbols.text(limit));
  return a;
}

namespace {

/// Elements of an integer vector or number, symbols where they are not known. Throws unless their count is known.
std::vector<Dim> elements_of(LowerContext& c, ValueId v) {
  const ir::Value& value = c.graph().value(v);
  const Shape& shape = c.shape(v);
  require(shape.size() <= 1 && (shape.empty() || shape[0].is_const()), ErrorCode::kShapeMismatch, "'", value.name,
          "' decides shapes, it must be a number or a vector of fixed length");
  std::vector<Dim> elements;
  if (value.contents) return *value.contents;
  const int64_t count = shape.empty() ? 1 : shape[0].constant();
  for (int64_t j = 0; j < count; ++j)
    elements.push_back(value.constant ? Dim(value.constant->get_int(j)) : c.graph().symbols->fresh("e"));
  return elements;
}

void lower_plugin(LowerContext& c) {
  const auto& a = c.attrs<PluginAttrs>();
  require(a.source != nullptr, ErrorCode::kInternal, "the layer has no plugin");
  const auto shape_inputs = size_t(a.shape_inputs);
  std::vector<PluginOperand> operands(c.input_count());
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!c.has(i)) continue;
    operands[i].dtype = c.dtype(c.input(i));
    operands[i].shape = c.shape(c.input(i));
    if (i + shape_inputs >= operands.size()) operands[i].elements = elements_of(c, c.input(i));
  }
  const size_t outputs = c.node().outputs.size();
  const ir::NodeId n = c.graph().add_node("Custom", c.inputs(), describe_plugin(*a.source, operands, shape_inputs),
                                          outputs, c.node().name);
  infer_node(c.graph(), n);
  for (size_t i = 0; i < outputs; ++i) c.output(i, c.graph().node(n).outputs[i]);
}

}  // namespace

std::vector<Layer> plugin_layers() { return {{"trt.Plugin", ir::schema_of<PluginAttrs>(), 0, SIZE_MAX, lower_plugin}}; }

}  // namespace tenon::ops::trt
