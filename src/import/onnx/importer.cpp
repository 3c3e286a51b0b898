#include "import/onnx/importer.h"

#include <algorithm>
#include <cctype>
#include <new>

#include "import/onnx/node_context.h"
#include "import/onnx/order.h"
#include "import/onnx/resolve.h"
#include "ops/op.h"

namespace tenon::importer {
namespace {

constexpr size_t kMaxErrors = 1000;
constexpr size_t kMaxLevels = 256;  // bodies and functions within each other

/// A name that the text form of dimensions can hold.
std::string symbol_text(const std::string& name) {
  std::string out;
  for (char c : name) out += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ? c : '_';
  if (out.empty() || !(std::isalpha(static_cast<unsigned char>(out[0])) || out[0] == '_')) out = "d_" + out;
  return out;
}

}  // namespace

/// One more place for errors, for the life of the object.
struct Importer::Level {
  Level(std::vector<std::string>& places, std::string place) : places_(places) {
    require(places.size() < kMaxLevels, ErrorCode::kInvalidModel, "bodies and functions nest deeper than ", kMaxLevels,
            " levels");
    places.push_back(std::move(place));
  }
  ~Level() { places_.pop_back(); }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  std::vector<std::string>& places_;
};

Importer::Importer(const onnx::Model& model, const OnnxOptions& options) : model_(model), options_(options) {
  for (const onnx::Function& f : model.functions) functions_.try_emplace({f.domain, f.name, f.overload}, &f);
}

void Importer::record(const Error& e) {
  if (errors_.size() >= kMaxErrors) return;
  ImportError out;
  out.code = e.code();
  out.message = e.message();
  out.place = join(places_, ": ");
  if (!e.place().empty()) out.place += cat(out.place.empty() ? "" : ": ", e.place());
  if (main_node_) {
    out.node = main_index_;
    out.node_name = main_node_->name;
    out.op_type = main_node_->op_type;
    out.domain = main_node_->domain;
  }
  for (const onnx::Function* f : calls_) out.functions.push_back(f->name);
  errors_.push_back(std::move(out));
}

ir::Dim Importer::dim(const onnx::Dimension& d, ir::SymbolTable& symbols, const std::string& hint) {
  if (d.value) return *d.value;
  if (d.param.empty()) return symbols.fresh(symbol_text(hint));
  auto [it, added] = dim_names_.try_emplace(d.param);
  if (added) {
    it->second = symbol_text(d.param);
    while (!dim_symbols_.insert(it->second).second) it->second += '_';
  }
  return symbols.named(it->second);
}

ops::BodyInput Importer::declared(const onnx::ValueInfo& v, ir::SymbolTable& symbols) {
  ops::BodyInput in;
  if (v.type.kind == onnx::Type::Kind::kUndefined) return in;
  require(v.type.kind == onnx::Type::Kind::kTensor, ErrorCode::kUnsupported, "input \"", v.name, "\" is a ",
          v.type.text(), "; tensors are accepted");
  in.dtype = v.type.dtype;
  in.ranked = v.type.shape.has_value();
  if (in.ranked)
    for (size_t i = 0; i < v.type.shape->size(); ++i)
      in.shape.push_back(dim((*v.type.shape)[i], symbols, cat(v.name, "_d", i)));
  return in;
}

void Importer::add_inputs(const onnx::Graph& g, Scope& scope) {
  for (const onnx::ValueInfo& v : g.inputs) {
    if (scope.values.count(v.name)) continue;  // an initializer of this name makes it a constant
    try {
      const ops::BodyInput in = declared(v, *scope.graph.symbols);
      require(in.dtype != ir::DType::kUndefined, ErrorCode::kInvalidModel, "input \"", v.name,
              "\" has no element type");
      const ir::ValueId id = scope.graph.add_input(v.name, in.dtype, in.shape);
      scope.graph.value(id).ranked = in.ranked;
      scope.define(v.name, id, scope.graph.value_count());
    } catch (const Error& e) {
      record(e);
      scope.values.emplace(v.name, kBroken);
    }
  }
}

void Importer::add_initializers(const onnx::Graph& g, Scope& scope) {
  const auto add = [&](const std::string& name, const auto& tensor) {
    try {
      require(!scope.values.count(name), ErrorCode::kInvalidModel, "initializer \"", name, "\" is defined twice");
      scope.define(name, scope.graph.add_constant(tensor(), scope.graph.unique_name(name)), scope.graph.value_count());
    } catch (const Error& e) {
      record(e);
      scope.values.emplace(name, kBroken);
    }
  };
  for (const onnx::NamedTensor& t : g.initializers) add(t.name, [&] { return t.tensor; });
  for (const onnx::SparseTensor& t : g.sparse_initializers) add(t.name, [&] { return densify(t); });
}

void Importer::add_body_inputs(const onnx::Graph& g, Scope& scope, std::span<const ops::BodyInput> types) {
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const std::string& input_name = g.inputs[i].name;
    ops::BodyInput in = declared(g.inputs[i], *scope.graph.symbols);
    if (i < types.size() && types[i].dtype != ir::DType::kUndefined) in.dtype = types[i].dtype;
    if (i < types.size() && types[i].ranked) {
      in.ranked = true;
      in.shape = types[i].shape;
    }
    const ir::ValueId v = scope.graph.add_input(scope.graph.unique_name(input_name), in.dtype, in.shape);
    scope.graph.value(v).ranked = in.ranked;
    scope.define(input_name, v, scope.graph.value_count());
  }
}

