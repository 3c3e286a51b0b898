#include "reduce.h"

#include <algorithm>
#include <map>

#include "import/onnx/import.h"
#include "noise.h"
#include "ops/op.h"

namespace tenon::random_graphs {
namespace {

class Reducer {
 public:
  Reducer(Case c, const std::function<bool(const Case&)>& fails, int trials)
      : best_(std::move(c)), fails_(fails), left_(trials) {}

  Case run() {
    for (bool shrunk = true; shrunk && left_ > 0;) shrunk = sizes() | outputs() | cuts() | bypasses();
    return std::move(best_);
  }

 private:
  bool try_it(Case c) {
    sweep(c);
    if (--left_ < 0 || !fails_(c)) return false;
    best_ = std::move(c);
    return true;
  }

  /// Drops nodes, constants and inputs that no output needs.
  static void sweep(Case& c) {
    auto& g = c.model.graph;
    std::set<std::string> needed;
    for (const auto& v : g.outputs) needed.insert(v.name);
    for (size_t i = g.nodes.size(); i-- > 0;) {
      const auto& outputs = g.nodes[i].outputs;
      if (std::none_of(outputs.begin(), outputs.end(), [&](const auto& name) { return needed.contains(name); }))
        g.nodes.erase(g.nodes.begin() + long(i));
      else
        needed.merge(reads(g.nodes[i]));
    }
    std::erase_if(g.initializers, [&](const auto& t) { return !needed.contains(t.name); });
    for (size_t i = g.inputs.size(); i-- > 0;) {
      if (needed.contains(g.inputs[i].name)) continue;
      g.inputs.erase(g.inputs.begin() + long(i));
      for (auto& inputs : c.inputs) inputs.erase(inputs.begin() + long(i));
    }
  }

  bool sizes() {
    bool shrunk = false;
    for (size_t b = best_.inputs.size(); b-- > 0 && best_.inputs.size() > 1;) {
      Case c = best_;
      c.inputs.erase(c.inputs.begin() + long(b));
      shrunk |= try_it(std::move(c));
    }
    return shrunk;
  }

  bool outputs() {
    bool shrunk = false;
    for (size_t i = best_.model.graph.outputs.size(); i-- > 0 && best_.model.graph.outputs.size() > 1;) {
      Case c = best_;
      c.model.graph.outputs.erase(c.model.graph.outputs.begin() + long(i));
      shrunk |= try_it(std::move(c));
    }
    return shrunk;
  }

  struct Known {
    DType dtype = DType::kUndefined;
    std::vector<Tensor> at;
  };

  /// Every value of the network at every set of sizes, of its own type.
  static std::map<std::string, Known> values(const Case& c) {
    std::map<std::string, Known> known;
    const ir::Graph graph = importer::import_onnx(c.model);
    for (const auto& inputs : c.inputs)
      ops::eval_graph(graph, inputs, true, [&](ir::ValueId v, const Tensor& t) {
        Known& k = known[graph.value(v).name];
        k.dtype = graph.value(v).dtype;
        k.at.push_back(t.cast(k.dtype));
      });
    return known;
  }

  /// Makes an input of a computed value.
  bool cuts() {
    bool shrunk = false;
    std::map<std::string, Known> known;
    try {
      known = values(best_);
    } catch (const Error&) {
      return false;
    }
    for (size_t n = best_.model.graph.nodes.size(); n-- > 0;) {
      if (n >= best_.model.graph.nodes.size()) continue;
      Case c = best_;
      const onnx::Node node = c.model.graph.nodes[n];
      c.model.graph.nodes.erase(c.model.graph.nodes.begin() + long(n));
      bool whole = known.size() > 0;
      for (const std::string& name : node.outputs) {
        const auto found = known.find(name);
        if (name.empty() || found == known.end() || found->second.at.size() < c.inputs.size()) {
          whole = false;
          break;
        }
        add_input(c, name, found->second);
      }
      if (whole && try_it(std::move(c))) {
        shrunk = true;
        if (best_.inputs.size() < known.begin()->second.at.size()) return true;
      }
    }
    return shrunk;
  }

  static void add_input(Case& c, const std::string& name, const Known& k) {
    std::vector<onnx::Dimension> dims;
    for (size_t d = 0; d < k.at[0].dims().size(); ++d) {
      const int64_t first = k.at[0].dims()[d];
      const bool open = std::any_of(k.at.begin(), k.at.end(), [&](const Tensor& t) { return t.dims()[d] != first; });
      onnx::Dimension dim;
      open ? void(dim.param = symbol(c, k, d)) : void(dim.value = first);
      dims.push_back(dim);
    }
    c.model.graph.inputs.push_back(declare(name, k.dtype, dims));
    for (size_t b = 0; b < c.inputs.size(); ++b) c.inputs[b].push_back(k.at[b]);
  }

  /// The name of an open dimension with these sizes, an old one if there is one.
  static std::string symbol(const Case& c, const Known& k, size_t d) {
    const auto& inputs = c.model.graph.inputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      for (size_t e = 0; e < inputs[i].type.shape->size(); ++e) {
        bool same = !(*inputs[i].type.shape)[e].param.empty();
        for (size_t b = 0; b < c.inputs.size() && same; ++b) same = c.inputs[b][i].dims()[e] == k.at[b].dims()[d];
        if (same) return (*inputs[i].type.shape)[e].param;
      }
    return cat("d", inputs.size(), "_", d);
  }

  static void rename(onnx::Node& n, const std::string& from, const std::string& to) {
    std::replace(n.inputs.begin(), n.inputs.end(), from, to);
  }

  /// Lets readers of a node read one of its inputs.
  bool bypasses() {
    bool shrunk = false;
    for (size_t n = best_.model.graph.nodes.size(); n-- > 0;)
      for (size_t i = 0; n < best_.model.graph.nodes.size() && i < best_.model.graph.nodes[n].inputs.size(); ++i) {
        Case c = best_;
        const onnx::Node node = c.model.graph.nodes[n];
        if (node.inputs[i].empty() || node.outputs.size() != 1) continue;
        for (auto& other : c.model.graph.nodes) rename(other, node.outputs[0], node.inputs[i]);
        c.model.graph.nodes.erase(c.model.graph.nodes.begin() + long(n));
        const auto& outputs = c.model.graph.outputs;
        if (std::any_of(outputs.begin(), outputs.end(), [&](const auto& v) { return v.name == node.outputs[0]; }))
          continue;
        shrunk |= try_it(std::move(c));
      }
    return shrunk;
  }

  Case best_;
  const std::function<bool(const Case&)>& fails_;
  int left_;
};

}  // namespace

Case reduce(Case c, const std::function<bool(const Case&)>& fails, int trials) {
  return Reducer(std::move(c), fails, trials).run();
}

}  // namespace tenon::random_graphs
