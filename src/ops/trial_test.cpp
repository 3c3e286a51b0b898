#include "ops/trial.h"

namespace tenon::ops::trial {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (char ch : text) {
    depth += ch == '(' ? 1 : ch == ')' ? -1 : 0;
    if (ch == ',' && depth == 0) {
      parts.push_back(part);
      part.clear();
    } else if (ch != ' ' || depth > 0) {
      part += ch;
    }
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}

Shape parse_shape(ir::Graph& graph, const std::string& text) {
  Shape shape;
  for (const std::string& s : split(text)) shape.push_back(graph.symbols->parse(s));
  return shape;
}

std::string text_of(const ir::Graph& graph, const Shape& shape) {
  std::string text;
  for (Dim d : shape) text += (text.empty() ? "" : ", ") + graph.symbols->text(d);
  return "[" + text + "]";
}

}  // namespace

Tensor noise(Dims dims, uint64_t seed, DType dtype) {
  Tensor t(dtype, std::move(dims));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < t.count(); ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    t.set(i, double(state >> 54) / 512.0 - 1.0);
  }
  return t;
}

bool close(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
  bool ok = a.size() == b.size();
  for (size_t i = 0; ok && i < a.size(); ++i) {
    if ((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]) continue;
    ok = std::fabs(a[i] - b[i]) <= tolerance * std::fmax(1.0, std::fabs(b[i]));
  }
  if (!ok) std::fputs(cat("computed ", a, "\nexpected ", b, "\n").c_str(), stderr);
  return ok;
}

std::string OneNode::shape(size_t i) { return text_of(graph, graph.value(graph.node(node).outputs.at(i)).shape); }
std::string OneNode::contents(size_t i) {
  const ir::Value& v = graph.value(graph.node(node).outputs.at(i));
  return v.contents ? text_of(graph, *v.contents) : "unknown";
}

Operand Typed(DType dtype, std::string dims) {
  Operand o;
  o.kind = Operand::Kind::kTyped;
  o.dtype = dtype;
  o.text = std::move(dims);
  return o;
}

Operand Contents(std::string elements, DType dtype, bool scalar) {
  Operand o = Typed(dtype, std::move(elements));
  o.kind = Operand::Kind::kContents;
  o.scalar = scalar;
  return o;
}

ir::ValueId add_operand(ir::Graph& graph, const Operand& o) {
  switch (o.kind) {
    case Operand::Kind::kAbsent:
      return ir::kNone;
    case Operand::Kind::kConstant:
      return graph.add_constant(o.tensor);
    case Operand::Kind::kTyped:
      return graph.add_input(graph.unique_name("x"), o.dtype, parse_shape(graph, o.text));
    case Operand::Kind::kContents:
      break;
  }
  Shape elements = parse_shape(graph, o.text), shape;
  if (!o.scalar) shape.push_back(int64_t(elements.size()));
  const ir::ValueId v = graph.add_input(graph.unique_name("x"), o.dtype, std::move(shape));
  graph.value(v).contents = std::move(elements);
  return v;
}

OneNode infer_op(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs, size_t outputs) {
  OneNode one;
  std::vector<ir::ValueId> inputs;
  for (const Operand& o : operands) inputs.push_back(add_operand(one.graph, o));
  one.node = one.graph.add_node(op, std::move(inputs), std::move(attrs), outputs, "node");
  infer_node(one.graph, one.node);
  return one;
}

std::string infer_error(const std::string& op, const std::vector<Operand>& operands, ir::Attrs attrs, size_t outputs) {
  try {
    infer_op(op, operands, std::move(attrs), outputs);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

std::vector<Tensor> run_op_n(const std::string& op, std::vector<Tensor> inputs, ir::Attrs attrs, size_t outputs) {
  std::vector<Operand> operands;
  for (const Tensor& t : inputs) operands.push_back(t.defined() ? Typed(t.dtype(), join(t.dims(), ", ")) : Absent());
  OneNode one = infer_op(op, operands, std::move(attrs), outputs);
  const ir::Node& node = one.graph.node(one.node);
  std::vector<DType> types;
  for (ir::ValueId v : node.outputs) types.push_back(one.graph.value(v).dtype);
  std::vector<Tensor> results = eval_node(node, std::move(inputs), types);
  for (size_t i = 0; i < outputs && !find_op(op).data_dependent; ++i) {
    const ir::Value& v = one.graph.value(node.outputs[i]);
    require(ir::to_shape(results[i].dims()) == v.shape && results[i].dtype() == v.dtype, ErrorCode::kInternal,
            "output ", i, " of ", op, " is ", ir::name(results[i].dtype()), results[i].dims(), ", inferred ",
            ir::name(v.dtype), one.shape(i));
  }
  return results;
}

FakeImport::FakeImport(std::string op, int opset, const std::vector<Operand>& operands,
                       std::map<std::string, Value> attrs, size_t outputs, std::string domain)
    : op_(std::move(op)),
      domain_(std::move(domain)),
      opset_(opset),
      outputs_(outputs, ir::kNone),
      attrs_(std::move(attrs)) {
  for (const Operand& o : operands) inputs_.push_back(add_operand(graph_, o));
}

FakeImport& FakeImport::import() {
  const OnnxRule* rule = find_onnx_rule(domain_, op_, opset_);
  require(rule != nullptr, ErrorCode::kUnsupported, "no rule for ", op_, " at opset ", opset_);
  rule->import(*this);
  for (ir::ValueId v : outputs_)
    if (v != ir::kNone) graph_.outputs.push_back(v);
  return *this;
}

std::string FakeImport::ops() const {
  std::string text;
  for (ir::NodeId n = 0; n < graph_.node_count(); ++n) text += (n ? " " : "") + graph_.node(n).op;
  return text;
}

std::string FakeImport::shape(size_t i) { return text_of(graph_, graph_.value(outputs_.at(i)).shape); }

std::string import_error(FakeImport import) {
  try {
    import.import();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

std::vector<Tensor> run_onnx(const std::string& op, int opset, const std::vector<Tensor>& inputs,
                             std::map<std::string, FakeImport::Value> attrs, size_t outputs, std::string domain) {
  const std::vector<Operand> operands(inputs.begin(), inputs.end());
  return FakeImport(op, opset, operands, std::move(attrs), outputs, std::move(domain)).import().run({});
}

}  // namespace tenon::ops::trial