ir::ValueId Importer::output_value(const std::string& name, Scope& scope) {
  const auto found = scope.find(name);
  require(found && *found != ir::kNone, ErrorCode::kInvalidModel, "graph output \"", name,
          "\" is defined by no node, input or initializer");
  require(!is_sequence(*found), ErrorCode::kUnsupported, "output \"", name, "\" is a sequence, a tensor is accepted");
  return *found;
}

void Importer::add_outputs(const onnx::Graph& g, Scope& scope) {
  ir::Graph& graph = scope.graph;
  for (const onnx::ValueInfo& v : g.outputs) {
    try {
      ir::ValueId id = output_value(v.name, scope);
      if (id == kBroken) continue;
      require(graph.value(id).name != v.name || !graph.is_output(id), ErrorCode::kInvalidModel, "graph output \"",
              v.name, "\" is listed twice");
      if (graph.value(id).producer == ir::kNone || graph.is_output(id)) {
        const ir::NodeId n = graph.add_node("Identity", {id}, {}, 1, v.name);
        ops::infer_node(graph, n);
        id = graph.node(n).outputs[0];
      }
      // The engine's bindings are called as the model calls its inputs and outputs.
      if (graph.value(id).name != v.name) {
        if (const ir::ValueId holder = graph.find(v.name); holder != ir::kNone && !graph.is_input(holder))
          graph.rename(holder, graph.unique_name(v.name));
        graph.rename(id, graph.unique_name(v.name));
      }
      graph.outputs.push_back(id);
    } catch (const Error& e) {
      record(e);
    }
  }
}

void Importer::nodes(const std::vector<onnx::Node>& list, Scope& scope) {
  std::vector<size_t> order;
  try {
    order = node_order(list);
  } catch (const Error& e) {
    record(e);
    for (const onnx::Node& n : list)
      for (const std::string& o : n.outputs) scope.values.emplace(o, kBroken);
    return;
  }
  for (size_t i : order) node(list[i], i, scope);
}

void Importer::node(const onnx::Node& n, size_t index, Scope& scope) {
  const bool in_main_graph = places_.empty();
  if (in_main_graph) {
    main_node_ = &n;
    main_index_ = int64_t(index);
  }
  try {
    const Level level(places_, describe(n, index));
    try {
      require(++node_count_ <= options_.max_nodes, ErrorCode::kInvalidModel, "more than ", options_.max_nodes,
              " nodes");
      refers(n) ? apply(with_attributes(n, scope.attributes), index, scope) : apply(n, index, scope);
    } catch (const BodyFailed&) {
    } catch (const Error& e) {
      record(e);
    } catch (const std::bad_alloc&) {
      record(Error(ErrorCode::kOutOfMemory, "not enough memory"));
    } catch (const std::exception& e) {
      record(Error(ErrorCode::kInternal, e.what()));
    }
  } catch (const Error& e) {
    record(e);
  }
  if (in_main_graph && options_.assume_declared) assume_outputs(n, scope);
  for (const std::string& o : n.outputs)
    if (!o.empty()) scope.values.try_emplace(o, kBroken);
  if (in_main_graph) {
    main_node_ = nullptr;
    main_index_ = -1;
  }
}

