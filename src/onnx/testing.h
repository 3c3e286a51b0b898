// ONNX messages written field by field, for tests of the reader and the importer.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "onnx/fields.h"
#include "onnx/wire.h"

#include <protozero/pbf_writer.hpp>

namespace tenon::onnx::testing {

using Bytes = std::string;

/// Collects one message. Calls chain: Message().integer(1, 8).text(2, "x").
class Message {
 public:
  Message() : writer_(data_) {}
  Message(const Message&) = delete;
  Message& integer(uint32_t field, int64_t v) { return writer_.add_int64(field, v), *this; }
  Message& number(uint32_t field, float v) { return writer_.add_float(field, v), *this; }
  Message& text(uint32_t field, std::string_view v) { return writer_.add_bytes(field, v.data(), v.size()), *this; }
  Message& integers(uint32_t field, const std::vector<int64_t>& v) {
    return writer_.add_packed_int64(field, v.begin(), v.end()), *this;
  }
  Message& numbers(uint32_t field, const std::vector<float>& v) {
    return writer_.add_packed_float(field, v.begin(), v.end()), *this;
  }
  Message& doubles(uint32_t field, const std::vector<double>& v) {
    return writer_.add_packed_double(field, v.begin(), v.end()), *this;
  }
  operator const Bytes&() const { return data_; }  // NOLINT: a message is its bytes
  const Bytes& bytes() const { return data_; }

 private:
  Bytes data_;
  protozero::pbf_writer writer_;
};

inline Bytes opset(int64_t version, std::string_view domain = "") {
  namespace f = onnx::opset_field;
  return Message().text(f::kDomain, domain).integer(f::kVersion, version);
}

inline Bytes entry(std::string_view key, std::string_view value) {
  return Message().text(onnx::entry_field::kKey, key).text(onnx::entry_field::kValue, value);
}

/// A dimension: a number, or a name.
struct Dim {
  Dim(int v) : value(v) {}                           // NOLINT
  Dim(const char* name) : value(-1), param(name) {}  // NOLINT
  int64_t value;
  std::string param;
};

inline Bytes tensor_type(int64_t elem, const std::vector<Dim>& dims) {
  Message shape;
  for (const Dim& d : dims) {
    Message dim;
    d.param.empty() ? dim.integer(onnx::dim_field::kValue, d.value) : dim.text(onnx::dim_field::kParam, d.param);
    shape.text(onnx::shape_field::kDim, dim.bytes());
  }
  namespace f = onnx::tensor_type_field;
  const Bytes tensor = Message().integer(f::kElement, elem).text(f::kShape, shape.bytes());
  return Message().text(onnx::type_field::kTensor, tensor);
}

inline Bytes value(std::string_view name, const Bytes& type) {
  return Message().text(onnx::value_info_field::kName, name).text(onnx::value_info_field::kType, type);
}
/// A float tensor.
inline Bytes float_value(std::string_view name, const std::vector<Dim>& dims) {
  return value(name, tensor_type(1, dims));
}

inline Bytes attribute(std::string_view name, int64_t v) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).integer(f::kInt, v).integer(f::kKind, 2);
}
inline Bytes attribute(std::string_view name, int v) { return attribute(name, int64_t(v)); }
inline Bytes attribute(std::string_view name, float v) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).number(f::kFloat, v).integer(f::kKind, 1);
}
inline Bytes attribute(std::string_view name, const std::vector<int64_t>& v) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).integers(f::kInts, v).integer(f::kKind, 7);
}
inline Bytes text_attribute(std::string_view name, std::string_view v) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).text(f::kString, v).integer(f::kKind, 3);
}
inline Bytes tensor_attribute(std::string_view name, const Bytes& tensor) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).text(f::kTensor, tensor).integer(f::kKind, 4);
}
inline Bytes graph_attribute(std::string_view name, const Bytes& graph) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).text(f::kGraph, graph).integer(f::kKind, 5);
}
/// Inside a function: the caller's attribute `from`.
inline Bytes reference_attribute(std::string_view name, std::string_view from, int64_t kind) {
  namespace f = onnx::attribute_field;
  return Message().text(f::kName, name).text(f::kRefName, from).integer(f::kKind, kind);
}

