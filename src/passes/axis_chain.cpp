#include "passes/axis_chain.h"

#include <algorithm>

#include "ops/op.h"
#include "ops/shape/transpose.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr size_t kMaxNodes = 16;

bool links(const ir::Graph& g, const ir::Node* n) {
  if (!n || n->inputs.empty() || !g.value(n->inputs[0]).ranked || !g.value(n->outputs[0]).ranked) return false;
  return n->op == "Transpose" || ops::find_op(n->op).form == ops::OpForm::kView;
}

/// Splits and regroups atoms while the chain is walked down from its source.
class Tracker {
 public:
  Tracker(const ir::Graph& g, const ir::Shape& source) : g_(g) {
    for (ir::Dim d : source) {
      dims_.emplace_back();
      if (!(d == 1)) dims_.back().push_back(add(d));
      source_order_.insert(source_order_.end(), dims_.back().begin(), dims_.back().end());
    }
    source_dims_ = dims_;
  }
  void transpose(const std::vector<int64_t>& perm) {
    std::vector<std::vector<size_t>> moved;
    for (size_t i = 0; i < dims_.size(); ++i) {
      const int64_t p = perm.empty()  ? int64_t(dims_.size() - 1 - i)
                        : perm[i] < 0 ? perm[i] + int64_t(dims_.size())
                                      : perm[i];
      moved.push_back(dims_[size_t(p)]);
    }
    dims_ = std::move(moved);
  }
  bool reshape(const ir::Shape& to) {
    std::vector<size_t> flat;
    for (const auto& d : dims_) flat.insert(flat.end(), d.begin(), d.end());
    std::vector<std::vector<size_t>> regrouped;
    size_t at = 0;
    for (ir::Dim d : to) {
      regrouped.emplace_back();
      if (d == 1) continue;
      if (!take(flat, at, d, regrouped.back())) return false;
    }
    dims_ = std::move(regrouped);
    return at == flat.size();
  }
  AxisChain finish() const {
    AxisChain c;
    std::vector<size_t> place(sizes_.size(), 0);
    for (size_t i = 0; i < source_order_.size(); ++i) {
      place[source_order_[i]] = i;
      c.atoms.push_back(sizes_[source_order_[i]]);
    }
    auto placed = [&](const std::vector<std::vector<size_t>>& dims) {
      auto out = dims;
      for (auto& d : out)
        for (size_t& a : d) a = place[a];
      return out;
    };
    c.dims = placed(dims_);
    c.source_dims = placed(source_dims_);
    for (const auto& d : c.dims) c.order.insert(c.order.end(), d.begin(), d.end());
    return c;
  }

 private:
  size_t add(ir::Dim size) {
    sizes_.push_back(size);
    return sizes_.size() - 1;
  }
  /// Groups atoms from `at` on whose product is `wanted`, splitting the last one where needed.
  bool take(std::vector<size_t>& flat, size_t& at, ir::Dim wanted, std::vector<size_t>& group) {
    ir::Dim have = 1;
    while (!(have == wanted)) {
      if (at == flat.size()) return false;
      const ir::Dim next = sizes_[flat[at]], missing = quotient(wanted, have);
      if (missing.is_const() && next.is_const() && missing.constant() > 0 && next.constant() > missing.constant()) {
        if (next.constant() % missing.constant() != 0) return false;
        split(flat, at, missing.constant(), next.constant() / missing.constant());
        have = wanted;
      } else {
        if (missing.is_const() && !next.is_const()) return false;
        have = g_.symbols->mul(have, next);
      }
      group.push_back(flat[at++]);
    }
    return true;
  }
  /// wanted / have, if that is whole; else `wanted`.
  ir::Dim quotient(ir::Dim wanted, ir::Dim have) {
    if (have == 1 || have == 0) return wanted;
    const ir::Dim q = g_.symbols->floor_div(wanted, have);
    return g_.symbols->mul(q, have) == wanted ? q : wanted;
  }
  void split(std::vector<size_t>& flat, size_t at, int64_t first, int64_t second) {
    const size_t whole = flat[at], a = add(first), b = add(second);
    auto replace = [&](std::vector<size_t>& list) {
      auto it = std::find(list.begin(), list.end(), whole);
      if (it == list.end()) return;
      *it = a;
      list.insert(it + 1, b);
    };
    replace(flat);
    replace(source_order_);
    for (auto& d : source_dims_) replace(d);
  }

  const ir::Graph& g_;
  std::vector<ir::Dim> sizes_;
  std::vector<size_t> source_order_;
  std::vector<std::vector<size_t>> source_dims_, dims_;
};

/// Shape of the source with one dimension an atom.
ir::Shape atom_shape(const AxisChain& c) { return {c.atoms.begin(), c.atoms.end()}; }
ir::Shape permuted_shape(const AxisChain& c) {
  ir::Shape s;
  for (size_t a : c.order) s.push_back(c.atoms[a]);
  return s;
}
bool in_order(const AxisChain& c) { return std::is_sorted(c.order.begin(), c.order.end()); }

}  // namespace

std::optional<AxisChain> axis_chain(const ir::Graph& g, ir::ValueId v) {
  std::vector<const ir::Node*> chain;
  while (v != ir::kNone && chain.size() < kMaxNodes && links(g, g.producer(v))) {
    chain.push_back(g.producer(v));
    v = chain.back()->inputs[0];
  }
  if (chain.empty()) return std::nullopt;
  Tracker tracker(g, shape_of(g, v));
  size_t transposes = 0;
  for (auto n = chain.rbegin(); n != chain.rend(); ++n) {
    if ((*n)->op == "Transpose") {
      tracker.transpose((*n)->attrs.as<ops::TransposeAttrs>().perm);
      ++transposes;
    } else if (!tracker.reshape(shape_of(g, (*n)->outputs[0]))) {
      return std::nullopt;
    }
  }
  AxisChain c = tracker.finish();
  c.source = v;
  c.nodes = chain.size();
  c.transposes = transposes;
  return c;
}

void merge_atoms(const ir::Graph& g, AxisChain& c) {
  for (size_t k = c.order.size(); k-- > 1;) {
    const size_t a = c.order[k - 1], b = c.order[k];
    if (b != a + 1) continue;
    c.atoms[a] = g.symbols->mul(c.atoms[a], c.atoms[b]);
    c.atoms.erase(c.atoms.begin() + int64_t(b));
    c.order.erase(c.order.begin() + int64_t(k));
    for (size_t& o : c.order) o -= o > a;
  }
}

size_t emitted_nodes(const ir::Shape& from, const AxisChain& c, const ir::Shape& to) {
  if (in_order(c)) return from != to;
  return size_t(from != atom_shape(c)) + 1 + size_t(permuted_shape(c) != to);
}

ir::ValueId emit_chain(ir::Patch& p, ir::ValueId source, const ir::Shape& from, const AxisChain& c,
                       const ir::Shape& to) {
  auto view = [&](ir::ValueId v, const ir::Shape& a, const ir::Shape& b) {
    if (a == b) return v;
    const auto target = reshape_target(a, b);
    return target ? reshape_to(p, v, *target) : ir::kNone;
  };
  if (in_order(c)) return view(source, from, to);
  const ir::ValueId atoms = view(source, from, atom_shape(c));
  if (atoms == ir::kNone) return ir::kNone;
  const std::vector<int64_t> perm(c.order.begin(), c.order.end());
  return view(p.node("Transpose", {atoms}, ops::TransposeAttrs{perm}), permuted_shape(c), to);
}

}  // namespace tenon::passes
