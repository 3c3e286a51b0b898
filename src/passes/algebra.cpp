// Equalities of real arithmetic that leave less to do or a form that later rules look for.
#include <algorithm>
#include <cmath>

#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/transpose.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

bool is_float(const ir::Graph& g, ir::ValueId v) { return is_pointwise_float(g.value(v).dtype); }

enum class Inverse : uint8_t { kNone, kRounded, kExact };

/// How the inverses of the elements of `c` are numbers of its type: kNone if one of them is too large or subnormal.
Inverse inverse_of(const ir::Tensor& c) {
  const bool half = c.dtype() == ir::DType::kF16;
  const double least = half ? 0x1p-14 : 0x1p-126, most = half ? 65504 : 0x1.fffffep127;
  Inverse found = Inverse::kExact;
  for (int64_t i = 0; i < c.count(); ++i) {
    const double v = std::fabs(c.get(i)), inverse = 1 / v;
    if (v == 0 || !std::isfinite(v)) continue;
    if (inverse < least || inverse > most) return Inverse::kNone;
    int exponent;
    if (std::frexp(v, &exponent) != 0.5) found = Inverse::kRounded;
  }
  return found;
}

/// Whether the last digit of `v` can decide: arithmetic on it ends in whole numbers or in a comparison.
bool decides(const ir::Graph& g, ir::ValueId v) {
  constexpr size_t kMost = 64;
  static constexpr std::string_view kSteps[] = {"Floor", "Ceil", "Round",       "Sign",    "Mod",
                                                "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
  std::vector<ir::ValueId> work{v};
  for (size_t i = 0; i < work.size() && i < kMost; ++i)
    for (ir::NodeId user : g.users(work[i])) {
      const ir::Node& node = g.node(user);
      const ops::OpForm form = ops::find_op(node.op).form;
      const bool whole = node.op == "Cast" && !ir::is_float(g.value(node.outputs[0]).dtype);
      if (whole || std::find(std::begin(kSteps), std::end(kSteps), node.op) != std::end(kSteps)) return true;
      if (form == ops::OpForm::kUnary || form == ops::OpForm::kBinary || form == ops::OpForm::kView)
        work.push_back(node.outputs[0]);
    }
  return false;
}

// x / c = x * (1 / c)
Match divide_by_constant(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (!g.constant(node.inputs[1]) || g.constant(node.inputs[0]) || !is_float(g, node.outputs[0])) return std::nullopt;
  const Inverse found = inverse_of(*g.constant(node.inputs[1]));
  if (found == Inverse::kNone || (found == Inverse::kRounded && decides(g, node.outputs[0]))) return std::nullopt;
  ir::Patch p(g, "a division by a constant is a product");
  const ir::ValueId inverse = p.node("Reciprocal", {node.inputs[1]});
  p.replace(node.outputs[0], p.node("Mul", {node.inputs[0], inverse}, node.attrs));
  return p;
}

// x - c = x + (-c)
Match subtract_constant(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (!g.constant(node.inputs[1]) || g.constant(node.inputs[0]) || !is_float(g, node.outputs[0])) return std::nullopt;
  ir::Patch p(g, "subtracting a constant is adding its negative");
  const ir::ValueId negative = p.node("Neg", {node.inputs[1]});
  p.replace(node.outputs[0], p.node("Add", {node.inputs[0], negative}, node.attrs));
  return p;
}

/// x + 0, x * 1, x ^ 1 with a constant that does not broadcast the result.
Match neutral_element(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const double neutral = node.op == "Add" || node.op == "Sub" ? 0 : 1;
  const bool commutative = node.op == "Add" || node.op == "Mul";
  for (size_t side : {0u, 1u}) {
    if (side == 1 && !commutative) break;
    const ir::ValueId x = node.inputs[side], c = node.inputs[1 - side];
    const auto s = g.constant(c) && g.constant(c)->count() == 1 ? scalar(g, c) : uniform(g, c);
    if (!s || *s != neutral || shape_of(g, x) != shape_of(g, node.outputs[0])) continue;
    if (g.value(x).dtype != g.value(node.outputs[0]).dtype) continue;
    ir::Patch p(g, "the constant is neutral");
    p.replace(node.outputs[0], x);
    return p;
  }
  return std::nullopt;
}

bool swaps_last_two(const ir::Graph& g, const ir::Node& transpose) {
  const auto& perm = transpose.attrs.as<ops::TransposeAttrs>().perm;
  const size_t r = rank_of(g, transpose.inputs[0]);
  if (r < 2) return false;
  if (perm.empty()) return r == 2;
  for (size_t i = 0; i + 2 < r; ++i)
    if (perm[i] != int64_t(i)) return false;
  return perm[r - 2] == int64_t(r) - 1;
}

// a @ transpose(b), with the last two axes exchanged, reads b as it is.
Match transposed_operand(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  for (size_t side : {0u, 1u}) {
    const ir::Node* t = made_by(g, node.inputs[side], "Transpose");
    if (!t || !swaps_last_two(g, *t)) continue;
    ops::MatMulAttrs attrs = node.attrs.as<ops::MatMulAttrs>();
    bool& flag = side == 0 ? attrs.transpose_a : attrs.transpose_b;
    flag = !flag;
    ir::Patch p(g, "the product reads its operand transposed");
    std::vector<ir::ValueId> inputs = node.inputs;
    inputs[side] = t->inputs[0];
    p.replace(node.outputs[0], p.node("MatMul", inputs, attrs));
    return p;
  }
  return std::nullopt;
}

// (c a) @ b = c (a @ b), for a number c and operands that are not constant.
Match scale_of_operand(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (!is_float(g, node.outputs[0])) return std::nullopt;
  for (size_t side : {0u, 1u}) {
    const ir::Node* mul = made_by(g, node.inputs[side], "Mul");
    if (!mul || !read_once(g, node.inputs[side])) continue;
    const auto sides = either(*mul, [&](ir::ValueId v) { return scalar(g, v).has_value(); });
    if (!sides || shape_of(g, sides->second) != shape_of(g, node.inputs[side])) continue;
    ops::MatMulAttrs attrs = node.attrs.as<ops::MatMulAttrs>();
    attrs.alpha *= float(*scalar(g, sides->first));
    ir::Patch p(g, "a number before a product is its factor");
    std::vector<ir::ValueId> inputs = node.inputs;
    inputs[side] = sides->second;
    p.replace(node.outputs[0], p.node("MatMul", inputs, attrs));
    return p;
  }
  return std::nullopt;
}

// c (a @ b), for a number c.
Match scale_of_product(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  if (!is_float(g, node.outputs[0])) return std::nullopt;
  const auto sides = either(node, [&](ir::ValueId v) { return scalar(g, v).has_value(); });
  if (!sides) return std::nullopt;
  const ir::Node* product = made_by(g, sides->second, "MatMul");
  if (!product || !read_once(g, sides->second) || product->inputs.size() > 2) return std::nullopt;
  if (shape_of(g, sides->second) != shape_of(g, node.outputs[0])) return std::nullopt;
  ops::MatMulAttrs attrs = product->attrs.as<ops::MatMulAttrs>();
  if (!attrs.epilogue.empty()) return std::nullopt;
  attrs.alpha *= float(*scalar(g, sides->first));
  ir::Patch p(g, "a number after a product is its factor");
  p.replace(node.outputs[0], p.node("MatMul", product->inputs, attrs));
  return p;
}

/// Where(c, a, b) with a constant c that is the same everywhere and does not broadcast the result.
Match decided(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::Tensor* c = g.constant(node.inputs[0]);
  if (!c || c->count() == 0 || c->dtype() != ir::DType::kBool) return std::nullopt;
  const auto values = c->data().first(size_t(c->bytes()));
  if (std::any_of(values.begin(), values.end(), [&](std::byte b) { return b != values[0]; })) return std::nullopt;
  const ir::ValueId taken = node.inputs[values[0] != std::byte{0} ? 1 : 2], y = node.outputs[0];
  if (g.value(taken).dtype != g.value(y).dtype || shape_of(g, taken) != shape_of(g, y)) return std::nullopt;
  ir::Patch p(g, "the condition is the same everywhere");
  p.replace(y, taken);
  return p;
}

constexpr Rule kRules[] = {
    {"Add", neutral_element},     {"Sub", neutral_element},
    {"Mul", neutral_element},     {"Div", neutral_element},
    {"Pow", neutral_element},     {"Div", divide_by_constant},
    {"Sub", subtract_constant},   {"MatMul", transposed_operand},
    {"MatMul", scale_of_operand}, {"Mul", scale_of_product},
    {"Where", decided},
};

}  // namespace

int algebra(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
