// Convolutions, products and attention take bf16 (or f16) operands; which other values are narrow too is decided by a
// minimum cut, like the layout: compute-heavy nodes and those that ask for the type are tied to the narrow side, inputs
// and outputs of the graph, nodes that ask for another type and functions that amplify rounding to the wide side, and
// an edge costs the size of the value that would be converted. Inside kernels sums, statistics and element-wise
// arithmetic stay in f32, and element-wise nodes become Pointwise, which reads either type.
#include <algorithm>
#include <map>

#include "ops/fused/pointwise.h"
#include "ops/math/cast.h"
#include "ops/op.h"
#include "passes/elementwise.h"
#include "passes/fold.h"
#include "passes/min_cut.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

enum class Role : uint8_t { kWide, kCompute, kFollows, kElementwise };

bool one_of(std::string_view op, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

/// Functions whose result changes much with the last digits of the operand, or that need range.
bool amplifies(const ir::Node& node) {
  if (node.op == "Pointwise") {
    const auto& text = node.attrs.as<ops::PointwiseAttrs>().program;
    for (std::string_view fn : {"exp(", "log(", "pow(", "sin(", "cos(", "square("})
      if (text.find(fn) != std::string::npos) return true;
    return false;
  }
  return one_of(node.op, {"Exp", "Log", "Pow", "Sin", "Cos", "Tan", "Reciprocal", "Rsqrt", "Sqrt"});
}

/// Whether a number that f16 rounds to 0 would make an infinity or a NaN of a reader's result.
bool is_divisor(const ir::Graph& g, ir::ValueId v, int depth = 0) {
  const auto& users = g.users(v);
  return std::any_of(users.begin(), users.end(), [&](ir::NodeId n) {
    const ir::Node& reader = g.node(n);
    if (reader.op == "Div") return reader.inputs[1] == v;
    if (one_of(reader.op, {"Log", "Reciprocal", "Rsqrt"})) return true;
    const bool moves = one_of(reader.op, {"Expand", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity"});
    return moves && depth < 4 && is_divisor(g, reader.outputs[0], depth + 1);
  });
}

bool is_f32(const ir::Graph& g, ir::ValueId v) {
  return v != ir::kNone && g.value(v).dtype == ir::DType::kF32 && g.value(v).ranked;
}

bool recurrent(const ir::Node& node) { return one_of(node.op, {"LSTM", "GRU", "RNN"}); }

/// What is narrowed in one run of the pass.
struct Target {
  ir::DType type;
  bool by_default;  ///< nodes that ask for nothing may take it
};

bool asks_for(const PassOptions& options, const ir::Node& node, ir::DType type) {
  return asked_type(options, node) == type;
}

Role role_of(const ir::Graph& g, const ir::Node& node, const PassOptions& options, Target target) {
  if (node.inputs.empty() || node.outputs.empty() || !is_f32(g, node.outputs[0])) return Role::kWide;
  const auto asked = asked_type(options, node);
  const bool forced = asked == target.type;
  if (!forced && (!target.by_default || asked.value_or(ir::DType::kI8) != ir::DType::kI8)) return Role::kWide;
  if (one_of(node.op, {"Conv", "ConvTranspose", "MatMul", "FusedAttention"}))
    return is_f32(g, node.inputs[0]) && is_f32(g, node.inputs[1]) ? Role::kCompute : Role::kWide;
  if (recurrent(node))
    return is_f32(g, node.inputs[0]) && g.constant(node.inputs[1]) && g.constant(node.inputs[2]) ? Role::kCompute
                                                                                                 : Role::kWide;
  if (!forced && target.type == ir::DType::kF16 && is_divisor(g, node.outputs[0])) return Role::kWide;
  if (node.op != "Cast" && elementwise(g, node)) return amplifies(node) && !forced ? Role::kWide : Role::kElementwise;
  const bool follows = one_of(node.op, {"Transpose",
                                        "Reshape",
                                        "Squeeze",
                                        "Unsqueeze",
                                        "Flatten",
                                        "Identity",
                                        "Expand",
                                        "Concat",
                                        "Split",
                                        "Slice",
                                        "Pad",
                                        "Gather",
                                        "Resize",
                                        "Pool",
                                        "Softmax",
                                        "LayerNormalization",
                                        "RMSNormalization",
                                        "GroupNormalization",
                                        "InstanceNormalization",
                                        "DepthToSpace",
                                        "SpaceToDepth",
                                        "Tile"});
  return follows && is_f32(g, node.inputs[0]) ? Role::kFollows : Role::kWide;
}

/// Operands of a compute or following node that have its type.
bool shares_type(const ir::Graph& g, const ir::Node& node, size_t i) {
  const ir::ValueId v = node.inputs[i];
  if (!is_f32(g, v)) return false;
  if (node.op == "Concat") return true;
  if (node.op == "Pad") return i == 0 || i == 2;
  if (node.op == "FusedAttention") return i < 3;
  if (recurrent(node)) return i < 3 || i == 5 || i == 6;  // not the biases and peepholes
  if (one_of(node.op, {"Conv", "ConvTranspose", "MatMul"}))
    return i < 2 || (i > 2 && shape_of(g, v) == shape_of(g, node.outputs[0]));
  return i == 0;
}

class PrecisionPass {
 public:
  PrecisionPass(ir::Graph& g, PassContext& context, Target target)
      : g_(g), context_(context), target_(target), narrow_(target.type) {}

  int run() {
    const auto order = g_.topological_order();
    std::vector<ir::DType> before;
    for (ir::ValueId v : g_.outputs) before.push_back(g_.value(v).dtype);
    for (ir::ValueId v = 0; v < g_.value_count(); ++v) was_narrow_.push_back(g_.value(v).dtype == narrow_);
    assign(order);
    if (count_ == 0) return 0;
    for (ir::NodeId n : order) visit(n);
    for (size_t i = 0; i < before.size(); ++i)
      if (before[i] != narrow_) restore_output(g_.outputs[i]);
    return count_;
  }

 private:
  void assign(const std::vector<ir::NodeId>& order) {
    roles_.assign(g_.node_count(), Role::kWide);
    shares_.resize(g_.node_count());
    std::vector<int> vertex(g_.node_count(), MinCut::kSink);
    MinCut cut;
    for (ir::NodeId n : order) {
      const bool conversion = converts(g_.node(n));
      roles_[n] = conversion ? Role::kFollows : role_of(g_, g_.node(n), context_.options(), target_);
      const bool asked = roles_[n] != Role::kWide && asks_for(context_.options(), g_.node(n), narrow_);
      for (size_t i = 0; i < g_.node(n).inputs.size(); ++i) shares_[n].push_back(shares_type(g_, g_.node(n), i));
      if (roles_[n] == Role::kCompute || asked)
        vertex[n] = MinCut::kSource, ++count_;
      else if (conversion)
        vertex[n] = MinCut::kSource;
      else if (roles_[n] != Role::kWide)
        vertex[n] = cut.add_vertex();
    }
    for (ir::ValueId v = 0; v < g_.value_count(); ++v) add_edges(cut, vertex, v);
    const std::vector<bool> side = cut.solve();
    is_narrow_.assign(g_.node_count(), false);
    for (ir::NodeId n : order) is_narrow_[n] = roles_[n] != Role::kWide && side[size_t(vertex[n])];
  }
  /// A conversion of the model's own from or to the narrow type: on that side it goes away.
  bool converts(const ir::Node& node) const {
    if (node.op != "Cast" || !target_.by_default || asked_type(context_.options(), node)) return false;
    const ir::DType from = g_.value(node.inputs[0]).dtype, to = g_.value(node.outputs[0]).dtype;
    return (from == narrow_ && to == ir::DType::kF32) || (from == ir::DType::kF32 && to == narrow_);
  }
  void add_edges(MinCut& cut, const std::vector<int>& vertex, ir::ValueId v) {
    const ir::Value& value = g_.value(v);
    if (value.constant || !is_f32(g_, v)) return;
    const int producer = value.producer == ir::kNone ? MinCut::kSink : vertex[value.producer];
    const int64_t cost = relative_size(value.shape);
    if (g_.is_output(v) && producer != MinCut::kSink) cut.add_edge(producer, MinCut::kSink, cost);
    for (ir::NodeId reader : g_.users(v))
      if (vertex[reader] != producer) cut.add_edge(producer, vertex[reader], cost, cost);
  }

  void visit(ir::NodeId n) {
    const Role role = roles_[n];
    if (converts(g_.node(n))) {
      g_.node(n).attrs.edit<ops::CastAttrs>().to = narrow_;
      return ops::infer_node(g_, n);
    }
    const bool reads_narrow = std::any_of(g_.node(n).inputs.begin(), g_.node(n).inputs.end(), [&](ir::ValueId v) {
      return v != ir::kNone && g_.value(v).dtype == narrow_ && !(v < was_narrow_.size() && was_narrow_[v]);
    });
    if (!is_narrow_[n] && !reads_narrow) return;
    const bool pointwise =
        role == Role::kElementwise || (role == Role::kWide && g_.node(n).op != "Cast" &&
                                       g_.node(n).outputs.size() == 1 && elementwise(g_, g_.node(n)));
    if (pointwise) {
      make_pointwise(n, is_narrow_[n]);
    } else {
      convert_operands(n);
    }
    ops::infer_node(g_, n);
    if (is_narrow_[n] && (role == Role::kCompute || asks_for(context_.options(), g_.node(n), narrow_)))
      context_.note(g_.node(n), cat("takes ", ir::name(narrow_)));
  }

  /// The node as a program, which reads any mixture of types; its constants stay f32.
  void make_pointwise(ir::NodeId n, bool narrow) {
    const ir::ValueId y = g_.node(n).outputs[0];
    const auto e = elementwise(g_, g_.node(n));
    ProgramBuilder builder;
    builder.add(*e, y);
    builder.finish(y);
    const ir::DType type = narrow ? narrow_ : g_.value(y).dtype;
    ir::Node& node = g_.node(n);
    node.op = "Pointwise";
    node.attrs = ops::PointwiseAttrs{builder.text(), {std::string(ir::name(type))}};
    g_.set_inputs(n, builder.operands());
  }

  void convert_operands(ir::NodeId n) {
    std::vector<bool> narrow;
    for (size_t i = 0; i < g_.node(n).inputs.size(); ++i) narrow.push_back(is_narrow_[n] && shares_[n][i]);
    for (size_t i = 0; i < g_.node(n).inputs.size(); ++i) {
      const ir::ValueId v = g_.node(n).inputs[i];
      if (v == ir::kNone) continue;
      const ir::DType now = g_.value(v).dtype;
      if (narrow[i] && now == ir::DType::kF32) g_.set_input(n, i, as_type(v, narrow_));
      if (!narrow[i] && now == narrow_ && !reads_any_type(n, i)) g_.set_input(n, i, as_type(v, ir::DType::kF32));
    }
  }
  /// Epilogue operands, bias and statistics may have another type than the product.
  bool reads_any_type(ir::NodeId n, size_t i) const { return roles_[n] == Role::kCompute && is_narrow_[n] && i > 2; }

  ir::ValueId as_type(ir::ValueId v, ir::DType type) {
    if (auto it = other_.find(v); it != other_.end()) return it->second;
    const std::string name = g_.unique_name(cat(g_.value(v).name, ".", ir::name(type)));
    const ir::NodeId cast = g_.add_node("Cast", {v}, ops::CastAttrs{type});
    if (const ir::Node* p = g_.producer(v)) g_.node(cast).origin = p->origin;
    const ir::ValueId y = g_.node(cast).outputs[0];
    g_.rename(y, name);
    ops::infer_node(g_, cast);
    const bool folded = fold_node(g_, cast, context_.options().fold_limit);
    return other_[v] = folded ? g_.find(name) : y;
  }

  void restore_output(ir::ValueId& v) {
    if (g_.value(v).dtype != narrow_ || !changed_output(v)) return;
    const ir::ValueId wide = as_type(v, ir::DType::kF32);
    const std::string name = g_.value(v).name;
    g_.rename(v, g_.unique_name(cat(name, ".", ir::name(narrow_))));
    g_.rename(wide, name);
    v = wide;
  }
  bool changed_output(ir::ValueId v) const {
    const ir::NodeId p = g_.value(v).producer;
    return p != ir::kNone && p < is_narrow_.size() && is_narrow_[p];
  }

  ir::Graph& g_;
  PassContext& context_;
  Target target_;
  ir::DType narrow_;
  std::vector<Role> roles_;
  std::vector<bool> is_narrow_;
  std::vector<bool> was_narrow_;           ///< values that the model itself has in the narrow type
  std::vector<std::vector<bool>> shares_;  ///< per node and operand, as the types were before
  std::map<ir::ValueId, ir::ValueId> other_;
  int count_ = 0;
};

}  // namespace

std::optional<ir::DType> asked_type(const PassOptions& options, const ir::Node& node) {
  if (options.types.empty()) return std::nullopt;
  std::optional<ir::DType> widest;
  auto ask = [&](const std::string& name) {
    auto it = options.types.find(name);
    if (it != options.types.end() && (!widest || ir::bits(it->second) > ir::bits(*widest))) widest = it->second;
  };
  ask(node.name);
  for (size_t at = 0; at <= node.origin.size();) {
    const size_t end = std::min(node.origin.find(" + ", at), node.origin.size());
    ask(node.origin.substr(at, end - at));
    at = end + 3;
  }
  return widest;
}

int precision(ir::Graph& graph, PassContext& context) {
  const PassOptions& options = context.options();
  int count = 0;
  if (options.allow_bf16) count += PrecisionPass(graph, context, {ir::DType::kBF16, true}).run();
  if (options.allow_fp16) count += PrecisionPass(graph, context, {ir::DType::kF16, !options.allow_bf16}).run();
  return count;
}

}  // namespace tenon::passes