struct NodeText {
  std::string_view name = "", domain = "", overload = "";
};
inline Bytes node(std::string_view op, const std::vector<std::string>& in, const std::vector<std::string>& out,
                  const std::vector<Bytes>& attributes = {}, NodeText text = {}) {
  namespace f = onnx::node_field;
  Message m;
  for (const auto& i : in) m.text(f::kInput, i);
  for (const auto& o : out) m.text(f::kOutput, o);
  m.text(f::kName, text.name).text(f::kOpType, op);
  for (const auto& a : attributes) m.text(f::kAttribute, a);
  if (!text.domain.empty()) m.text(f::kDomain, text.domain);
  if (!text.overload.empty()) m.text(f::kOverload, text.overload);
  return m;
}

inline Bytes tensor(std::string_view name, const std::vector<int64_t>& dims, const std::vector<float>& v) {
  namespace f = onnx::tensor_field;
  return Message().integers(f::kDims, dims).integer(f::kDataType, 1).numbers(f::kFloatData, v).text(f::kName, name);
}
inline Bytes tensor_i64(std::string_view name, const std::vector<int64_t>& dims, const std::vector<int64_t>& v) {
  namespace f = onnx::tensor_field;
  return Message().integers(f::kDims, dims).integer(f::kDataType, 7).integers(f::kInt64Data, v).text(f::kName, name);
}
inline Bytes raw_tensor(std::string_view name, int64_t type, const std::vector<int64_t>& dims, std::string_view raw) {
  namespace f = onnx::tensor_field;
  return Message().integers(f::kDims, dims).integer(f::kDataType, type).text(f::kRawData, raw).text(f::kName, name);
}
using Entries = std::vector<std::pair<std::string, std::string>>;
inline Bytes external_tensor(std::string_view name, int64_t type, const std::vector<int64_t>& dims,
                             const Entries& keys) {
  namespace f = onnx::tensor_field;
  Message m;
  m.integers(f::kDims, dims).integer(f::kDataType, type).text(f::kName, name);
  for (const auto& [key, v] : keys) m.text(f::kExternalData, entry(key, v));
  return m.integer(f::kDataLocation, 1);
}

struct GraphParts {
  std::vector<Bytes> nodes, inputs, outputs, initializers = {}, value_infos = {}, sparse = {};
  std::string name = "g";
};
inline Bytes graph(const GraphParts& p) {
  namespace f = onnx::graph_field;
  Message m;
  for (const auto& n : p.nodes) m.text(f::kNode, n);
  m.text(f::kName, p.name);
  for (const auto& t : p.initializers) m.text(f::kInitializer, t);
  for (const auto& v : p.inputs) m.text(f::kInput, v);
  for (const auto& v : p.outputs) m.text(f::kOutput, v);
  for (const auto& v : p.value_infos) m.text(f::kValueInfo, v);
  for (const auto& t : p.sparse) m.text(f::kSparseInitializer, t);
  return m;
}

struct FunctionParts {
  std::string name, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Bytes> nodes, opsets;
  std::vector<std::string> attributes = {};
  std::vector<Bytes> defaults = {};
};
inline Bytes function(const FunctionParts& p) {
  namespace f = onnx::function_field;
  Message m;
  m.text(f::kName, p.name).text(f::kDomain, p.domain);
  for (const auto& i : p.inputs) m.text(f::kInput, i);
  for (const auto& o : p.outputs) m.text(f::kOutput, o);
  for (const auto& a : p.attributes) m.text(f::kAttribute, a);
  for (const auto& a : p.defaults) m.text(f::kAttributeProto, a);
  for (const auto& n : p.nodes) m.text(f::kNode, n);
  for (const auto& o : p.opsets) m.text(f::kOpsetImport, o);
  return m;
}

struct ModelParts {
  int64_t ir_version = 8;
  std::vector<Bytes> opsets = {opset(17)};
  std::vector<Bytes> functions = {};
};
inline Bytes model_of(const Bytes& graph_bytes, const ModelParts& p = {}) {
  namespace f = onnx::model_field;
  Message m;
  m.integer(f::kIrVersion, p.ir_version).text(f::kProducerName, "test").text(f::kGraph, graph_bytes);
  for (const auto& o : p.opsets) m.text(f::kOpsetImport, o);
  for (const auto& fn : p.functions) m.text(f::kFunctions, fn);
  return m;
}
inline Bytes model(const GraphParts& g, const ModelParts& p = {}) { return model_of(graph(g), p); }

inline std::span<const std::byte> span_of(const Bytes& b) { return std::as_bytes(std::span(b.data(), b.size())); }

}  // namespace tenon::onnx::testing
