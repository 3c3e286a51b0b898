#include "runtime/alias.h"

#include <algorithm>
#include <set>

#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"

namespace tenon::runtime {
namespace {

class Finder {
 public:
  Finder(const ConcreteGraph& concrete, const PrepareOptions& options)
      : g_(concrete.graph), order_(concrete.order), options_(options), runs_(g_.node_count(), false) {
    out_.values.resize(g_.value_count());
    out_.resolved_node.assign(g_.node_count(), false);
    for (ir::ValueId v = 0; v < g_.value_count(); ++v) out_.values[v].owner = v;
    for (ir::NodeId n : order_) runs_[n] = true;
  }
  Aliases run() {
    // Outer concatenations first: a concatenation inside another then inherits the outer pitch.
    for (size_t i = order_.size(); i-- > 0;)
      if (g_.node(order_[i]).op == "Concat") concat(order_[i]);
    for (ir::NodeId n : order_)
      if (g_.node(n).op == "Split") split(n);
    return std::move(out_);
  }

 private:
  static ir::Dims dims(const ir::Value& v) { return ir::static_dims(v.shape); }
  static bool view(const ir::Node& node) { return ops::find_op(node.op).form == ops::OpForm::kView; }
  bool alone(ir::ValueId v) const { return out_.values[v].owner == v && !owns_parts_.count(v); }

  /// How parts along `axis` of a tensor lie: contiguous, by rows of the last axis, or neither.
  enum class Form { kContiguous, kPitched, kNone };
  static Form form(const ir::Dims& d, size_t axis) {
    if (std::all_of(d.begin(), d.begin() + int64_t(axis), [](int64_t n) { return n == 1; })) return Form::kContiguous;
    return axis + 1 == d.size() ? Form::kPitched : Form::kNone;
  }

  /// The kernel that `n` would get, given what is aliased so far; null if none takes that.
  const KernelDef* kernel_of(ir::NodeId n) const {
    const std::string_view wanted = options_.choices ? (*options_.choices)[n].kernel : std::string_view();
    std::string refusals;
    return find_kernel(*options_.backend, make_problem(g_, n, options_, &out_), wanted, refusals, options_.without);
  }
  /// Whether that kernel takes a pitch at `operand` (16 for output 0).
  bool takes_pitch(ir::NodeId n, uint32_t operand) const {
    if (!runs_[n] || view(g_.node(n))) return false;
    const KernelDef* kernel = kernel_of(n);
    return kernel && (kernel->pitched >> operand & 1);
  }
  bool still_runs(ir::NodeId n) const {
    const KernelDef* kernel = kernel_of(n);
    return kernel && kernel->op != "*";
  }

  bool readers_take_pitch(ir::ValueId v, ir::NodeId except) const {
    for (ir::NodeId user : g_.users(v)) {
      if (user == except || !runs_[user] || out_.resolved_node[user]) continue;
      const auto& inputs = g_.node(user).inputs;
      for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i] == v && (i >= 16 || !takes_pitch(user, uint32_t(i)))) return false;
    }
    return true;
  }
  bool movable(ir::ValueId v) const {
    const ir::Node* producer = g_.producer(v);
    return producer && runs_[g_.value(v).producer] && !view(*producer) && !g_.constant(v) && !g_.is_output(v) &&
           alone(v) && !out_.resolved_node[g_.value(v).producer];
  }
  bool kernels_accept(const std::vector<ir::ValueId>& parts) const {
    for (ir::ValueId v : parts) {
      if (g_.producer(v) && runs_[g_.value(v).producer] && !out_.resolved_node[g_.value(v).producer] &&
          !still_runs(g_.value(v).producer))
        return false;
      for (ir::NodeId user : g_.users(v))
        if (runs_[user] && !out_.resolved_node[user] && !still_runs(user)) return false;
    }
    return true;
  }