void Importer::assume_outputs(const onnx::Node& n, Scope& scope) {
  for (const onnx::ValueInfo& v : model_.graph.value_infos) {
    const bool made = std::find(n.outputs.begin(), n.outputs.end(), v.name) != n.outputs.end();
    if (!made || scope.values.count(v.name) || v.type.kind != onnx::Type::Kind::kTensor || !v.type.shape) continue;
    const ops::BodyInput in = declared(v, *scope.graph.symbols);
    const ir::ValueId id = scope.graph.add_input(scope.graph.unique_name(v.name), in.dtype, in.shape);
    scope.graph.value(id).ranked = true;
    scope.define(v.name, id, scope.graph.value_count());
  }
}

std::vector<ir::ValueId> Importer::arguments(const onnx::Node& n, Scope& scope, bool& broken) {
  std::vector<ir::ValueId> args;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    if (n.inputs[i].empty()) {
      args.push_back(ir::kNone);
      continue;
    }
    const auto found = scope.find(n.inputs[i]);
    require(found.has_value(), ErrorCode::kInvalidModel, "input ", i, " is \"", n.inputs[i],
            "\", which no node, input or initializer defines");
    broken = broken || *found == kBroken;
    args.push_back(*found);
  }
  if (has_body(n))
    for (const std::string& name : reads_of(n))
      if (const auto found = scope.values.find(name); found != scope.values.end() && found->second == kBroken)
        broken = true;
  return args;
}

void Importer::apply(const onnx::Node& n, size_t index, Scope& scope) {
  const onnx::Function* function = find_function(n);
  const int opset = function ? 0 : opset_of(n, *scope.opsets);
  const ops::OnnxRule* rule = function ? nullptr : ops::find_onnx_rule(n.domain, n.op_type, opset);
  if (!function && !rule && !options_.unknown_operator) fail_unknown(n, opset);
  bool broken = false;
  std::vector<ir::ValueId> args = arguments(n, scope, broken);
  if (broken) return;
  const size_t first_new = scope.graph.value_count();
  std::vector<ir::ValueId> outputs;
  if (function) {
    outputs = call(*function, n, index, scope, args);
  } else {
    const std::string node_name = scope.prefix + (n.name.empty() ? cat(n.op_type, "_", index) : n.name);
    NodeContext context(*this, n, node_name, opset, scope, std::move(args));
    if (rule)
      rule->import(context);
    else if (!options_.unknown_operator(context))
      fail_unknown(n, opset);
    outputs = context.bound_outputs();
  }
  for (size_t i = 0; i < n.outputs.size(); ++i)
    if (!n.outputs[i].empty()) scope.define(n.outputs[i], outputs[i], first_new);
}

const onnx::Function* Importer::find_function(const onnx::Node& n) const {
  const auto it = functions_.find({n.domain, n.op_type, n.overload});
  return it == functions_.end() ? nullptr : it->second;
}

