#include "ops/trt/lower.h"

#include "onnx/model.h"
#include "ops/trt/boundary.h"

namespace tenon::ops::trt {
namespace {

constexpr int kOpset = 24;

/// Lets an ONNX import rule work for a LowerContext.
class RuleContext final : public ImportContext {
 public:
  RuleContext(ir::Graph& graph, std::string_view op, std::vector<ValueId> inputs, Values attributes, size_t outputs,
              const std::string& name)
      : bound(outputs, ir::kNone), graph_(graph), inputs_(std::move(inputs)), attributes_(std::move(attributes)) {
    node_.op_type = op;
    node_.name = name;
    node_.outputs.resize(outputs, "y");
    node_.inputs.resize(inputs_.size(), "x");
  }
  const onnx::Node& node() const override { return node_; }
  std::string_view node_op() const override { return node_.op_type; }
  int opset() const override { return kOpset; }
  ir::Graph& graph() override { return graph_; }
  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return bound.size(); }
  ValueId input(size_t i) const override { return i < inputs_.size() ? inputs_[i] : ir::kNone; }

  bool has_attr(std::string_view name) const override { return attributes_.find(name) != attributes_.end(); }
  int64_t attr_int(std::string_view name, int64_t fallback) const override { return get<int64_t>(name, fallback); }
  float attr_float(std::string_view name, float fallback) const override { return get<float>(name, fallback); }
  std::string attr_string(std::string_view name, std::string_view fallback) const override {
    return get<std::string>(name, std::string(fallback));
  }
  std::vector<int64_t> attr_ints(std::string_view name, std::vector<int64_t> fallback) const override {
    return get<Ints>(name, std::move(fallback));
  }
  std::vector<float> attr_floats(std::string_view name, std::vector<float> fallback) const override {
    return get<std::vector<float>>(name, std::move(fallback));
  }
  std::vector<std::string> attr_strings(std::string_view name) const override {
    return get<std::vector<std::string>>(name, {});
  }
  std::optional<Tensor> attr_tensor(std::string_view) const override { return {}; }
  DType attr_dtype(std::string_view name, DType fallback) const override { return get<DType>(name, fallback); }
  std::shared_ptr<ir::Graph> attr_graph(std::string_view name, std::vector<ValueId>&,
                                        std::span<const BodyInput>) override {
    tenon::fail(ErrorCode::kInternal, node_.op_type, " has no body graph '", name, "'");
  }
  std::vector<ValueId> add_n(std::string_view op, std::vector<ValueId> inputs, ir::Attrs attrs,
                             size_t outputs) override {
    ir::NodeId n = graph_.add_node(std::string(op), std::move(inputs), std::move(attrs), outputs, node_.name);
    infer_node(graph_, n);
    return graph_.node(n).outputs;
  }
  void output(size_t i, ValueId v) override { bound.at(i) = v; }

  std::vector<ValueId> bound;

 private:
  template <class T>
  T get(std::string_view name, T fallback) const {
    auto it = attributes_.find(name);
    if (it == attributes_.end()) return fallback;
    const T* value = std::get_if<T>(&it->second);
    require(value != nullptr, ErrorCode::kInternal, "attribute '", name, "' of ", node_.op_type, " is of another kind");
    return *value;
  }
  ir::Graph& graph_;
  std::vector<ValueId> inputs_;
  Values attributes_;
  onnx::Node node_;
};

std::string place_of(const ir::Node& node) { return cat("layer '", node.name, "' (", node.op.substr(4), ")"); }

void run_rule(LowerContext& context, const ir::Node& node) {
  const Layer* layer = find_layer(node.op);
  require(layer != nullptr, ErrorCode::kInternal, "no such layer");
  layer->lower(context);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    require(node.outputs[i] == ir::kNone || context.outputs[i] != ir::kNone, ErrorCode::kInternal, "output ", i,
            " is not made");
  }
}

/// The value that stands for `from` takes its name, by which users know it, unless it has one of its own.
void pass_name_on(ir::Graph& graph, ValueId from, ValueId to, ir::NodeId first_new) {
  if (from == ir::kNone || graph.is_output(to)) return;
  const ir::NodeId producer = graph.value(to).producer;
  if (producer == ir::kNone || producer < first_new) return;
  const std::string name = graph.value(from).name;
  graph.rename(from, graph.unique_name(name));
  graph.rename(to, name);
}

/// What stands for an output of the network and cannot take its name is handed on by a node that can.
void keep_output_names(const ir::Graph& graph, const ir::Node& node, LowerContext& made) {
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    ValueId& to = made.outputs[i];
    if (node.outputs[i] == ir::kNone || !graph.is_output(node.outputs[i])) continue;
    if (graph.is_input(to) || graph.is_output(to) || graph.constant(to)) to = made.onnx("Identity", {to});
  }
}

}  // namespace

