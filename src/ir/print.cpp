#include <algorithm>
#include <cctype>

#include "ir/text.h"

namespace tenon::ir {
namespace {

std::string quoted(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\')
      out += cat('\\', c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 32)
      out += cat("\\x", "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]);
    else
      out += c;
  }
  return out + '"';
}

bool is_word(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' || c == '-';
  });
}

std::string hex(uint64_t v) {
  char digits[17];
  auto end = std::to_chars(digits, digits + 17, v, 16).ptr;
  return cat("0x", std::string_view(digits, size_t(end - digits)));
}

class Printer {
 public:
  Printer(const Graph& graph, const PrintOptions& options, std::string indent)
      : graph_(graph), options_(options), indent_(std::move(indent)) {}

  std::string whole() {
    std::string out = cat("graph ", quoted(graph_.name), " {\n");
    const std::string line = indent_ + "  ";
    for (const auto& [key, text] : graph_.metadata) out += cat(line, "meta ", quoted(key), " = ", quoted(text), "\n");
    std::vector<bool> shown(graph_.value_count(), false);
    auto constant = [&](ValueId v) {
      if (v == kNone || shown[v] || !graph_.constant(v)) return;
      shown[v] = true;
      out += cat(line, this->constant(v), "\n");
    };
    for (ValueId v : graph_.inputs) out += cat(line, typed(v), " = input\n");
    for (NodeId n : graph_.topological_order()) {
      for (ValueId v : graph_.node(n).inputs) constant(v);
      out += cat(line, node(n), "\n");
    }
    for (ValueId v : graph_.outputs) constant(v);
    out += cat(line, "return");
    for (size_t i = 0; i < graph_.outputs.size(); ++i) out += cat(i ? ", " : " ", reference(graph_.outputs[i]));
    return out + cat("\n", indent_, "}");
  }

  std::string node(NodeId id) {
    const Node& n = graph_.node(id);
    std::string out;
    for (size_t i = 0; i < n.outputs.size(); ++i)
      out += cat(i ? ", " : "", n.outputs[i] == kNone ? std::string("_") : typed(n.outputs[i]));
    out += cat(out.empty() ? "" : " = ", is_word(n.op) ? n.op : quoted(n.op), "(");
    for (size_t i = 0; i < n.inputs.size(); ++i) out += cat(i ? ", " : "", reference(n.inputs[i]));
    out += ")" + attributes(n.attrs);
    if (options_.names) {
      if (!n.name.empty()) out += " " + quoted(n.name);
      if (n.origin != n.name) out += " from " + quoted(n.origin);
      if (!n.metadata.empty()) out += " meta " + quoted(n.metadata);
    }
    return out;
  }

  std::string constant(ValueId v) { return cat(typed(v), " = ", content(*graph_.constant(v))); }

  std::string type(const Value& v) {
    std::string out = v.dtype == DType::kUndefined ? "?" : std::string(name(v.dtype));
    if (!v.ranked) return out;
    out += '[';
    for (size_t i = 0; i < v.shape.size(); ++i) out += cat(i ? ", " : "", graph_.symbols->text(v.shape[i]));
    return out + ']';
  }

 private:
  std::string reference(ValueId v) {
    if (v == kNone) return "_";
    const std::string& value_name = graph_.value(v).name;
    return "%" + (is_word(value_name) ? value_name : quoted(value_name));
  }
  std::string typed(ValueId v) {
    const Value& value = graph_.value(v);
    return reference(v) + (value.ranked || value.dtype != DType::kUndefined ? ": " + type(value) : "");
  }
  std::string content(const Tensor& t) {
    if (t.count() > options_.max_listed) return cat("hash(", hex(t.hash()), ")");
    std::string out = "{";
    const bool complex = t.dtype() == DType::kC64 || t.dtype() == DType::kC128;
    if (complex) return cat("hash(", hex(t.hash()), ")");
    for (int64_t i = 0; i < t.count(); ++i) {
      if (i) out += ", ";
      if (t.dtype() == DType::kString)
        out += quoted(t.strings()[size_t(i)]);
      else if (t.dtype() == DType::kF64)
        out += cat(t.get(i));
      else if (is_float(t.dtype()))
        out += cat(float(t.get(i)));
      else if (t.dtype() == DType::kU64)
        out += cat(uint64_t(t.get_int(i)));
      else
        out += cat(t.get_int(i));
    }
    return out + "}";
  }
  std::string attributes(const Attrs& attrs) {
    const Attrs defaults(&attrs.schema());
    std::string out;
    for (const Field& f : attrs.schema().fields) {
      std::string text = field(f, attrs.data());
      if (text == field(f, defaults.data())) continue;
      out += cat(out.empty() ? " {" : ", ", f.name, " = ", text);
    }
    return out.empty() ? out : out + "}";
  }
  std::string field(const Field& f, const void* a) {
    switch (f.kind) {
      case FieldKind::kInt:
        return cat(f.of<int64_t>(a));
      case FieldKind::kFloat:
        return cat(f.of<float>(a));
      case FieldKind::kBool:
        return cat(f.of<bool>(a));
      case FieldKind::kString:
        return quoted(f.of<std::string>(a));
      case FieldKind::kDType:
        return std::string(name(f.of<DType>(a)));
      case FieldKind::kEnum: {
        const int64_t v = f.of<int64_t>(a);
        return v >= 0 && size_t(v) < f.names.size() ? std::string(f.names[size_t(v)]) : cat(v);
      }
      case FieldKind::kInts:
        return cat(f.of<std::vector<int64_t>>(a));
      case FieldKind::kFloats:
        return cat(f.of<std::vector<float>>(a));
      case FieldKind::kStrings: {
        std::string out = "[";
        for (const auto& s : f.of<std::vector<std::string>>(a)) out += (out.size() > 1 ? ", " : "") + quoted(s);
        return out + "]";
      }
      case FieldKind::kGraph: {
        const auto& g = f.of<std::shared_ptr<Graph>>(a);
        return g ? Printer(*g, options_, indent_ + "  ").whole() : std::string("none");
      }
      case FieldKind::kTensor: {
        const Tensor& t = f.of<Tensor>(a);
        return t.defined() ? cat(name(t.dtype()), t.dims(), content(t)) : std::string("none");
      }
    }
    return {};
  }

  const Graph& graph_;
  const PrintOptions& options_;
  std::string indent_;
};

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  return Printer(graph, options, "").whole() + "\n";
}
std::string print_node(const Graph& graph, NodeId node, const PrintOptions& options) {
  return Printer(graph, options, "").node(node);
}
std::string print_constant(const Graph& graph, ValueId value, const PrintOptions& options) {
  return Printer(graph, options, "").constant(value);
}

std::vector<std::string> referenced_names(std::string_view line) {
  std::vector<std::string> names;
  for (size_t at = line.find('%'); at != line.npos; at = line.find('%', at)) {
    std::string value_name;
    if (++at < line.size() && line[at] == '"') {
      for (++at; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\') ++at;
        if (at < line.size()) value_name += line[at];
      }
    } else {
      while (at < line.size() && is_word(line.substr(at, 1))) value_name += line[at++];
    }
    if (!value_name.empty()) names.push_back(std::move(value_name));
  }
  return names;
}

std::string print_type(const Graph& graph, const Value& value) { return Printer(graph, {}, "").type(value); }

}  // namespace tenon::ir