  /// Kernels on a device read and write 16 bytes at a time: every row of every part starts at a multiple of that.
  bool aligned(const std::vector<ir::ValueId>& parts) const {
    return !options_.backend->device() || std::all_of(parts.begin(), parts.end(), [&](ir::ValueId v) {
      const Alias& a = out_.values[v];
      const int64_t bits = ir::bits(g_.value(v).dtype);
      return a.offset * bits % 128 == 0 && a.pitch * bits % 128 == 0;
    });
  }

  void place_parts(ir::NodeId n, ir::ValueId whole, const std::vector<ir::ValueId>& parts, size_t axis, Form how) {
    const ir::Dims d = dims(g_.value(whole));
    int64_t inner = 1, at = 0;
    for (size_t i = axis + 1; i < d.size(); ++i) inner *= d[i];
    const Alias whole_alias = out_.values[whole];
    const auto saved = out_;
    const int64_t whole_pitch = whole_alias.pitch ? whole_alias.pitch : d.back();
    for (ir::ValueId v : parts) {
      Alias a{whole_alias.owner, whole_alias.offset + at * inner, whole_alias.pitch};
      if (how == Form::kPitched || axis + 1 == d.size()) {
        a.pitch = whole_pitch;
        if (how == Form::kContiguous) a.pitch = 0;  // one row: dense in itself
      } else if (whole_alias.pitch) {
        a.offset = whole_alias.offset + at * inner / d.back() * whole_pitch;
      }
      out_.values[v] = a;
      at += dims(g_.value(v))[axis];
    }
    out_.resolved_node[n] = true;
    if (!aligned(parts) || !kernels_accept(parts)) {
      out_ = saved;
      return;
    }
    owns_parts_.insert(whole);
  }

  void concat(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    const ir::ValueId whole = node.outputs[0];
    const ir::Dims d = dims(g_.value(whole));
    const int64_t axis = node.attrs.as<ops::AxisAttrs>().axis;
    const size_t at = size_t(axis < 0 ? axis + int64_t(d.size()) : axis);
    const Form how = form(d, at);
    if (how == Form::kNone || g_.value(whole).dtype == ir::DType::kString || ir::bits(g_.value(whole).dtype) < 8)
      return;
    std::vector<ir::ValueId> parts;
    for (ir::ValueId v : node.inputs) {
      if (v == ir::kNone || !movable(v) || std::count(node.inputs.begin(), node.inputs.end(), v) != 1) return;
      const bool pitched = how == Form::kPitched || out_.values[whole].pitch;
      if (pitched &&
          (!takes_pitch(g_.value(v).producer, 16) || g_.value(v).output_index != 0 || !readers_take_pitch(v, n)))
        return;
      parts.push_back(v);
    }
    place_parts(n, whole, parts, at, how);
  }

  void split(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    const ir::ValueId whole = node.inputs[0];
    if (out_.resolved_node[n] || g_.constant(whole)) return;
    const ir::Dims d = dims(g_.value(whole));
    const int64_t axis = node.attrs.as<ops::SplitAttrs>().axis;
    const size_t at = size_t(axis < 0 ? axis + int64_t(d.size()) : axis);
    const Form how = form(d, at);
    if (how == Form::kNone || ir::bits(g_.value(whole).dtype) < 8) return;
    std::vector<ir::ValueId> parts;
    for (ir::ValueId v : node.outputs) {
      if (v == ir::kNone || g_.is_output(v) || !alone(v)) return;
      const bool pitched = how == Form::kPitched || out_.values[whole].pitch;
      if (pitched && !readers_take_pitch(v, ir::kNone)) return;
      parts.push_back(v);
    }
    place_parts(n, whole, parts, at, how);
  }

  const ir::Graph& g_;
  const std::vector<ir::NodeId>& order_;
  const PrepareOptions& options_;
  std::vector<bool> runs_;
  std::set<ir::ValueId> owns_parts_;
  Aliases out_;
};

}  // namespace

Aliases find_aliases(const ConcreteGraph& concrete, const PrepareOptions& options) {
  return Finder(concrete, options).run();
}

}  // namespace tenon::runtime
