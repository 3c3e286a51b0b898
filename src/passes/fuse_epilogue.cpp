// Element-wise nodes after a convolution or product become its epilogue: bias, activation, residual in one pass over
// the result.
//
// The chain grows while the value so far is read once, by an element-wise node whose result has the same shape; other
// operands must have that shape too or one number a channel. Of two convolutions that are added, the later one takes
// the addition.
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "passes/channels.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"

namespace tenon::passes {
namespace {

constexpr size_t kMaxOperands = 8;
constexpr size_t kMaxInstrs = 48;
constexpr size_t kFirstExtra = 3;  // x, weights, bias; then the epilogue's operands

bool takes_epilogue(const ir::Node& node) {
  return (node.op == "Conv" || node.op == "ConvTranspose" || node.op == "MatMul") &&
         node.attrs.find("epilogue") != nullptr;
}

size_t channel_axis(const ir::Graph& g, const ir::Node& node) {
  const size_t rank = rank_of(g, node.outputs[0]);
  const ir::Field* last = node.attrs.find("channels_last");
  return !last || last->of<bool>(node.attrs.data()) ? rank - 1 : 1;
}

/// Adds the reader of `v` to the program if it may join. Returns its result, or kNone.
ir::ValueId grow(const ir::Graph& g, ir::ValueId v, size_t axis, ProgramBuilder& builder) {
  if (!read_once(g, v)) return ir::kNone;
  const ir::Node& next = g.node(g.users(v)[0]);
  const auto e = elementwise(g, next);
  if (!e || !is_pointwise_float(g.value(next.outputs[0]).dtype) || shape_of(g, next.outputs[0]) != shape_of(g, v))
    return ir::kNone;
  if (next.op == "Cast") return ir::kNone;
  for (ir::ValueId o : e->operands)
    if (o != v && shape_of(g, o) != shape_of(g, v) && !depends_on_axis_only(g, o, shape_of(g, v), axis))
      return ir::kNone;
  if (builder.operands().size() + e->operands.size() > kMaxOperands + 1 ||
      builder.size() + e->program.instrs.size() > kMaxInstrs)
    return ir::kNone;
  builder.add(*e, next.outputs[0]);
  return next.outputs[0];
}

Match fuse(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (!takes_epilogue(node) || !is_pointwise_float(g.value(node.outputs[0]).dtype)) return std::nullopt;
  const ir::ValueId sum = node.outputs[0];
  const size_t axis = channel_axis(g, node);
  ProgramBuilder builder;
  builder.operand(sum);
  const ir::Field* field = node.attrs.find("epilogue");
  const std::string& before = field->of<std::string>(node.attrs.data());
  if (!before.empty()) return std::nullopt;
  ir::ValueId last = sum;
  std::string names;
  for (ir::ValueId v = grow(g, sum, axis, builder); v != ir::kNone; v = grow(g, v, axis, builder)) {
    last = v;
    names += cat(names.empty() ? "" : ", ", g.producer(v)->op);
  }
  if (last == sum) return std::nullopt;
  builder.finish(last);
  ir::Patch p(g, cat("takes ", names, " as epilogue"));
  std::vector<ir::ValueId> inputs = node.inputs;
  inputs.resize(kFirstExtra, ir::kNone);
  inputs.insert(inputs.end(), builder.operands().begin() + 1, builder.operands().end());
  ir::Attrs attrs = node.attrs;
  field->of<std::string>(attrs.edit_data()) = builder.text();
  p.replace(last, p.node(node.op, inputs, attrs));
  return p;
}

}  // namespace

int fuse_epilogue(ir::Graph& graph, PassContext& context) {
  int count = 0;
  const auto order = graph.topological_order();
  for (auto n = order.rbegin(); n != order.rend(); ++n) {
    if (!graph.node(*n).alive || !takes_epilogue(graph.node(*n))) continue;
    if (Match m = fuse(graph, *n)) count += apply_patch(graph, context, std::move(*m));
  }
  return count;
}

}  // namespace tenon::passes
