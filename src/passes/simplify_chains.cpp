// Chains of views and transpositions become the shortest that does the same; taking one part of a packed dimension
// through such a chain reads the part from the source; slices that tile an axis become a Split.
#include <algorithm>
#include <map>

#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"
#include "ops/shape/transpose.h"
#include "passes/axis_chain.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

bool is_link(const ir::Node& n) { return n.op == "Transpose" || ops::find_op(n.op).form == ops::OpForm::kView; }

/// A chain is rewritten at its end only.
bool ends_chain(const ir::Graph& g, ir::ValueId v) {
  const auto& users = g.users(v);
  return g.is_output(v) || users.empty() ||
         std::any_of(users.begin(), users.end(), [&](ir::NodeId n) { return !is_link(g.node(n)); });
}

Match shorten(const ir::Graph& g, ir::NodeId n) {
  const ir::ValueId v = g.node(n).outputs[0];
  if (!g.value(v).ranked || !ends_chain(g, v)) return std::nullopt;
  auto chain = axis_chain(g, v);
  if (!chain || chain->nodes < 2) return std::nullopt;
  merge_atoms(g, *chain);
  const ir::Shape from = shape_of(g, chain->source), to = shape_of(g, v);
  const size_t transposes = !std::is_sorted(chain->order.begin(), chain->order.end());
  const size_t nodes = emitted_nodes(from, *chain, to);
  if (nodes > chain->nodes || (nodes == chain->nodes && transposes >= chain->transposes)) return std::nullopt;
  ir::Patch p(g, cat(chain->nodes, " views and transpositions in ", nodes));
  const ir::ValueId y = emit_chain(p, chain->source, from, *chain, to);
  if (y == ir::kNone) return std::nullopt;
  p.replace(v, y);
  return p;
}

ir::ValueId slice(ir::Patch& p, ir::ValueId x, int64_t axis, int64_t begin, int64_t end) {
  auto one = [&](int64_t v) { return p.constant(ir::Tensor::vector_i64(std::vector<int64_t>{v})); };
  const ir::ValueId start = one(begin), stop = one(end), along = one(axis);
  return p.node("Slice", {x, start, stop, along});
}

// Gather of one index along a dimension that is the leading factor of a dimension of the chain's source.
Match part_of_packed(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto index = scalar(g, node.inputs[1]);
  if (!index || rank_of(g, node.inputs[1]) != 0) return std::nullopt;
  auto chain = axis_chain(g, node.inputs[0]);
  if (!chain) return std::nullopt;
  const int64_t rank = int64_t(chain->dims.size());
  const int64_t axis = node.attrs.as<ops::AxisAttrs>().axis;
  const auto& taken = chain->dims[size_t(axis < 0 ? axis + rank : axis)];
  if (taken.size() != 1 || !chain->atoms[taken[0]].is_const()) return std::nullopt;
  const size_t atom = taken[0];
  for (size_t d = 0; d < chain->source_dims.size(); ++d) {
    const auto& group = chain->source_dims[d];
    if (group.empty() || group[0] != atom) continue;
    int64_t rest = 1;
    for (size_t k = 1; k < group.size(); ++k) {
      if (!chain->atoms[group[k]].is_const()) return std::nullopt;
      rest *= chain->atoms[group[k]].constant();
    }
    const int64_t count = chain->atoms[atom].constant(),
                  i = int64_t(*index) < 0 ? int64_t(*index) + count : int64_t(*index);
    ir::Shape from = shape_of(g, chain->source);
    from[d] = rest;
    chain->atoms.erase(chain->atoms.begin() + int64_t(atom));
    chain->order.erase(std::find(chain->order.begin(), chain->order.end(), atom));
    for (size_t& o : chain->order) o -= o > atom;
    merge_atoms(g, *chain);
    ir::Patch p(g, "one part of a packed dimension");
    const ir::ValueId part = slice(p, chain->source, int64_t(d), i * rest, (i + 1) * rest);
    const ir::ValueId y = emit_chain(p, part, from, *chain, shape_of(g, node.outputs[0]));
    if (y == ir::kNone) return std::nullopt;
    p.replace(node.outputs[0], y);
    return p;
  }
  return std::nullopt;
}

// move(x) @ w = move(x @ w) for constant weights, if a view or transposition of its rows follows.
Match rows_of_product(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const auto& attrs = node.attrs.as<ops::MatMulAttrs>();
  const ir::ValueId y = node.outputs[0];
  if (attrs.transpose_a || !attrs.epilogue.empty() || node.inputs.size() > 3 || !g.constant(node.inputs[1]))
    return std::nullopt;
  if (rank_of(g, node.inputs[1]) != 2 || !read_once(g, y) || !is_link(g.node(g.users(y)[0]))) return std::nullopt;
  auto chain = axis_chain(g, node.inputs[0]);
  if (!chain || chain->source_dims.empty()) return std::nullopt;
  // The source's last dimension must be the operand's, untouched.
  const auto &last = chain->dims.back(), &source_last = chain->source_dims.back();
  if (last.empty() || last != source_last || chain->source_dims.size() < 2) return std::nullopt;
  const ir::Shape from = shape_of(g, chain->source), to = shape_of(g, node.inputs[0]);
  if (!(from.back() == to.back()) || !shape_of(g, y).back().is_const()) return std::nullopt;
  for (size_t k = 1; k < last.size(); ++k) {  // seen as one atom
    chain->atoms.pop_back();
    chain->order.pop_back();
  }
  if (chain->order.empty() || chain->order.back() + 1 != chain->atoms.size()) return std::nullopt;
  ir::Shape product = from, result = shape_of(g, y);
  product.back() = result.back();
  chain->atoms.back() = result.back();
  ir::Patch p(g, "rows are moved after the product");
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = chain->source;
  const ir::ValueId moved = emit_chain(p, p.node("MatMul", inputs, attrs), product, *chain, result);
  if (moved == ir::kNone) return std::nullopt;
  p.replace(y, moved);
  return p;
}

