#include "onnx/parser.h"

#include <algorithm>

#include "onnx/fields.h"
#include "onnx/load.h"

namespace tenon::onnx {
namespace {

/// ONNX's own operator set has two names.
std::string canonical_domain(std::string domain) { return domain == "ai.onnx" ? std::string() : std::move(domain); }

void check_attribute_names(const Node& n) {
  std::vector<std::string_view> names;
  for (const Attribute& a : n.attributes) names.push_back(a.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  require(twice == names.end(), ErrorCode::kInvalidModel, n.op_type, " \"", n.name, "\" has the attribute \"",
          twice == names.end() ? std::string_view() : *twice, "\" twice");
}

void check_model(const Model& m, bool has_graph) {
  require(has_graph, ErrorCode::kInvalidModel, "not an ONNX model: it has no graph");
  require(m.ir_version > 0, ErrorCode::kInvalidModel, "not an ONNX model: it has no IR version");
  require(m.ir_version < 3 || !m.opset_imports.empty(), ErrorCode::kInvalidModel,
          "the model imports no operator set, which IR version ", m.ir_version, " needs");
}

}  // namespace

Model parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, ExternalData* external, bool later) {
  const char* data = reinterpret_cast<const char*>(bytes.data());
  return Parser(std::move(owner), external, later).model(WireReader({data, bytes.size()}, data));
}

Model Parser::model(WireReader r) {
  namespace f = model_field;
  Model m;
  bool has_graph = false;
  while (r.next()) switch (r.field()) {
      case f::kIrVersion:
        m.ir_version = r.int64();
        break;
      case f::kProducerName:
        m.producer_name = r.text();
        break;
      case f::kProducerVersion:
        m.producer_version = r.text();
        break;
      case f::kDomain:
        m.domain = r.text();
        break;
      case f::kModelVersion:
        m.model_version = r.int64();
        break;
      case f::kOpsetImport:
        append(m.opset_imports, "opset import", [&] { return opset_import(r.message()); });
        break;
      case f::kMetadata:
        m.metadata.insert(entry(r.message()));
        break;
      case f::kFunctions:
        append(m.functions, "function", [&] { return function(r.message()); });
        break;
      case f::kGraph:
        require(!has_graph, ErrorCode::kInvalidModel, r.place(), ": a second graph");
        has_graph = true;
        m.graph = graph(r.message());
        break;
      default:
        r.skip();
    }
  m.awaited = std::move(awaited_);
  check_model(m, has_graph);
  return m;
}

OpsetImport Parser::opset_import(WireReader r) {
  OpsetImport o;
  while (r.next()) switch (r.field()) {
      case opset_field::kDomain:
        o.domain = canonical_domain(r.text());
        break;
      case opset_field::kVersion:
        o.version = r.int64();
        break;
      default:
        r.skip();
    }
  require(o.version > 0, ErrorCode::kInvalidModel, "operator set \"", o.domain, "\" has version ", o.version,
          ", a positive one is needed");
  return o;
}

std::pair<std::string, std::string> Parser::entry(WireReader r) {
  std::pair<std::string, std::string> e;
  while (r.next()) switch (r.field()) {
      case entry_field::kKey:
        e.first = r.text();
        break;
      case entry_field::kValue:
        e.second = r.text();
        break;
      default:
        r.skip();
    }
  return e;
}

void Parser::graph_field(WireReader& r, Graph& g) {
  namespace f = graph_field;
  switch (r.field()) {
    case f::kName:
      g.name = r.text();
      return;
    case f::kNode:
      append(g.nodes, "node", [&] { return node(r.message()); });
      return;
    case f::kInput:
      append(g.inputs, "input", [&] { return value_info(r.message()); });
      return;
    case f::kOutput:
      append(g.outputs, "output", [&] { return value_info(r.message()); });
      return;
    case f::kValueInfo:
      append(g.value_infos, "value info", [&] { return value_info(r.message()); });
      return;
    case f::kMetadata:
      g.metadata.insert(entry(r.message()));
      return;
    case f::kInitializer:
      append(g.initializers, "initializer", [&] {
        may_await_ = later_ && nesting_ == 1;
        NamedTensor t = tensor(r.message());
        may_await_ = false;
        require(!t.name.empty(), ErrorCode::kInvalidModel, "an initializer without a name");
        return t;
      });
      return;
    case f::kSparseInitializer:
      append(g.sparse_initializers, "sparse initializer", [&] {
        SparseTensor t = sparse_tensor(r.message());
        require(!t.name.empty(), ErrorCode::kInvalidModel,
                "an initializer without a name (its values tensor has none)");
        return t;
      });
      return;
    default:
      r.skip();
  }
}

Graph Parser::graph(WireReader r) {
  const Nesting level(nesting_);
  Graph g;
  try {
    while (r.next()) graph_field(r, g);
  } catch (const Error& e) {
    throw e.at("graph");
  }
  return g;
}

Node Parser::node(WireReader r) {
  namespace f = node_field;
  require(++node_count_ <= kMaxNodes, ErrorCode::kInvalidModel, "more than ", kMaxNodes, " nodes");
  Node n;
  try {
    while (r.next()) switch (r.field()) {
        case f::kInput:
          n.inputs.push_back(r.text());
          break;
        case f::kOutput:
          n.outputs.push_back(r.text());
          break;
        case f::kName:
          n.name = r.text();
          break;
        case f::kOpType:
          n.op_type = r.text();
          break;
        case f::kDomain:
          n.domain = canonical_domain(r.text());
          break;
        case f::kOverload:
          n.overload = r.text();
          break;
        case f::kMetadata:
          n.metadata.insert(entry(r.message()));
          break;
        case f::kAttribute:
          append(n.attributes, "attribute", [&] { return attribute(r.message()); });
          break;
        default:
          r.skip();
      }
  } catch (const Error& e) {
    throw n.op_type.empty() && n.name.empty()
        ? e
        : e.at(cat("(", n.op_type.empty() ? "?" : n.op_type, " \"", n.name, "\")"));
  }
  require(!n.op_type.empty(), ErrorCode::kInvalidModel, "node \"", n.name, "\" before byte ", r.offset(),
          " names no operator");
  check_attribute_names(n);
  return n;
}

void Parser::function_field(WireReader& r, Function& fn) {
  namespace f = tenon::onnx::function_field;
  switch (r.field()) {
    case f::kName:
      fn.name = r.text();
      return;
    case f::kDomain:
      fn.domain = canonical_domain(r.text());
      return;
    case f::kOverload:
      fn.overload = r.text();
      return;
    case f::kInput:
      fn.inputs.push_back(r.text());
      return;
    case f::kOutput:
      fn.outputs.push_back(r.text());
      return;
    case f::kAttribute:
      fn.attributes.push_back(r.text());
      return;
    case f::kAttributeProto:
      append(fn.default_attributes, "default attribute", [&] { return attribute(r.message()); });
      return;
    case f::kNode:
      append(fn.nodes, "node", [&] { return node(r.message()); });
      return;
    case f::kOpsetImport:
      append(fn.opset_imports, "opset import", [&] { return opset_import(r.message()); });
      return;
    case f::kValueInfo:
      append(fn.value_infos, "value info", [&] { return value_info(r.message()); });
      return;
    default:
      r.skip();
  }
}

Function Parser::function(WireReader r) {
  Function fn;
  while (r.next()) function_field(r, fn);
  require(!fn.name.empty(), ErrorCode::kInvalidModel, "a function without a name");
  return fn;
}

}  // namespace tenon::onnx
