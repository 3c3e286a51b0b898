#include "import/onnx/node_context.h"

#include "ops/op.h"

namespace tenon::importer {

int64_t NodeContext::attr_int(std::string_view name, int64_t fallback) const { return node_.get_or(name, fallback); }
float NodeContext::attr_float(std::string_view name, float fallback) const { return node_.get_or(name, fallback); }
std::string NodeContext::attr_string(std::string_view name, std::string_view fallback) const {
  return node_.get_or(name, std::string(fallback));
}
std::vector<int64_t> NodeContext::attr_ints(std::string_view name, std::vector<int64_t> fallback) const {
  return node_.get_or(name, std::move(fallback));
}
std::vector<float> NodeContext::attr_floats(std::string_view name, std::vector<float> fallback) const {
  return node_.get_or(name, std::move(fallback));
}
std::vector<std::string> NodeContext::attr_strings(std::string_view name) const {
  return node_.get_or(name, std::vector<std::string>());
}

std::optional<ir::Tensor> NodeContext::attr_tensor(std::string_view name) const {
  const onnx::Attribute* a = node_.find(name);
  if (!a) return std::nullopt;
  if (const auto* sparse = std::get_if<std::shared_ptr<const onnx::SparseTensor>>(&a->value)) return densify(**sparse);
  return *node_.get<ir::Tensor>(name);
}

ir::DType NodeContext::attr_dtype(std::string_view name, ir::DType fallback) const {
  const int64_t* code = node_.get<int64_t>(name);
  return code ? onnx::dtype_of(*code) : fallback;
}

std::shared_ptr<ir::Graph> NodeContext::attr_graph(std::string_view name, std::vector<ir::ValueId>& captures,
                                                   std::span<const ops::BodyInput> input_types) {
  return importer_.body(*node_.need<onnx::GraphPtr>(name), name, scope_, input_types, captures);
}

std::vector<ir::ValueId> NodeContext::add_n(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs,
                                            size_t outputs) {
  const ir::NodeId n = scope_.graph.add_node(std::string(op), std::move(inputs), std::move(attrs), outputs, name_);
  try {
    ops::infer_node(scope_.graph, n);
  } catch (const Error& e) {
    // The model's node, which has the same name and operator, goes in front already.
    const std::string own = cat("node '", name_, "' (", node_.op_type, ")");
    if (e.place().compare(0, own.size(), own) != 0) throw;
    throw Error(e.code(), e.message(),
                e.place().size() > own.size() + 2 ? e.place().substr(own.size() + 2) : std::string());
  }
  const std::vector<ir::ValueId>& made = scope_.graph.node(n).outputs;
  for (size_t i = 0; i < made.size(); ++i)
    require(scope_.graph.value(made[i]).dtype != ir::DType::kUndefined, ErrorCode::kInvalidModel, op, " has no output ",
            i);
  return fold_small(scope_.graph, n);
}

ir::ValueId NodeContext::input(size_t i) const {
  if (i >= inputs_.size()) return ir::kNone;
  require(!is_sequence(inputs_[i]), ErrorCode::kUnsupported, "input ", i, " is a sequence, a tensor is accepted");
  return inputs_[i];
}

const std::vector<ir::ValueId>* NodeContext::sequence(size_t i) const {
  return i < inputs_.size() && is_sequence(inputs_[i]) ? &scope_.sequences.of(inputs_[i]) : nullptr;
}

void NodeContext::output(size_t i, ir::ValueId v) {
  require(v < scope_.graph.value_count(), ErrorCode::kInternal, "output ", i, " is bound to no value");
  if (i >= outputs_.size()) return;
  outputs_[i] = v;
  bound_[i] = true;
}

void NodeContext::output_sequence(size_t i, std::vector<ir::ValueId> elements) {
  if (i >= outputs_.size()) return;
  outputs_[i] = scope_.sequences.add(std::move(elements));
  bound_[i] = true;
}

void NodeContext::output_absent(size_t i) {
  if (i < bound_.size()) bound_[i] = true;
}

const std::vector<ir::ValueId>& NodeContext::bound_outputs() const {
  for (size_t i = 0; i < outputs_.size(); ++i)
    require(bound_[i] || node_.outputs[i].empty(), ErrorCode::kInvalidModel, node_.op_type, " has no output ", i,
            " (\"", node_.outputs[i], "\")");
  return outputs_;
}

namespace {

constexpr int64_t kFoldLimit = 16384;  // elements read and written; larger results are a pass's business

int64_t static_count(const ir::Value& v) {
  if (!v.ranked || !ir::is_static(v.shape)) return kFoldLimit + 1;
  int64_t n = 1;
  for (ir::Dim d : v.shape) {
    if (d.constant() == 0) return 0;
    if (__builtin_mul_overflow(n, d.constant(), &n)) return kFoldLimit + 1;
  }
  return n;
}

/// The elements of an integer value that shape inference knows, as a tensor.
std::optional<ir::Tensor> known_elements(const ir::Value& v) {
  if (!v.contents || !ir::is_static(*v.contents) || static_count(v) != int64_t(v.contents->size())) return std::nullopt;
  const std::vector<int64_t> elements = ir::static_dims(*v.contents);
  return ir::Tensor::of<int64_t>(v.dtype, ir::static_dims(v.shape), elements);
}

bool foldable(const ir::Graph& graph, const ir::Node& node, const ops::OpDef& op) {
  if (!op.eval || op.random || op.form == ops::OpForm::kControlFlow) return false;
  int64_t elements = 0;
  for (ir::ValueId v : node.inputs) {
    if (v == ir::kNone) continue;
    if (!graph.constant(v)) return false;
    elements = std::max(elements, graph.constant(v)->count());
  }
  for (ir::ValueId v : node.outputs)
    if (v != ir::kNone && !op.data_dependent) elements = std::max(elements, static_count(graph.value(v)));
  return elements <= kFoldLimit;
}

std::vector<ir::Tensor> evaluate(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ir::Tensor> inputs;
  std::vector<ir::DType> types;
  for (ir::ValueId v : node.inputs) inputs.push_back(v == ir::kNone ? ir::Tensor() : *graph.constant(v));
  for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : graph.value(v).dtype);
  return ops::eval_node(node, std::move(inputs), std::move(types));
}

std::vector<ir::Tensor> known_outputs(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ir::Tensor> tensors;
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone) return {};
    auto t = known_elements(graph.value(v));
    if (!t) return {};
    tensors.push_back(std::move(*t));
  }
  return tensors;
}

}  // namespace

std::vector<ir::ValueId> fold_small(ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = graph.node(id);
  const ops::OpDef& op = ops::find_op(node.op);
  std::vector<ir::ValueId> values = node.outputs;
  std::vector<ir::Tensor> folded = op.random ? std::vector<ir::Tensor>() : known_outputs(graph, node);
  if (folded.empty() && foldable(graph, node, op)) folded = evaluate(graph, node);
  if (folded.empty()) return values;
  graph.erase_node(id);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != ir::kNone) values[i] = graph.add_constant(std::move(folded[i]));
  return values;
}

}  // namespace tenon::importer