// split(x) with parts viewed alike along all but the last axis = split(view(x)).
Match view_before_split(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Shape& x = shape_of(g, node.inputs[0]);
  const int64_t rank = int64_t(x.size()), axis = node.attrs.as<ops::SplitAttrs>().axis;
  if (axis != -1 && axis != rank - 1) return std::nullopt;
  ir::Shape viewed;
  for (ir::ValueId v : node.outputs) {
    if (v == ir::kNone || !read_once(g, v) || g.node(g.users(v)[0]).op != "Reshape") return std::nullopt;
    ir::Shape to = shape_of(g, g.node(g.users(v)[0]).outputs[0]);
    if (to.empty() || !(to.back() == shape_of(g, v).back())) return std::nullopt;
    to.back() = x.back();
    if (!viewed.empty() && viewed != to) return std::nullopt;
    viewed = to;
  }
  const auto target = reshape_target(x, viewed);
  if (!target) return std::nullopt;
  ir::Patch p(g, "the whole is viewed before it is split");
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs[0] = reshape_to(p, inputs[0], *target);
  const auto parts =
      p.nodes("Split", inputs, ops::SplitAttrs{int64_t(viewed.size()) - 1, node.attrs.as<ops::SplitAttrs>().even},
              node.outputs.size());
  for (size_t i = 0; i < parts.size(); ++i) p.replace(g.node(g.users(node.outputs[i])[0]).outputs[0], parts[i]);
  return p;
}

constexpr Rule kRules[] = {{"Split", view_before_split},
                           {"Transpose", shorten},
                           {"Reshape", shorten},
                           {"Gather", part_of_packed},
                           {"MatMul", rows_of_product}};

struct Part {
  ir::NodeId node;
  int64_t begin, end;
};

/// [begin, end) of a Slice with steps 1 that takes a part of one axis; other axes that it names are taken whole.
std::optional<std::pair<int64_t, Part>> part(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (node.op != "Slice" || node.inputs.size() < 4 || g.is_output(node.outputs[0])) return std::nullopt;
  const auto begins = known_ints(g, node.inputs[1]), ends = known_ints(g, node.inputs[2]),
             axes = known_ints(g, node.inputs[3]);
  if (!begins || !ends || !axes || begins->size() != axes->size() || ends->size() != axes->size()) return std::nullopt;
  if (node.inputs.size() > 4 && node.inputs[4] != ir::kNone) {
    const auto steps = known_ints(g, node.inputs[4]);
    if (!steps || std::any_of(steps->begin(), steps->end(), [](int64_t s) { return s != 1; })) return std::nullopt;
  }
  std::optional<std::pair<int64_t, Part>> found;
  const ir::Shape& x = shape_of(g, node.inputs[0]);
  for (size_t i = 0; i < axes->size(); ++i) {
    const int64_t axis = (*axes)[i] + ((*axes)[i] < 0 ? int64_t(x.size()) : 0), begin = (*begins)[i];
    const ir::Dim extent = x[size_t(axis)];
    if (!extent.is_const() || begin < 0 || (*ends)[i] <= begin) return std::nullopt;
    const int64_t end = std::min((*ends)[i], extent.constant());
    if (begin == 0 && end == extent.constant()) continue;
    if (found) return std::nullopt;
    found = {axis, Part{n, begin, end}};
  }
  return found;
}

int slices_to_splits(ir::Graph& g, PassContext& context) {
  std::map<std::pair<ir::ValueId, int64_t>, std::vector<Part>> groups;
  for (ir::NodeId n : g.topological_order())
    if (const auto found = part(g, n)) groups[{g.node(n).inputs[0], found->first}].push_back(found->second);
  int count = 0;
  for (auto& [key, parts] : groups) {
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
    bool tiles = parts.size() > 1 && parts.front().begin == 0;
    for (size_t i = 1; i < parts.size(); ++i) tiles = tiles && parts[i].begin == parts[i - 1].end;
    if (!tiles || !(shape_of(g, key.first)[size_t(key.second)] == parts.back().end)) continue;
    std::vector<int64_t> sizes;
    for (const Part& s : parts) sizes.push_back(s.end - s.begin);
    ir::Patch p(g, cat(parts.size(), " slices tile the axis"));
    const ir::ValueId x = g.node(parts[0].node).inputs[0];  // key.first may itself have become a part
    const auto outputs = p.nodes("Split", {x, p.constant(ir::Tensor::vector_i64(sizes))},
                                 ops::SplitAttrs{key.second, false}, parts.size());
    for (size_t i = 0; i < parts.size(); ++i) p.replace(g.node(parts[i].node).outputs[0], outputs[i]);
    count += apply_patch(g, context, std::move(p));
  }
  return count;
}

}  // namespace

int simplify_chains(ir::Graph& graph, PassContext& context) {
  const int count = apply_rules(graph, context, kRules);
  return count + slices_to_splits(graph, context);
}

}  // namespace tenon::passes
