// Types that users give to layers and tensors, as casts and rounding in the graph that a builder takes.
#include <algorithm>

#include "nvinfer/conversion.h"
#include "nvinfer/network.h"
#include "ops/op.h"

namespace tenon::nvinfer {

using ir::DType;

ir::ValueId add_conversion(ir::Graph& g, ir::ValueId v, const char* op, DType type, const std::string& name,
                           float scale) {
  ir::Attrs attrs(ops::find_op(op).attrs);
  attrs.find("to")->of<DType>(attrs.edit_data()) = type;
  std::vector<ir::ValueId> inputs{v};
  if (scale > 0) inputs.push_back(g.add_constant(ir::Tensor::scalar_f32(scale)));
  const ir::NodeId n = g.add_node(op, std::move(inputs), std::move(attrs), 1, name);
  ops::infer_node(g, n);
  return g.node(n).outputs[0];
}

namespace {

void cast_input(ir::Graph& g, ir::ValueId v, bool narrow) {
  const DType own = g.value(v).dtype, shown = shown_type(own, narrow);
  if (shown != DType::kUndefined) require_named(g.value(v).name, shown);
  if (shown == own) return;
  const std::vector<ir::NodeId> readers = g.users(v);
  g.value(v).dtype = shown;
  const ir::ValueId read = add_conversion(g, v, "Cast", own, cat("input ", g.value(v).name), 0);
  for (ir::NodeId n : readers)
    for (size_t i = 0; i < g.node(n).inputs.size(); ++i)
      if (g.node(n).inputs[i] == v) g.set_input(n, i, read);
}

void cast_output(ir::Graph& g, ir::ValueId v, bool narrow) {
  const DType shown = shown_type(g.value(v).dtype, narrow);
  const std::string name = g.value(v).name;
  if (shown != DType::kUndefined) require_named(name, shown);
  if (shown == g.value(v).dtype || !g.is_output(v)) return;
  const ir::ValueId stored = add_conversion(g, v, "Cast", shown, cat("output ", name), 0);
  std::replace(g.outputs.begin(), g.outputs.end(), v, stored);
  g.rename(v, g.unique_name(name));
  g.rename(stored, name);
}

/// Floating-point values become 8-bit ones by a scale, anything else by a cast.
class Converter {
 public:
  Converter(ir::Graph& g, std::string layer, float scale) : g_(g), layer_(std::move(layer)), scale_(scale) {}
  ir::ValueId to(ir::ValueId v, DType type) const {
    const DType from = g_.value(v).dtype;
    if ((from == DType::kI8 || type == DType::kI8) && (ir::is_float(from) || ir::is_float(type))) {
      require(scale_ > 0, ErrorCode::kInvalidArgument, "tensor '", g_.value(v).name,
              "' has the type kINT8 but no dynamic range");
      return add_conversion(g_, v, type == DType::kI8 ? "QuantizeLinear" : "DequantizeLinear", type, layer_, scale_);
    }
    return add_conversion(g_, v, "Cast", type, layer_, 0);
  }

