#include "onnx/fields.h"
#include "onnx/parser.h"

namespace tenon::onnx {

using Kind = Attribute::Kind;

/// Every field an attribute may have. Exactly the one that its kind names may be filled.
struct Parser::RawAttribute {
  std::string name, ref_name;
  int64_t kind = 0;
  uint32_t seen = 0;  // bit k: a field of Kind k was there
  float number = 0;
  int64_t integer = 0;
  std::string string;
  ir::Tensor tensor;
  GraphPtr graph;
  SparseTensor sparse;
  Type type;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<ir::Tensor> tensors;
  std::vector<GraphPtr> graphs;
  std::vector<SparseTensor> sparses;
  std::vector<Type> types;
};

void Parser::attribute_field(WireReader& r, RawAttribute& a) {
  namespace f = tenon::onnx::attribute_field;
  const auto saw = [&](Kind kind) { a.seen |= 1u << int(kind); };
  switch (r.field()) {
    case f::kName:
      a.name = r.text();
      return;
    case f::kRefName:
      a.ref_name = r.text();
      return;
    case f::kKind:
      a.kind = r.int64();
      return;
    case f::kFloat:
      saw(Kind::kFloat), a.number = r.float32();
      return;
    case f::kInt:
      saw(Kind::kInt), a.integer = r.int64();
      return;
    case f::kString:
      saw(Kind::kString), a.string = r.text();
      return;
    case f::kFloats:
      saw(Kind::kFloats), r.append_fixed(a.floats);
      return;
    case f::kInts:
      saw(Kind::kInts), r.append_int64(a.ints);
      return;
    case f::kStrings:
      saw(Kind::kStrings), a.strings.push_back(r.text());
      return;
    default:
      attribute_message(r, a);
  }
}

void Parser::attribute_message(WireReader& r, RawAttribute& a) {
  namespace f = tenon::onnx::attribute_field;
  const auto saw = [&](Kind kind) { a.seen |= 1u << int(kind); };
  const auto read_graph = [&] { return std::make_shared<const Graph>(graph(r.message())); };
  const auto read_tensor = [&] { return tensor(r.message()).tensor; };
  const auto read_sparse = [&] { return sparse_tensor(r.message()); };
  const auto read_type = [&] { return type(r.message()); };
  switch (r.field()) {
    case f::kTensor:
      saw(Kind::kTensor), a.tensor = read_tensor();
      return;
    case f::kGraph:
      saw(Kind::kGraph), a.graph = read_graph();
      return;
    case f::kSparseTensor:
      saw(Kind::kSparseTensor), a.sparse = read_sparse();
      return;
    case f::kType:
      saw(Kind::kType), a.type = read_type();
      return;
    case f::kTensors:
      saw(Kind::kTensors), append(a.tensors, "tensor", read_tensor);
      return;
    case f::kGraphs:
      saw(Kind::kGraphs), append(a.graphs, "graph", read_graph);
      return;
    case f::kSparseTensors:
      saw(Kind::kSparseTensors), append(a.sparses, "sparse tensor", read_sparse);
      return;
    case f::kTypes:
      saw(Kind::kTypes), append(a.types, "type", read_type);
      return;
    default:
      r.skip();
  }
}

namespace {

/// The declared kind, or the only filled one where none is declared (IR version 1).
Kind effective_kind(int64_t declared, uint32_t seen) {
  require(declared >= 0 && declared <= int64_t(Kind::kTypes), ErrorCode::kInvalidModel, "unknown attribute kind ",
          declared);
  if (declared != 0) {
    const uint32_t other = seen & ~(1u << declared);
    require(other == 0, ErrorCode::kInvalidModel, "declared as ", name(Kind(declared)), " but holds ",
            other ? name(Kind(__builtin_ctz(other))) : "nothing");
    return Kind(declared);
  }
  require(__builtin_popcount(seen) == 1, ErrorCode::kInvalidModel, "declares no kind and holds ",
          __builtin_popcount(seen), " values");
  return Kind(__builtin_ctz(seen));
}

}  // namespace

Attribute Parser::attribute(WireReader r) {
  RawAttribute a;
  try {
    while (r.next()) attribute_field(r, a);
    require(!a.name.empty(), ErrorCode::kInvalidModel, "an attribute without a name");
    Attribute out{std::move(a.name), std::move(a.ref_name), {}, Kind::kUndefined};
    if (!out.ref_name.empty()) {
      require(a.seen == 0, ErrorCode::kInvalidModel, "refers to \"", out.ref_name, "\" and holds a value too");
      require(a.kind >= 0 && a.kind <= int64_t(Kind::kTypes), ErrorCode::kInvalidModel, "unknown attribute kind ",
              a.kind);
      out.kind = Kind(a.kind);
      return out;
    }
    out.kind = effective_kind(a.kind, a.seen);
    const bool filled = (a.seen >> int(out.kind)) & 1;
    switch (out.kind) {
      case Kind::kFloat:
        out.value = a.number;
        break;
      case Kind::kInt:
        out.value = a.integer;
        break;
      case Kind::kString:
        out.value = std::move(a.string);
        break;
      case Kind::kFloats:
        out.value = std::move(a.floats);
        break;
      case Kind::kInts:
        out.value = std::move(a.ints);
        break;
      case Kind::kStrings:
        out.value = std::move(a.strings);
        break;
      case Kind::kTensors:
        out.value = std::move(a.tensors);
        break;
      case Kind::kGraphs:
        out.value = std::move(a.graphs);
        break;
      case Kind::kSparseTensors:
        out.value = std::move(a.sparses);
        break;
      case Kind::kTypes:
        out.value = std::move(a.types);
        break;
      default:
        require(filled, ErrorCode::kInvalidModel, "holds no ", name(out.kind));
        if (out.kind == Kind::kTensor) out.value = std::move(a.tensor);
        if (out.kind == Kind::kGraph) out.value = std::move(a.graph);
        if (out.kind == Kind::kSparseTensor) out.value = std::make_shared<const SparseTensor>(std::move(a.sparse));
        if (out.kind == Kind::kType) out.value = std::make_shared<const Type>(std::move(a.type));
    }
    return out;
  } catch (const Error& e) {
    throw a.name.empty() ? e : e.at(cat("\"", a.name, "\""));
  }
}

}  // namespace tenon::onnx
