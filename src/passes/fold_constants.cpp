#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/checked.h"
#include "base/hash.h"
#include "ir/text.h"
#include "ops/op.h"
#include "passes/fold.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr int64_t kRecordedElements = 64;

std::string recipe_key(const std::string& name) { return "fold:" + name; }

/// A name that neither a value nor an earlier recipe has.
std::string free_name(const ir::Graph& graph, const std::string& base) {
  std::string name = base;
  for (int i = 1; graph.metadata.count(recipe_key(name)) || graph.find(name) != ir::kNone; ++i)
    name = cat(base, ".", i);
  return name;
}

/// The operands, if all are constants.
std::optional<std::vector<ir::Tensor>> constant_operands(const ir::Graph& graph, const ir::Node& node) {
  std::vector<ir::Tensor> args;
  for (ir::ValueId v : node.inputs) {
    const ir::Tensor* t = graph.constant(v);
    if (v != ir::kNone && !t) return std::nullopt;
    args.push_back(t ? *t : ir::Tensor());
  }
  return args;
}

bool may_fold(const ir::Graph& graph, const ir::Node& node, int64_t limit) {
  const ops::OpDef& op = ops::find_op(node.op);
  if (op.random || op.form == ops::OpForm::kControlFlow || !op.eval || node.outputs.empty()) return false;
  int64_t given = 0;
  for (ir::ValueId v : node.inputs)
    if (v != ir::kNone) given += graph.constant(v)->bytes();
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone) continue;
    if (graph.is_output(v)) return false;
    const ir::Value& value = graph.value(v);
    if (!value.ranked || !ir::is_static(value.shape)) {
      if (op.data_dependent) continue;
      return false;
    }
    const int64_t bytes = ir::storage_bytes(value.dtype, checked_product(ir::static_dims(value.shape)));
    if (bytes > checked_add(given, limit)) return false;
  }
  return true;
}

/// Results of a pass, for nodes that compute the same: exporters write the mask of an attention once for each layer.
class Results {
 public:
  const std::vector<ir::Tensor>* find(const ir::Graph& graph, const ir::Node& node,
                                      const std::vector<ir::Tensor>& args) const {
    const auto [begin, end] = known_.equal_range(hash(node, args));
    const auto it = std::find_if(begin, end, [&](const auto& entry) { return same(graph, entry.second, node, args); });
    return it == end ? nullptr : &it->second.results;
  }
  void add(const ir::Graph& graph, const ir::Node& node, std::vector<ir::Tensor> args,
           const std::vector<ir::Tensor>& results) {
    const uint64_t key = hash(node, args);
    known_.emplace(key, Known{node.op, node.attrs, std::move(args), types(graph, node), results});
  }

 private:
  struct Known {
    std::string op;
    ir::Attrs attrs;
    std::vector<ir::Tensor> args;
    std::vector<ir::DType> types;
    std::vector<ir::Tensor> results;
  };
  static constexpr int64_t kCompareBytes = 4096;  // larger operands are the same only if they share their bytes

  static bool is_small(const ir::Tensor& t) { return t.dtype() == ir::DType::kString || t.bytes() <= kCompareBytes; }
  static std::vector<ir::DType> types(const ir::Graph& graph, const ir::Node& node) {
    std::vector<ir::DType> types;
    for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : graph.value(v).dtype);
    return types;
  }
  static uint64_t hash(const ir::Node& node, const std::vector<ir::Tensor>& args) {
    Hasher h;
    h.add_text(node.op);
    node.attrs.hash(h);
    for (const ir::Tensor& t : args)
      h.add(is_small(t) ? t.hash() : uint64_t(reinterpret_cast<uintptr_t>(t.data().data())));
    return h.value();
  }
  static bool same(const ir::Graph& graph, const Known& known, const ir::Node& node,
                   const std::vector<ir::Tensor>& args) {
    const auto same_tensor = [](const ir::Tensor& a, const ir::Tensor& b) {
      if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
      return is_small(a) ? a == b : a.data().data() == b.data().data();
    };
    return known.op == node.op && known.attrs == node.attrs && known.types == types(graph, node) &&
           std::equal(args.begin(), args.end(), known.args.begin(), known.args.end(), same_tensor);
  }
  std::unordered_multimap<uint64_t, Known> known_;
};

