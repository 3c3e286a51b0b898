// Activations that a model spells out, wherever it puts its factors:
//
//   silu(x)       = x * sigmoid(x)
//   gelu_erf(x)   = 0.5 * x * (1 + erf(x / sqrt(2)))
//   gelu_tanh(x)  = 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
//   hard_swish(x) = x * clip(x + 3, 0, 6) / 6 = x * hard_sigmoid(x, 1 / 6, 1 / 2)
//   mish(x)       = x * tanh(softplus(x)) = x * tanh(log(1 + exp(x)))
#include <algorithm>
#include <cmath>

#include "ops/fused/pointwise.h"
#include "ops/math/activation.h"
#include "ops/math/clip.h"
#include "passes/elementwise.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

constexpr double kRounded = 1e-3;  ///< of constants that 16-bit models round and exporters write with four digits
constexpr double kExact = 1e-6;    ///< of numbers that every type holds

bool near(double a, double b) { return std::fabs(a - b) <= kRounded * std::fabs(b); }
bool is(double a, double b) { return std::fabs(a - b) <= kExact * std::fabs(b); }

/// A product: a number times values. x^2 and x^3 count as repeated factors.
struct Product {
  double number = 1;
  std::vector<ir::ValueId> factors;
};

void collect(const ir::Graph& g, ir::ValueId v, int depth, Product& out) {
  if (const auto s = scalar(g, v)) {
    out.number *= *s;
    return;
  }
  const ir::Node* n = g.producer(v);
  if (n && depth > 0 && out.factors.size() < 8) {
    if (n->op == "Mul") {
      collect(g, n->inputs[0], depth - 1, out);
      return collect(g, n->inputs[1], depth - 1, out);
    }
    if (n->op == "Div")
      if (const auto s = scalar(g, n->inputs[1]); s && *s != 0) {
        out.number /= *s;
        return collect(g, n->inputs[0], depth - 1, out);
      }
    if (n->op == "Pow")
      if (const auto s = scalar(g, n->inputs[1]); s && (*s == 2 || *s == 3)) {
        for (int i = 0; i < int(*s); ++i) collect(g, n->inputs[0], depth - 1, out);
        return;
      }
  }
  out.factors.push_back(v);
}

Product product(const ir::Graph& g, ir::ValueId v) {
  Product p;
  collect(g, v, 6, p);
  return p;
}

/// `v` is f(x) for the unary operator `f`; gives x.
std::optional<ir::ValueId> argument(const ir::Graph& g, ir::ValueId v, std::string_view op) {
  const ir::Node* n = made_by(g, v, op);
  if (!n) return std::nullopt;
  return n->inputs[0];
}

/// `v` is x + `number`; gives x.
std::optional<ir::ValueId> plus(const ir::Graph& g, ir::ValueId v, double number) {
  const ir::Node* n = made_by(g, v, "Add");
  if (!n) return std::nullopt;
  const auto sides = either(*n, [&](ir::ValueId o) {
    const auto s = scalar(g, o);
    return s && is(*s, number);
  });
  if (!sides) return std::nullopt;
  return sides->second;
}

bool is_x(const Product& p, double number, ir::ValueId x) {
  return near(p.number, number) && p.factors.size() == 1 && p.factors[0] == x;
}

/// sqrt(2 / pi) * (x + 0.044715 * x^3), or with x taken out.
bool gelu_tanh_inner(const ir::Graph& g, ir::ValueId v, ir::ValueId x) {
  const Product p = product(g, v);
  if (!near(p.number, 0.7978845608)) return false;
  if (p.factors.size() == 1) {
    const ir::Node* sum = made_by(g, p.factors[0], "Add");
    if (!sum) return false;
    const auto sides = either(*sum, [&](ir::ValueId o) { return o == x; });
    if (!sides) return false;
    const Product cube = product(g, sides->second);
    return near(cube.number, 0.044715) && cube.factors == std::vector<ir::ValueId>{x, x, x};
  }
  if (p.factors.size() != 2) return false;
  for (size_t k : {0u, 1u}) {
    if (p.factors[k] != x) continue;
    const auto square = plus(g, p.factors[1 - k], 1);
    if (!square) continue;
    const Product s = product(g, *square);
    if (near(s.number, 0.044715) && s.factors == std::vector<ir::ValueId>{x, x}) return true;
  }
  return false;
}

bool softplus_of(const ir::Graph& g, ir::ValueId v, ir::ValueId x) {
  if (const auto a = argument(g, v, "Softplus")) return *a == x;
  const auto inner = argument(g, v, "Log");
  const auto sum = inner ? plus(g, *inner, 1) : std::nullopt;
  const auto e = sum ? argument(g, *sum, "Exp") : std::nullopt;
  return e && *e == x;
}

/// The function that number * x * gate is of x, or "".
std::string_view gated(const ir::Graph& g, double number, ir::ValueId x, ir::ValueId gate) {
  if (const auto a = argument(g, gate, "Sigmoid")) return is(number, 1) && *a == x ? "silu" : "";
  if (const auto sum = plus(g, gate, 1)) {
    if (!is(number, 0.5)) return "";
    if (const auto a = argument(g, *sum, "Erf")) return is_x(product(g, *a), 0.70710678, x) ? "gelu_erf" : "";
    if (const auto a = argument(g, *sum, "Tanh")) return gelu_tanh_inner(g, *a, x) ? "gelu_tanh" : "";
    return "";
  }
  if (const ir::Node* n = made_by(g, gate, "HardSigmoid")) {
    const auto& a = n->attrs.as<ops::AlphaBetaAttrs>();
    const bool fits = is(number, 1) && near(double(a.alpha), 1.0 / 6) && near(double(a.beta), 0.5);
    return fits && n->inputs[0] == x ? "hard_swish" : "";
  }
  if (const ir::Node* n = made_by(g, gate, "Clip")) {
    const auto& a = n->attrs.as<ops::ClipAttrs>();
    const auto sum = plus(g, n->inputs[0], 3);
    return near(number, 1.0 / 6) && a.min == 0 && a.max == 6 && sum && *sum == x ? "hard_swish" : "";
  }
  if (const auto a = argument(g, gate, "Tanh")) return is(number, 1) && softplus_of(g, *a, x) ? "mish" : "";
  return "";
}

Match activation(const ir::Graph& g, ir::NodeId n) {
  const ir::ValueId y = g.node(n).outputs[0];
  if (!is_pointwise_float(g.value(y).dtype)) return std::nullopt;
  const Product p = product(g, y);
  if (p.factors.size() != 2) return std::nullopt;
  for (size_t k : {0u, 1u}) {
    const ir::ValueId x = p.factors[k], gate = p.factors[1 - k];
    const std::string_view fn = gated(g, p.number, x, gate);
    if (fn.empty() || shape_of(g, x) != shape_of(g, y)) continue;
    ir::Patch patch(g, cat("computes ", fn, "(x)"));
    patch.replace(y, patch.node("Pointwise", {x}, ops::PointwiseAttrs{cat(fn, "(i0)"), {}}));
    return patch;
  }
  return std::nullopt;
}

constexpr Rule kRules[] = {{"Mul", activation}, {"Div", activation}};

}  // namespace

int recognize_activations(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
