#include "import/onnx/order.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace tenon::importer {
namespace {

using Names = std::unordered_set<std::string_view>;
constexpr size_t kNone = SIZE_MAX;

void add_reads(const onnx::Node& node, Names& reads);

/// What `graph` reads and does not define. Definition is by name alone: order inside the graph is checked elsewhere.
void add_free_names(const onnx::Graph& graph, Names& reads) {
  Names inner;
  for (const onnx::Node& n : graph.nodes) add_reads(n, inner);
  for (const onnx::ValueInfo& v : graph.outputs) inner.insert(v.name);
  for (const onnx::Node& n : graph.nodes)
    for (const std::string& o : n.outputs) inner.erase(o);
  for (const onnx::ValueInfo& v : graph.inputs) inner.erase(v.name);
  for (const onnx::NamedTensor& t : graph.initializers) inner.erase(t.name);
  for (const onnx::SparseTensor& t : graph.sparse_initializers) inner.erase(t.name);
  reads.insert(inner.begin(), inner.end());
}

void add_reads(const onnx::Node& node, Names& reads) {
  for (const std::string& i : node.inputs)
    if (!i.empty()) reads.insert(i);
  for (const onnx::Attribute& a : node.attributes) {
    if (const auto* g = std::get_if<onnx::GraphPtr>(&a.value)) add_free_names(**g, reads);
    if (const auto* gs = std::get_if<std::vector<onnx::GraphPtr>>(&a.value))
      for (const onnx::GraphPtr& g : *gs) add_free_names(*g, reads);
  }
}

/// Follows unordered producers from an unordered node until one comes round again.
[[noreturn]] void fail_cycle(const std::vector<onnx::Node>& nodes, const std::vector<std::vector<size_t>>& producers,
                             const std::vector<size_t>& waiting) {
  size_t at = 0;
  while (waiting[at] == 0) ++at;
  std::vector<size_t> path, position(nodes.size(), kNone);
  while (position[at] == kNone) {
    position[at] = path.size();
    path.push_back(at);
    at = *std::find_if(producers[at].begin(), producers[at].end(), [&](size_t p) { return waiting[p] > 0; });
  }
  std::vector<size_t> cycle(path.begin() + int64_t(position[at]), path.end());
  std::reverse(cycle.begin(), cycle.end());
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(cycle.size(), 8); ++i)
    text += cat(i ? " -> " : "", describe(nodes[cycle[i]], cycle[i]));
  if (cycle.size() > 8) text += cat(" -> … ", cycle.size() - 8, " more");
  fail(ErrorCode::kInvalidModel, "the graph has a cycle: ", text, " -> ", describe(nodes[cycle[0]], cycle[0]));
}

}  // namespace

std::string describe(const onnx::Node& node, size_t index) {
  return cat("node ", index, node.name.empty() ? "" : " \"", node.name, node.name.empty() ? "" : "\"", " (",
             node.domain.empty() ? "" : node.domain + ".", node.op_type, ")");
}

std::vector<std::string> reads_of(const onnx::Node& node) {
  Names names;
  add_reads(node, names);
  std::vector<std::string> out(names.begin(), names.end());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<size_t> node_order(const std::vector<onnx::Node>& nodes) {
  std::unordered_map<std::string_view, size_t> definer;
  for (size_t n = 0; n < nodes.size(); ++n)
    for (const std::string& o : nodes[n].outputs) {
      if (o.empty()) continue;
      const auto [it, added] = definer.try_emplace(o, n);
      require(added, ErrorCode::kInvalidModel, "value \"", o, "\" is defined by ",
              describe(nodes[it->second], it->second), " and again by ", describe(nodes[n], n));
    }
  std::vector<std::vector<size_t>> readers(nodes.size()), producers(nodes.size());
  std::vector<size_t> waiting(nodes.size(), 0), order;
  for (size_t n = 0; n < nodes.size(); ++n) {
    Names reads;
    add_reads(nodes[n], reads);
    for (std::string_view name : reads)
      if (auto it = definer.find(name); it != definer.end()) {
        readers[it->second].push_back(n);
        producers[n].push_back(it->second);
        ++waiting[n];
      }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t n = 0; n < nodes.size(); ++n)
    if (waiting[n] == 0) ready.push(n);
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (size_t r : readers[order.back()])
      if (--waiting[r] == 0) ready.push(r);
  }
  if (order.size() != nodes.size()) fail_cycle(nodes, producers, waiting);
  return order;
}

}  // namespace tenon::importer