 private:
  ir::Graph& g_;
  std::string layer_;
  float scale_;
};

}  // namespace

void cast_ends(ir::Graph& graph, bool narrow) {
  for (ir::ValueId v : graph.inputs) cast_input(graph, v, narrow);
  const std::vector<ir::ValueId> outputs = graph.outputs;
  for (ir::ValueId v : outputs) cast_output(graph, v, narrow);
}

void Network::force_type(ir::ValueId value, std::optional<DType> type) {
  const bool input = graph_.is_input(value);
  if (input && type && (usingStronglyTyped() || !ir::is_float(graph_.value(value).dtype) || !ir::is_float(*type)) &&
      *type != DType::kI8) {
    graph_.value(value).dtype = *type;
    return touch(0);
  }
  if (usingStronglyTyped() && type) {
    if (input) graph_.value(value).dtype = *type, touch(0);
    require(typed(value).dtype == *type, ErrorCode::kInvalidArgument,
            "a strongly typed network takes its types from its layers, '", graph_.value(value).name, "' is ",
            typed(value).dtype, " and cannot be made ", *type);
    return;
  }
  const ir::Node* producer = graph_.producer(value);
  if (producer && producer->op == "trt.Identity" && type != DType::kI8) {  // 8 bits need a scale
    ir::Node& node = graph_.node(graph_.value(value).producer);
    node.attrs.find("to_type")->of<DType>(node.attrs.edit_data()) = type.value_or(DType::kUndefined);
    touch(graph_.value(value).producer);
  }
  if (type)
    forced_types_[value] = *type;
  else
    forced_types_.erase(value);
}

std::optional<DType> Network::forced_type(ir::ValueId value) const {
  auto it = forced_types_.find(value);
  return it == forced_types_.end() ? std::nullopt : std::optional(it->second);
}

float Network::scale_of(ir::ValueId value) const {
  auto it = tensors_.find(value);
  return it == tensors_.end() || !it->second ? 0 : it->second->int8_scale();
}

// A forced value is stored in its type. Readers of a floating-point one get it converted back, because layers of a
// weakly typed network agree on f32; readers of whole numbers take them as they are.
void Network::apply_forced_types(ir::Graph& copy, const std::map<ir::ValueId, ir::ValueId>& now) const {
  for (const auto& [known, type] : forced_types_) {
    const auto found = now.find(known);
    const ir::ValueId value = found == now.end() ? known : found->second;
    const DType natural = copy.value(value).dtype;
    if (natural == type) continue;
    const bool rounded = type == DType::kI8 && ir::is_float(natural);
    if (rounded && scale_of(known) == 0 && !copy.is_input(value) && !copy.is_output(value))
      continue;  // a calibrator will tell the range
    const ir::Node* producer = copy.producer(value);
    const Converter convert(copy, producer ? producer->name : cat("input ", copy.value(value).name), scale_of(known));
    const std::vector<ir::NodeId> readers = copy.users(value);
    ir::ValueId stored = value, read;
    if (copy.is_input(value)) {
      copy.value(value).dtype = type;
      read = convert.to(value, natural);
    } else {
      stored = convert.to(value, type);
      read = ir::is_float(natural) && (ir::is_float(type) || type == DType::kI8) ? ir::kNone : stored;
      if (read == ir::kNone) read = readers.empty() ? stored : convert.to(stored, natural);
    }
    for (ir::NodeId n : readers)
      for (size_t i = 0; i < copy.node(n).inputs.size(); ++i)
        if (copy.node(n).inputs[i] == value) copy.set_input(n, i, read);
    if (stored == value || !copy.is_output(value)) continue;
    std::replace(copy.outputs.begin(), copy.outputs.end(), value, stored);
    const std::string name = copy.value(value).name;
    copy.rename(value, copy.unique_name(name));
    copy.rename(stored, name);
  }
}

std::map<std::string, DType> Network::asked_types() const {
  std::map<std::string, DType> asked;
  const auto name_of = [&](ir::NodeId node) {  // of the operator that layers are together, if they stay it
    const auto folded = expansions_.folded_name(
        graph_, [this](ir::ValueId v) { return is_seen(v); }, node);
    return folded ? *folded : graph_.node(node).name;
  };
  for (const auto& [value, type] : forced_types_) {  // a layer whose result must be f32 computes in it
    const ir::NodeId producer = graph_.value(value).producer;
    if (producer == ir::kNone || type != DType::kF32 || graph_.is_output(value)) continue;
    if (const std::string name = name_of(producer); !name.empty()) asked[name] = type;
  }
  for (const auto& [node, layer] : layers_) {
    if (!layer || !layer->precisionIsSet()) continue;
    const auto [entry, added] = asked.try_emplace(name_of(node), to_core(layer->getPrecision()));
    if (!added && to_core(layer->getPrecision()) == DType::kF32) entry->second = DType::kF32;
  }
  return asked;
}

std::vector<std::string> Network::debug_names() const {
  std::vector<std::string> names;
  for (ir::ValueId v : debug_tensors_) names.push_back(graph_.value(v).name);
  return names;
}

std::map<std::string, uint32_t> Network::allowed_formats() const {
  std::map<std::string, uint32_t> formats;
  for (const auto& [value, tensor] : tensors_)
    if (tensor && tensor->getAllowedFormats() != 1U) formats[graph_.value(value).name] = tensor->getAllowedFormats();
  return formats;
}

std::map<std::string, float> Network::int8_scales() const {
  std::map<std::string, float> scales;
  for (const auto& [value, tensor] : tensors_)
    if (tensor && tensor->int8_scale() > 0) scales[graph_.value(value).name] = tensor->int8_scale();
  return scales;
}

}  // namespace tenon::nvinfer
