#include "case.h"

#include <cmath>
#include <cstring>
#include <map>
#include <numbers>

#include "base/text.h"
#include "onnx/testing.h"

namespace tenon::random_graphs {

using onnx::testing::Bytes;
using onnx::testing::Message;
using Kind = onnx::Attribute::Kind;

double Draw::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - unit()));
  return radius * std::cos(2 * std::numbers::pi * unit());
}

namespace {

onnx::Attribute of_kind(std::string name, Kind kind, onnx::Attribute::Value value) {
  onnx::Attribute a;
  a.name = std::move(name);
  a.kind = kind;
  a.value = std::move(value);
  return a;
}

/// ONNX's number of an element type.
int64_t code_of(DType type) {
  static const std::map<DType, int64_t> codes = [] {
    std::map<DType, int64_t> found;
    for (int64_t code = 1; code < 32; ++code) try {
        found.emplace(onnx::dtype_of(code), code);
      } catch (const Error&) {
        continue;  // a number without meaning
      }
    return found;
  }();
  return codes.at(type);
}

Bytes tensor_bytes(const std::string& name, const Tensor& t) {
  const auto data = t.data();
  return onnx::testing::raw_tensor(name, code_of(t.dtype()), t.dims(),
                                   {reinterpret_cast<const char*>(data.data()), data.size()});
}

Bytes graph_bytes(const onnx::Graph& g);

Bytes attribute_bytes(const onnx::Attribute& a) {
  namespace f = onnx::attribute_field;
  Message m;
  m.text(f::kName, a.name).integer(f::kKind, int64_t(a.kind));
  switch (a.kind) {
    case Kind::kInt:
      m.integer(f::kInt, std::get<int64_t>(a.value));
      break;
    case Kind::kFloat:
      m.number(f::kFloat, std::get<float>(a.value));
      break;
    case Kind::kString:
      m.text(f::kString, std::get<std::string>(a.value));
      break;
    case Kind::kInts:
      m.integers(f::kInts, std::get<std::vector<int64_t>>(a.value));
      break;
    case Kind::kFloats:
      m.numbers(f::kFloats, std::get<std::vector<float>>(a.value));
      break;
    case Kind::kStrings:
      for (const std::string& s : std::get<std::vector<std::string>>(a.value)) m.text(f::kStrings, s);
      break;
    case Kind::kTensor:
      m.text(f::kTensor, tensor_bytes("", std::get<Tensor>(a.value)));
      break;
    case Kind::kGraph:
      m.text(f::kGraph, graph_bytes(*std::get<onnx::GraphPtr>(a.value)));
      break;
    default:
      fail(ErrorCode::kInternal, "attribute '", a.name, "' is of a kind that is not written");
  }
  return m;
}

Bytes node_bytes(const onnx::Node& n) {
  std::vector<Bytes> attributes;
  for (const onnx::Attribute& a : n.attributes) attributes.push_back(attribute_bytes(a));
  return onnx::testing::node(n.op_type, n.inputs, n.outputs, attributes, {n.name, n.domain});
}

Bytes value_bytes(const onnx::ValueInfo& v) {
  Message tensor;
  tensor.integer(onnx::tensor_type_field::kElement, code_of(v.type.dtype));
  if (v.type.shape) {
    Message shape;
    for (const onnx::Dimension& d : *v.type.shape) {
      Message dim;
      if (d.value) dim.integer(onnx::dim_field::kValue, *d.value);
      if (!d.param.empty()) dim.text(onnx::dim_field::kParam, d.param);
      shape.text(onnx::shape_field::kDim, dim.bytes());
    }
    tensor.text(onnx::tensor_type_field::kShape, shape.bytes());
  }
  const Bytes type = Message().text(onnx::type_field::kTensor, tensor.bytes());
  return onnx::testing::value(v.name, type);
}

Bytes graph_bytes(const onnx::Graph& g) {
  onnx::testing::GraphParts parts;
  parts.name = "random";
  for (const auto& n : g.nodes) parts.nodes.push_back(node_bytes(n));
  for (const auto& v : g.inputs) parts.inputs.push_back(value_bytes(v));
  for (const auto& v : g.outputs) parts.outputs.push_back(value_bytes(v));
  for (const auto& t : g.initializers) parts.initializers.push_back(tensor_bytes(t.name, t.tensor));
  return onnx::testing::graph(parts);
}

std::string numbers_of(const Tensor& t) {
  std::string out;
  for (int64_t i = 0; i < t.count() && i < 16; ++i) out += cat(i ? ", " : "", t.get(i));
  return cat("{", out, t.count() > 16 ? ", ..." : "", "}");
}

std::string graph_text(const onnx::Graph& g, const std::string& indent);

std::string attribute_text(const onnx::Attribute& a, const std::string& indent) {
  switch (a.kind) {
    case Kind::kInt:
      return cat(a.name, "=", std::get<int64_t>(a.value));
    case Kind::kFloat:
      return cat(a.name, "=", std::get<float>(a.value));
    case Kind::kString:
      return cat(a.name, "=", std::get<std::string>(a.value));
    case Kind::kInts:
      return cat(a.name, "=[", join(std::get<std::vector<int64_t>>(a.value), ", "), "]");
    case Kind::kFloats:
      return cat(a.name, "=[", join(std::get<std::vector<float>>(a.value), ", "), "]");
    case Kind::kStrings:
      return cat(a.name, "=[", join(std::get<std::vector<std::string>>(a.value), ", "), "]");
    case Kind::kTensor:
      return cat(a.name, "=", numbers_of(std::get<Tensor>(a.value)));
    case Kind::kGraph:
      return cat(a.name, "={\n", graph_text(*std::get<onnx::GraphPtr>(a.value), indent + "  "), indent, "}");
    default:
      return a.name;
  }
}

std::string dims_text(const onnx::Type& type) {
  if (!type.shape) return "";
  std::string out;
  for (const onnx::Dimension& d : *type.shape) out += cat(out.empty() ? "" : ", ", d.value ? cat(*d.value) : d.param);
  return cat("[", out, "]");
}

std::string graph_text(const onnx::Graph& g, const std::string& indent) {
  std::string out;
  for (const auto& v : g.inputs) out += cat(indent, "input ", v.name, ": ", v.type.dtype, dims_text(v.type), "\n");
  for (const auto& t : g.initializers)
    out += cat(indent, t.name, " = ", t.tensor.dtype(), t.tensor.dims(), " ", numbers_of(t.tensor), "\n");
  for (const auto& n : g.nodes) {
    std::string attributes;
    for (const auto& a : n.attributes) attributes += cat(" ", attribute_text(a, indent));
    out += cat(indent, join(n.outputs, ", "), " = ", n.domain.empty() ? "" : n.domain + ".", n.op_type, "(",
               join(n.inputs, ", "), ")", attributes, "\n");
  }
  for (const auto& v : g.outputs) out += cat(indent, "output ", v.name, ": ", v.type.dtype, "\n");
  return out;
}

}  // namespace