std::vector<ir::ValueId> Importer::call(const onnx::Function& f, const onnx::Node& n, size_t index, Scope& scope,
                                        const std::vector<ir::ValueId>& args) {
  if (std::find(calls_.begin(), calls_.end(), &f) != calls_.end()) {
    std::string path;
    for (const onnx::Function* c : calls_) path += c->name + " -> ";
    fail(ErrorCode::kInvalidModel, "function ", f.name, " calls itself: ", path, f.name);
  }
  require(args.size() <= f.inputs.size() && n.outputs.size() <= f.outputs.size(), ErrorCode::kInvalidModel, "function ",
          f.name, " takes ", f.inputs.size(), " inputs and gives ", f.outputs.size(), ", called with ", args.size(),
          " for ", n.outputs.size());
  const OpsetVersions opsets = versions_of(f.opset_imports);
  AttributeValues attributes;
  for (const onnx::Attribute& a : f.default_attributes) attributes[a.name] = &a;
  for (const onnx::Attribute& a : n.attributes) attributes[a.name] = &a;
  Scope inner{scope.graph,
              sequences_,
              &opsets,
              nullptr,
              nullptr,
              &attributes,
              cat(scope.prefix, n.name.empty() ? cat(f.name, "_", index) : n.name, "/"),
              {},
              {}};
  for (size_t i = 0; i < f.inputs.size(); ++i)
    inner.define(f.inputs[i], i < args.size() ? args[i] : ir::kNone, scope.graph.value_count());
  const size_t errors_before = errors_.size();
  calls_.push_back(&f);
  nodes(f.nodes, inner);
  calls_.pop_back();
  if (errors_.size() > errors_before) throw BodyFailed{};
  std::vector<ir::ValueId> outputs;
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    const auto found = inner.find(f.outputs[i]);
    require(found && *found != kBroken, ErrorCode::kInvalidModel, "output \"", f.outputs[i], "\" of function ", f.name,
            " is defined by none of its nodes");
    outputs.push_back(*found);
  }
  return outputs;
}

std::shared_ptr<ir::Graph> Importer::body(const onnx::Graph& source, std::string_view attribute, Scope& outer,
                                          std::span<const ops::BodyInput> input_types,
                                          std::vector<ir::ValueId>& captures) {
  const Level level(places_, std::string(attribute));
  const size_t errors_before = errors_.size();
  auto graph = std::make_shared<ir::Graph>(outer.graph.symbols);
  graph->name = source.name;
  captures.clear();
  Scope scope{*graph, sequences_, outer.opsets, &outer, &captures, outer.attributes, "", {}, {}};
  add_body_inputs(source, scope, input_types);
  add_initializers(source, scope);
  nodes(source.nodes, scope);
  if (errors_.size() > errors_before || node_count_ > options_.max_nodes) throw BodyFailed{};
  for (const onnx::ValueInfo& v : source.outputs) {
    const ir::ValueId id = output_value(v.name, scope);
    if (id == kBroken) throw BodyFailed{};
    graph->outputs.push_back(id);
  }
  graph->compact();
  return graph;
}

void Importer::run(ir::Graph& graph) {
  try {
    opsets_ = versions_of(model_.opset_imports);
  } catch (const Error& e) {
    record(e);
    return;
  }
  graph.name = model_.graph.name;
  Scope scope{graph, sequences_, &opsets_, nullptr, nullptr, nullptr, "", {}, {}};
  add_initializers(model_.graph, scope);
  add_inputs(model_.graph, scope);
  nodes(model_.graph.nodes, scope);
  add_outputs(model_.graph, scope);
  if (graph.outputs.empty() && errors_.empty())
    record(Error(ErrorCode::kInvalidModel, "the model's graph has no outputs"));
}

std::vector<ImportError> import_onnx_into(const onnx::Model& model, ir::Graph& graph, const OnnxOptions& options) {
  Importer importer(model, options);
  importer.run(graph);
  return importer.take_errors();
}

ir::Graph import_onnx(const onnx::Model& model, const OnnxOptions& options) {
  ir::Graph graph;
  const std::vector<ImportError> errors = import_onnx_into(model, graph, options);
  if (errors.size() == 1) throw Error(errors[0].code, errors[0].message, errors[0].place);
  if (!errors.empty()) {
    std::string text = cat(errors.size(), " errors:");
    for (size_t i = 0; i < std::min<size_t>(errors.size(), 10); ++i) text += "\n  " + errors[i].text();
    if (errors.size() > 10) text += cat("\n  … and ", errors.size() - 10, " more");
    throw Error(errors[0].code, text);
  }
  graph.compact();
  return graph;
}

}  // namespace tenon::importer
