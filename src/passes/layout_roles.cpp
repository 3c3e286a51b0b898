#include <algorithm>

#include "ops/op.h"
#include "ops/shape/reshape.h"
#include "ops/shape/transpose.h"
#include "passes/fold.h"
#include "passes/layout.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

bool one_of(std::string_view op, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

/// QuantizeLinear and DequantizeLinear with parameters of the tensor or of one axis.
bool quantizes_by_axis(const ir::Graph& g, const ir::Node& node) {
  return one_of(node.op, {"QuantizeLinear", "DequantizeLinear"}) && rank_of(g, node.inputs[1]) <= 1;
}

bool ranked(const ir::Graph& g, ir::ValueId v) { return v != ir::kNone && g.value(v).ranked; }

bool elementwise(const ir::Node& node) {
  const ops::OpForm form = ops::find_op(node.op).form;
  return form == ops::OpForm::kUnary || form == ops::OpForm::kBinary || node.op == "Identity" ||
         one_of(node.op, {"Pointwise", "Where", "PRelu", "Clip", "Cast", "Min", "Max", "Sum"});
}

/// Every operand has the result's rank, is constant, or has one element.
bool broadcasts_by_rank(const ir::Graph& g, const ir::Node& node) {
  const size_t rank = rank_of(g, node.outputs[0]);
  for (ir::ValueId v : node.inputs) {
    if (v == ir::kNone || g.constant(v)) continue;
    const ir::Shape& s = shape_of(g, v);
    const bool one = std::all_of(s.begin(), s.end(), [](ir::Dim d) { return d == 1; });
    if (s.size() != rank && !one) return false;
  }
  return true;
}

std::vector<int64_t>* axes_attribute(ir::Attrs& attrs) {
  const ir::Field* f = attrs.find("axes");
  return f && f->kind == ir::FieldKind::kInts ? &f->of<std::vector<int64_t>>(attrs.edit_data()) : nullptr;
}

size_t front(int64_t axis, size_t rank) { return size_t(axis < 0 ? axis + int64_t(rank) : axis); }

/// Whether the axes that a reduction without keepdims leaves stand in the same order in both layouts.
bool reduction_follows(const ir::Graph& g, const ir::Node& node, bool& ends) {
  ir::Attrs attrs = node.attrs;
  const auto* axes = axes_attribute(attrs);
  const ir::Field* keep = attrs.find("keepdims");
  if (!axes || !keep || node.inputs.size() > 1) return false;
  const size_t rank = rank_of(g, node.inputs[0]);
  ends = !keep->of<bool>(attrs.data());
  if (!ends) return true;
  std::vector<bool> gone(rank, false);
  for (int64_t a : *axes) gone[front(a, rank)] = true;
  bool spatial_left = false;
  for (size_t i = 2; i < rank; ++i) spatial_left = spatial_left || !gone[i];
  return !spatial_left || gone[1];
}

/// [N, C, 1, …] to [N, C].
bool drops_unit_axes(const ir::Graph& g, const ir::Node& node) {
  const ir::Shape &x = shape_of(g, node.inputs[0]), &y = shape_of(g, node.outputs[0]);
  return x.size() >= 3 && y.size() == 2 && x[0] == y[0] && x[1] == y[1] &&
         std::all_of(x.begin() + 2, x.end(), [](ir::Dim d) { return d == 1; });
}

LayoutRole role_of_flagged(const ir::Node& node) {
  const ir::Field* f = node.attrs.find("channels_last");
  if (f->of<bool>(node.attrs.data())) return LayoutRole::kFixed;
  if (one_of(node.op, {"Conv", "ConvTranspose"})) return LayoutRole::kPrefers;
  const bool one_result = node.outputs.size() == 1 || std::all_of(node.outputs.begin() + 1, node.outputs.end(),
                                                                  [](ir::ValueId v) { return v == ir::kNone; });
  return one_result ? LayoutRole::kFollows : LayoutRole::kFixed;
}

}  // namespace

std::vector<int64_t> to_channels_last(size_t rank) {
  std::vector<int64_t> perm{0};
  for (size_t i = 2; i < rank; ++i) perm.push_back(int64_t(i));
  perm.push_back(1);
  return perm;
}
std::vector<int64_t> to_channels_first(size_t rank) {
  std::vector<int64_t> perm{0, int64_t(rank) - 1};
  for (size_t i = 1; i + 1 < rank; ++i) perm.push_back(int64_t(i));
  return perm;
}

LayoutRole layout_role(const ir::Graph& g, const ir::Node& node) {
  if (node.inputs.empty() || node.outputs.empty() || !ranked(g, node.inputs[0]) || !ranked(g, node.outputs[0]))
    return LayoutRole::kFixed;
  const ir::ValueId x = node.inputs[0];
  const size_t rank = std::max(rank_of(g, x), rank_of(g, node.outputs[0]));
  if (rank < 3 || rank > 6) return LayoutRole::kFixed;
  if (node.attrs.find("channels_last")) return role_of_flagged(node);
  if (elementwise(node)) return broadcasts_by_rank(g, node) ? LayoutRole::kFollows : LayoutRole::kFixed;
  if (node.op == "Transpose") return LayoutRole::kTransposes;
  if (one_of(node.op, {"Concat", "Softmax", "LogSoftmax"})) return LayoutRole::kFollows;
  if (node.op == "Split" || node.op == "Resize" || quantizes_by_axis(g, node)) return LayoutRole::kFollows;
  if (node.op == "Pad")
    return node.inputs.size() <= 3 && g.constant(node.inputs[1]) ? LayoutRole::kFollows : LayoutRole::kFixed;
  if (node.op == "Slice")
    return node.inputs.size() < 4 || node.inputs[3] == ir::kNone || g.constant(node.inputs[3]) ? LayoutRole::kFollows
                                                                                               : LayoutRole::kFixed;
  if (node.op == "Gather")
    return g.constant(node.inputs[1]) && rank_of(g, node.inputs[1]) == 1 ? LayoutRole::kFollows : LayoutRole::kFixed;
  bool ends = false;
  if (node.op == "Reduce" && reduction_follows(g, node, ends)) return ends ? LayoutRole::kEnds : LayoutRole::kFollows;
  if (one_of(node.op, {"Reshape", "Flatten", "Squeeze"}) && drops_unit_axes(g, node)) return LayoutRole::kEnds;
  return LayoutRole::kFixed;
}