onnx::Attribute attribute(std::string name, int64_t value) { return of_kind(std::move(name), Kind::kInt, value); }
onnx::Attribute attribute(std::string name, double value) {
  return of_kind(std::move(name), Kind::kFloat, float(value));
}
onnx::Attribute attribute(std::string name, std::string value) {
  return of_kind(std::move(name), Kind::kString, std::move(value));
}
onnx::Attribute attribute(std::string name, Dims value) {
  return of_kind(std::move(name), Kind::kInts, std::move(value));
}
onnx::Attribute attribute(std::string name, std::vector<float> value) {
  return of_kind(std::move(name), Kind::kFloats, std::move(value));
}
onnx::Attribute attribute(std::string name, std::vector<std::string> value) {
  return of_kind(std::move(name), Kind::kStrings, std::move(value));
}
onnx::Attribute attribute(std::string name, Tensor value) {
  return of_kind(std::move(name), Kind::kTensor, std::move(value));
}
onnx::Attribute attribute(std::string name, onnx::Graph value) {
  return of_kind(std::move(name), Kind::kGraph, onnx::GraphPtr(std::make_shared<onnx::Graph>(std::move(value))));
}

onnx::Node make_node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
                     std::vector<onnx::Attribute> attributes, std::string domain) {
  onnx::Node n;
  n.name = cat(op, "_", outputs.front());
  n.op_type = std::move(op);
  n.domain = std::move(domain);
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  n.attributes = std::move(attributes);
  return n;
}

onnx::ValueInfo declare(std::string name, DType dtype) {
  onnx::ValueInfo v;
  v.name = std::move(name);
  v.type.kind = onnx::Type::Kind::kTensor;
  v.type.dtype = dtype;
  return v;
}

onnx::ValueInfo declare(std::string name, DType dtype, const std::vector<onnx::Dimension>& dims) {
  onnx::ValueInfo v = declare(std::move(name), dtype);
  v.type.shape = dims;
  return v;
}

std::set<std::string> reads(const onnx::Node& node) {
  std::set<std::string> names(node.inputs.begin(), node.inputs.end());
  for (const onnx::Attribute& a : node.attributes) {
    if (a.kind != Kind::kGraph) continue;
    const onnx::Graph& body = *std::get<onnx::GraphPtr>(a.value);
    std::set<std::string> own;
    for (const auto& v : body.inputs) own.insert(v.name);
    for (const auto& t : body.initializers) own.insert(t.name);
    for (const onnx::Node& n : body.nodes) {
      for (const std::string& name : reads(n))
        if (!own.contains(name)) names.insert(name);
      own.insert(n.outputs.begin(), n.outputs.end());
    }
    for (const auto& v : body.outputs)
      if (!own.contains(v.name)) names.insert(v.name);
  }
  names.erase("");
  return names;
}

std::string bytes_of(const onnx::Model& model) {
  onnx::testing::ModelParts parts;
  parts.ir_version = model.ir_version;
  parts.opsets.clear();
  for (const auto& o : model.opset_imports) parts.opsets.push_back(onnx::testing::opset(o.version, o.domain));
  return onnx::testing::model_of(graph_bytes(model.graph), parts);
}

std::string bytes_of(const std::vector<onnx::NamedTensor>& tensors) {
  onnx::Model model;
  model.ir_version = 8;
  model.opset_imports = {{"", 17}};
  model.graph.initializers = tensors;
  return bytes_of(model);
}

std::string text_of(const Case& c) {
  std::string out = cat("opset ", c.model.opset_imports.front().version, "\n", graph_text(c.model.graph, ""));
  for (size_t b = 0; b < c.inputs.size(); ++b) {
    out += cat("sizes ", b, ":");
    for (const Tensor& t : c.inputs[b]) out += cat(" ", t.dims());
    out += "\n";
  }
  return out;
}

}  // namespace tenon::random_graphs
