#include "plan/graph_io.h"

namespace tenon::plan {
namespace {

using ir::FieldKind;

void write_tensor(Writer& out, const ir::Tensor& t, const PlaceWeights& place) {
  out.put(uint8_t(t.dtype()));
  out.list(t.dims());
  if (t.dtype() == ir::DType::kString) {
    for (const auto& s : t.strings()) out.text(s);
  } else if (t.defined()) {
    out.put(place(t));
  }
}

ir::Tensor read_tensor(Reader& in, const FindWeights& find) {
  const auto type = in.get<uint8_t>();
  if (type >= ir::kDTypeCount) in.corrupt("data type ", int(type), " is unknown");
  const auto dtype = ir::DType(type);
  auto dims = in.list<int64_t>();
  if (dtype == ir::DType::kUndefined) return {};
  if (dtype != ir::DType::kString) return find(dtype, std::move(dims), in.get<uint64_t>());
  int64_t count = 1;
  for (int64_t d : dims)
    if (d < 0 || __builtin_mul_overflow(count, d, &count) || count > (1 << 28))
      in.corrupt("bad dims of a string tensor");
  std::vector<std::string> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(in.text());
  return ir::Tensor::of_strings(std::move(dims), std::move(values));
}

void write_field(Writer& out, const ir::Field& f, const void* attrs, const PlaceWeights& place) {
  out.text(f.name);
  out.put(uint8_t(f.kind));
  switch (f.kind) {
    case FieldKind::kInt:
    case FieldKind::kEnum:
      return out.put(f.of<int64_t>(attrs));
    case FieldKind::kFloat:
      return out.put(f.of<float>(attrs));
    case FieldKind::kBool:
      return out.put(uint8_t(f.of<bool>(attrs)));
    case FieldKind::kString:
      return out.text(f.of<std::string>(attrs));
    case FieldKind::kDType:
      return out.put(uint8_t(f.of<ir::DType>(attrs)));
    case FieldKind::kInts:
      return out.list(f.of<std::vector<int64_t>>(attrs));
    case FieldKind::kFloats:
      return out.list(f.of<std::vector<float>>(attrs));
    case FieldKind::kStrings: {
      const auto& v = f.of<std::vector<std::string>>(attrs);
      out.put(uint32_t(v.size()));
      for (const auto& s : v) out.text(s);
      return;
    }
    case FieldKind::kTensor:
      return write_tensor(out, f.of<ir::Tensor>(attrs), place);
    case FieldKind::kGraph: {
      const auto& g = f.of<std::shared_ptr<ir::Graph>>(attrs);
      out.put(uint8_t(g != nullptr));
      if (g) write_graph(out, *g, place);
      return;
    }
  }
}

struct GraphReader {
  Reader& in;
  const FindWeights& find;
  const FindSchema& schema;
  std::shared_ptr<ir::SymbolTable> symbols;
  int depth;

  void field(const ir::Field& f, void* attrs) {
    const auto kind = in.get<uint8_t>();
    if (kind != uint8_t(f.kind))
      in.corrupt("attribute '", f.name, "' has kind ", int(kind), ", ", int(f.kind), " is expected");
    switch (f.kind) {
      case FieldKind::kInt:
        f.of<int64_t>(attrs) = in.get<int64_t>();
        return;
      case FieldKind::kEnum: {
        const auto v = in.get<int64_t>();
        if (v < 0 || size_t(v) >= f.names.size()) in.corrupt("attribute '", f.name, "' has the unknown value ", v);
        f.of<int64_t>(attrs) = v;
        return;
      }
      case FieldKind::kFloat:
        f.of<float>(attrs) = in.get<float>();
        return;
      case FieldKind::kBool:
        f.of<bool>(attrs) = in.get<uint8_t>() != 0;
        return;
      case FieldKind::kString:
        f.of<std::string>(attrs) = in.text();
        return;
      case FieldKind::kDType: {
        const auto v = in.get<uint8_t>();
        if (v >= ir::kDTypeCount) in.corrupt("data type ", int(v), " is unknown");
        f.of<ir::DType>(attrs) = ir::DType(v);
        return;
      }
      case FieldKind::kInts:
        f.of<std::vector<int64_t>>(attrs) = in.list<int64_t>();
        return;
      case FieldKind::kFloats:
        f.of<std::vector<float>>(attrs) = in.list<float>();
        return;
      case FieldKind::kStrings: {
        auto& v = f.of<std::vector<std::string>>(attrs);
        v.clear();
        for (size_t n = in.count(4); n > 0; --n) v.push_back(in.text());
        return;
      }
      case FieldKind::kTensor:
        f.of<ir::Tensor>(attrs) = read_tensor(in, find);
        return;
      case FieldKind::kGraph:
        if (in.get<uint8_t>())
          f.of<std::shared_ptr<ir::Graph>>(attrs) =
              std::make_shared<ir::Graph>(read_graph(in, find, schema, symbols, depth + 1));
        return;
    }
  }