ValueId LowerContext::input(size_t i) const {
  require(has(i), ErrorCode::kInvalidModel, "input ", i, " is not set");
  return inputs_[i];
}

const Shape& LowerContext::shape(ValueId v) const {
  require(graph_.value(v).ranked, ErrorCode::kShapeMismatch, "the rank of '", graph_.value(v).name, "' is not known");
  return graph_.value(v).shape;
}

int64_t LowerContext::number(ValueId v, size_t axis) const {
  const ir::Dim d = shape(v).at(axis);
  require(d.is_const(), ErrorCode::kUnsupported, "dimension ", axis, " of '", graph_.value(v).name,
          "' must not be dynamic here");
  return d.constant();
}

ValueId LowerContext::scalar(DType type, double value) {
  Tensor t(type, {});
  t.set(0, value);
  return constant(std::move(t));
}

std::vector<ValueId> LowerContext::onnx_n(std::string_view op, std::vector<ValueId> inputs, Values attributes,
                                          size_t count) {
  const OnnxRule* rule = find_onnx_rule("", op, kOpset);
  require(rule != nullptr, ErrorCode::kUnsupported, "operator ", op, " is not available");
  RuleContext context(graph_, op, std::move(inputs), std::move(attributes), count, node_.name);
  rule->import(context);
  return std::move(context.bound);
}

ValueId LowerContext::cast(ValueId v, DType type) { return dtype(v) == type ? v : onnx("Cast", {v}, {{"to", type}}); }

void put_in_place(ir::Graph& graph, ir::NodeId id, const LowerContext& made, ir::NodeId first) {
  const ir::Node node = graph.node(id);
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNone) graph.replace_uses(node.outputs[i], made.outputs[i]);
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) pass_name_on(graph, node.outputs[i], made.outputs[i], first);
  for (auto n = first; n < graph.node_count(); ++n) {
    graph.node(n).name = node.name;
    graph.node(n).origin = node.origin.empty() ? node.name : node.origin;
    graph.node(n).metadata = node.metadata;
  }
  graph.erase_node(id);
}

void lower_node(ir::Graph& graph, ir::NodeId id) {
  const ir::Node node = graph.node(id);
  const auto first = static_cast<ir::NodeId>(graph.node_count());
  LowerContext context(graph, node, node.inputs);
  try {
    run_rule(context, node);
  } catch (const Error& e) {
    throw e.at(place_of(node));
  }
  keep_output_names(graph, node, context);
  put_in_place(graph, id, context, first);
}

void lower(ir::Graph& graph) {
  for (ir::NodeId n : graph.topological_order()) {
    if (find_layer(graph.node(n).op)) {
      lower_node(graph, n);
      continue;
    }
    const ir::Attrs& attrs = graph.node(n).attrs;
    for (const ir::Field& f : attrs.schema().fields) {
      if (f.kind != ir::FieldKind::kGraph) continue;
      if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(attrs.data())) lower(*body);
    }
  }
  lower_regions(graph);
}

std::vector<ValueId> copy_inputs(const ir::Graph& graph, const ir::Node& node, ir::Graph& aside) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == ir::kNone) {
      inputs.push_back(ir::kNone);
      continue;
    }
    const ir::Value& v = graph.value(node.inputs[i]);
    if (v.constant) {
      inputs.push_back(aside.add_constant(*v.constant));
    } else {
      require(v.ranked, ErrorCode::kShapeMismatch, "the rank of '", v.name, "' is not known");
      inputs.push_back(aside.add_input(cat("input", i), v.dtype, v.shape));
      aside.value(inputs.back()).contents = v.contents;
    }
  }
  return inputs;
}

/// Types of a dialect node's outputs: its rule, run in a graph of its own that shares the symbols.
void infer_by_rule(InferContext& c) {
  ir::Graph aside(c.graph().symbols);
  LowerContext context(aside, c.node(), copy_inputs(c.graph(), c.node(), aside));
  run_rule(context, c.node());
  for (size_t i = 0; i < c.output_count(); ++i) {
    if (c.node().outputs[i] == ir::kNone) continue;
    const ir::Value& made = aside.value(context.outputs[i]);
    c.output(i, made.dtype, made.shape);
    if (made.contents) {
      c.output_contents(i, *made.contents);
    } else if (made.constant && ir::is_integer(made.dtype) && made.shape.size() <= 1 && made.constant->count() <= 64) {
      std::vector<Dim> contents;
      for (int64_t e : made.constant->to_ints()) contents.emplace_back(e);
      c.output_contents(i, std::move(contents));
    }
  }
}

}  // namespace tenon::ops::trt