bool has_layout(const ir::Graph& g, const ir::Node& node, ir::ValueId v) {
  if (v == ir::kNone || !g.value(v).ranked) return false;
  const bool result = std::find(node.outputs.begin(), node.outputs.end(), v) != node.outputs.end();
  const size_t rank = rank_of(g, v);
  if (one_of(node.op, {"Conv", "ConvTranspose"}))  // weights and bias are always as they are
    return result || v == node.inputs[0] ||
           (node.inputs.size() > 3 && std::find(node.inputs.begin() + 3, node.inputs.end(), v) != node.inputs.end() &&
            rank == rank_of(g, node.outputs[0]));
  if (elementwise(node)) return rank == rank_of(g, node.outputs[0]);
  if (node.op == "Concat" || result) return true;
  return v == node.inputs[0];
}

namespace {

/// A constant operand of lower rank takes leading ones, so that permuting it does not depend on its rank.
void lay_out_constants(ir::Graph& g, ir::NodeId n) {
  const size_t rank = rank_of(g, g.node(n).outputs[0]);
  for (size_t i = 0; i < g.node(n).inputs.size(); ++i) {
    const ir::ValueId v = g.node(n).inputs[i];
    const ir::Tensor* t = g.constant(v);
    if (!t || t->dims().size() == rank || t->count() == 1) continue;
    ir::Dims dims(rank - t->dims().size(), 1);
    dims.insert(dims.end(), t->dims().begin(), t->dims().end());
    g.set_input(n, i, g.add_constant(t->reshaped(dims), g.unique_name(g.value(v).name)));
  }
}

int64_t channels_last_axis(int64_t axis, size_t rank) {
  const size_t a = front(axis, rank);
  return a == 0 ? 0 : a == 1 ? int64_t(rank) - 1 : int64_t(a) - 1;
}

void permute_pads(ir::Graph& g, ir::NodeId n, size_t rank) {
  const std::vector<int64_t> pads = g.constant(g.node(n).inputs[1])->to_ints();
  std::vector<int64_t> moved;
  for (size_t half : {size_t(0), rank})
    for (int64_t p : to_channels_last(rank)) moved.push_back(pads.at(half + size_t(p)));
  g.set_input(n, 1, g.add_constant(ir::Tensor::vector_i64(moved)));
}

void move_slice_axes(ir::Graph& g, ir::NodeId n, size_t rank) {
  const ir::Node& node = g.node(n);
  std::vector<int64_t> axes;
  if (node.inputs.size() > 3 && node.inputs[3] != ir::kNone)
    axes = g.constant(node.inputs[3])->to_ints();
  else
    for (int64_t i = 0; i < shape_of(g, node.inputs[1])[0].constant(); ++i) axes.push_back(i);
  for (int64_t& a : axes) a = channels_last_axis(a, rank);
  const ir::ValueId moved = g.add_constant(ir::Tensor::vector_i64(axes));
  if (node.inputs.size() > 3)
    g.set_input(n, 3, moved);
  else
    g.add_node_input(n, moved);
}

}  // namespace

void make_channels_last(ir::Graph& g, ir::NodeId n) {
  ir::Node& node = g.node(n);
  const size_t rank = rank_of(g, node.inputs[0]);
  if (const ir::Field* f = node.attrs.find("channels_last")) {
    f->of<bool>(node.attrs.edit_data()) = true;
  } else if (elementwise(node)) {
    lay_out_constants(g, n);
  } else if (node.op == "Pad") {
    permute_pads(g, n, rank);
  } else if (node.op == "Slice") {
    move_slice_axes(g, n, rank);
  } else if (one_of(node.op, {"Reshape", "Flatten", "Squeeze"})) {
    const ir::ValueId shape = g.add_constant(ir::Tensor::vector_i64(std::vector<int64_t>{0, -1}));
    node.op = "Reshape";
    node.attrs = ops::ReshapeAttrs{};
    g.set_inputs(n, {g.node(n).inputs[0], shape});
  } else if (std::vector<int64_t>* axes = axes_attribute(node.attrs)) {
    if (axes->empty() && node.op == "Resize")  // entries of scales and sizes keep their order
      for (size_t i = 0; i < rank; ++i) axes->push_back(int64_t(i));
    for (int64_t& a : *axes) a = channels_last_axis(a, rank);
  } else if (const ir::Field* axis = node.attrs.find("axis")) {
    int64_t& a = axis->of<int64_t>(node.attrs.edit_data());
    a = channels_last_axis(a, rank);
  }
}

}  // namespace tenon::passes