  ir::Attrs attrs(const std::string& op) {
    const ir::AttrSchema* s = schema(op);
    if (!s)
      throw Error(ErrorCode::kUnsupported, cat("the plan uses operator '", op, "', which this version does not have"));
    ir::Attrs a(s);
    for (size_t n = in.count(5); n > 0; --n) {
      const std::string name = in.text();
      const ir::Field* f = a.find(name);
      if (!f) in.corrupt("operator ", op, " has no attribute '", name, "'");
      field(*f, a.edit_data());
    }
    return a;
  }

  std::vector<ir::ValueId> ids(size_t limit, bool may_be_absent) {
    auto v = in.list<uint32_t>();
    for (uint32_t id : v)
      if (id >= limit && !(may_be_absent && id == ir::kNone)) in.corrupt("value ", id, " does not exist");
    return v;
  }

  void value(ir::Graph& g) {
    std::string name = in.text();
    const auto type = in.get<uint8_t>();
    if (type >= ir::kDTypeCount) in.corrupt("data type ", int(type), " is unknown");
    const bool ranked = in.get<uint8_t>() != 0;
    ir::Shape shape;
    for (size_t n = in.count(4); n > 0; --n) shape.push_back(symbols->parse(in.text()));
    const ir::ValueId v = g.add_value(std::move(name), ir::DType(type), std::move(shape));
    g.value(v).ranked = ranked;
    if (in.get<uint8_t>()) g.value(v).constant = read_tensor(in, find);
  }

  ir::Graph read() {
    if (depth > 64) in.corrupt("bodies are nested deeper than 64");
    ir::Graph g(symbols);
    g.name = in.text();
    for (size_t n = in.count(8); n > 0; --n) {
      std::string key = in.text();
      g.metadata[key] = in.text();
    }
    const size_t values = in.count(11);
    for (size_t i = 0; i < values; ++i) value(g);
    g.inputs = ids(values, false);
    std::vector<bool> produced(values, false);
    for (size_t n = in.count(20); n > 0; --n) {
      const std::string op = in.text(), name = in.text(), origin = in.text(), metadata = in.text();
      auto inputs = ids(values, true), outputs = ids(values, true);
      const ir::NodeId id = g.add_node(op, std::move(inputs), attrs(op), 0, name);
      ir::Node& node = g.node(id);
      node.origin = origin;
      node.metadata = metadata;
      for (size_t k = 0; k < outputs.size(); ++k) {
        if (outputs[k] == ir::kNone) continue;
        if (produced[outputs[k]] || g.value(outputs[k]).constant) in.corrupt("a value has two producers");
        produced[outputs[k]] = true;
        g.value(outputs[k]).producer = id;
        g.value(outputs[k]).output_index = uint32_t(k);
      }
      node.outputs = std::move(outputs);
    }
    g.outputs = ids(values, false);
    g.topological_order();
    return g;
  }
};

}  // namespace

void write_graph(Writer& out, const ir::Graph& g, const PlaceWeights& place) {
  out.text(g.name);
  out.put(uint32_t(g.metadata.size()));
  for (const auto& [key, value] : g.metadata) {
    out.text(key);
    out.text(value);
  }
  out.put(uint32_t(g.value_count()));
  for (ir::ValueId v = 0; v < g.value_count(); ++v) {
    const ir::Value& value = g.value(v);
    out.text(value.name);
    out.put(uint8_t(value.dtype));
    out.put(uint8_t(value.ranked));
    out.put(uint32_t(value.shape.size()));
    for (ir::Dim d : value.shape) out.text(g.symbols->text(d));
    out.put(uint8_t(value.constant.has_value()));
    if (value.constant) write_tensor(out, *value.constant, place);
  }
  out.list(g.inputs);
  out.put(uint32_t(g.node_count()));
  for (ir::NodeId n = 0; n < g.node_count(); ++n) {
    const ir::Node& node = g.node(n);
    require(node.alive, ErrorCode::kInternal, "a plan's graph must be compacted");
    for (const std::string* s : {&node.op, &node.name, &node.origin, &node.metadata}) out.text(*s);
    out.list(node.inputs);
    out.list(node.outputs);
    const auto& fields = node.attrs.schema().fields;
    out.put(uint32_t(fields.size()));
    for (const ir::Field& f : fields) write_field(out, f, node.attrs.data(), place);
  }
  out.list(g.outputs);
}

ir::Graph read_graph(Reader& in, const FindWeights& find, const FindSchema& schema,
                     std::shared_ptr<ir::SymbolTable> symbols, int depth) {
  return GraphReader{in, find, schema, std::move(symbols), depth}.read();
}

}  // namespace tenon::plan