std::vector<ir::Tensor> evaluate(const ir::Graph& graph, const ir::Node& node, std::vector<ir::Tensor> args) {
  std::vector<ir::DType> types;
  for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : graph.value(v).dtype);
  if (node.outputs.size() == 1 && !args.empty() && ir::is_static(graph.value(node.outputs[0]).shape))
    if (auto y = eval_large(node, args, types[0], ir::static_dims(graph.value(node.outputs[0]).shape))) return {*y};
  return ops::eval_node(node, std::move(args), std::move(types));
}

bool fold(ir::Graph& graph, ir::NodeId n, int64_t limit, Results& known) {
  auto args = constant_operands(graph, graph.node(n));
  if (!args || !may_fold(graph, graph.node(n), limit)) return false;
  std::vector<ir::Tensor> results;
  if (const auto* same = known.find(graph, graph.node(n), *args)) {
    results = *same;
  } else {
    try {
      results = evaluate(graph, graph.node(n), *args);
    } catch (const Error&) {
      return false;  // it may stand where it is never run; if not, running it says what is wrong
    }
    known.add(graph, graph.node(n), std::move(*args), results);
  }
  const std::vector<ir::ValueId> outputs = graph.node(n).outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == ir::kNone) continue;
    const bool number = ir::is_float(results[i].dtype()) || graph.node(n).op == "QuantizeLinear";
    const bool weight = number && results[i].count() > 1;
    const std::string recipe = weight ? ir::print_node(graph, n, {.max_listed = 16, .names = false}) : std::string();
    std::string name = graph.value(outputs[i]).name;
    graph.rename(outputs[i], graph.unique_name(name + ".unfolded"));
    if (weight) name = free_name(graph, name);
    if (weight) graph.metadata[recipe_key(name)] = recipe;
    graph.replace_uses(outputs[i], graph.add_constant(std::move(results[i]), std::move(name)));
  }
  graph.erase_node(n);
  return true;
}

}  // namespace

bool fold_node(ir::Graph& graph, ir::NodeId n, int64_t limit) {
  Results none;
  return fold(graph, n, limit, none);
}

void record_constant(ir::Graph& graph, ir::ValueId v) {
  const ir::Tensor& t = *graph.constant(v);
  if (t.count() > kRecordedElements) return;
  if (graph.metadata.count(recipe_key(graph.value(v).name))) graph.rename(v, free_name(graph, graph.value(v).name));
  graph.metadata[recipe_key(graph.value(v).name)] = ir::print_constant(graph, v);
}

void prune_recipes(ir::Graph& graph) {
  std::map<std::string, std::string> kept;
  std::vector<std::string> work;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v)
    if (graph.constant(v) && ir::is_float(graph.value(v).dtype) && (!graph.users(v).empty() || graph.is_output(v)))
      work.push_back(recipe_key(graph.value(v).name));
  while (!work.empty()) {
    const auto it = graph.metadata.find(work.back());
    work.pop_back();
    if (it == graph.metadata.end() || !kept.insert(*it).second) continue;
    for (std::string& name : ir::referenced_names(it->second)) work.push_back(recipe_key(name));
  }
  std::erase_if(graph.metadata,
                [&](const auto& entry) { return entry.first.rfind("fold:", 0) == 0 && !kept.count(entry.first); });
}

int fold_constants(ir::Graph& graph, PassContext& context) {
  int count = 0;
  Results known;
  for (ir::NodeId n : graph.topological_order()) {
    if (!fold(graph, n, context.options().fold_limit, known)) continue;
    context.note(graph.node(n), "all operands are constants");
    ++count;
  }
  return count;
}

}  // namespace tenon::passes
