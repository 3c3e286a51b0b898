// Normalisations that a model spells out:
//
//   layer_norm(x) = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias
//   rms_norm(x)   = x / sqrt(mean(x^2) + epsilon) * scale
//
// over the last axes, or over axis 1 (then between transpositions, which the layout pass settles).
#include <algorithm>

#include "base/checked.h"
#include "ops/math/reduce.h"
#include "ops/nn/norm.h"
#include "ops/op.h"
#include "ops/shape/transpose.h"
#include "passes/layout.h"
#include "passes/pass_list.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

struct Mean {
  ir::ValueId of = ir::kNone;
  std::vector<int64_t> axes;  ///< ascending, from the front
};

std::optional<Mean> mean(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* n = made_by(g, v, "Reduce");
  if (!n) return std::nullopt;
  const auto& a = n->attrs.as<ops::ReduceAttrs>();
  if (a.kind != ops::ReduceKind::kMean || !a.keepdims || a.axes.empty()) return std::nullopt;
  Mean m{n->inputs[0], a.axes};
  const int64_t rank = int64_t(rank_of(g, m.of));
  for (int64_t& axis : m.axes) axis += axis < 0 ? rank : 0;
  std::sort(m.axes.begin(), m.axes.end());
  return m;
}

/// `v` is q^2; gives q.
std::optional<ir::ValueId> squared(const ir::Graph& g, ir::ValueId v) {
  if (const ir::Node* n = made_by(g, v, "Mul"); n && n->inputs[0] == n->inputs[1]) return n->inputs[0];
  if (const ir::Node* n = made_by(g, v, "Pow"); n && is_scalar(g, n->inputs[1], 2)) return n->inputs[0];
  return std::nullopt;
}

/// `v` is numerator / sqrt(inner), in one of its spellings.
struct Ratio {
  ir::ValueId numerator, inner;
};
std::optional<Ratio> over_root(const ir::Graph& g, const ir::Node& node) {
  if (node.op == "Div") {
    const ir::Node* root = made_by(g, node.inputs[1], "Sqrt");
    if (!root) return std::nullopt;
    return Ratio{node.inputs[0], root->inputs[0]};
  }
  for (size_t side : {0u, 1u}) {
    const ir::ValueId v = node.inputs[side];
    if (const ir::Node* inverse = made_by(g, v, "Reciprocal"))
      if (const ir::Node* root = made_by(g, inverse->inputs[0], "Sqrt"))
        return Ratio{node.inputs[1 - side], root->inputs[0]};
    if (const ir::Node* power = made_by(g, v, "Pow"); power && is_scalar(g, power->inputs[1], -0.5))
      return Ratio{node.inputs[1 - side], power->inputs[0]};
  }
  return std::nullopt;
}

struct Normalization {
  ir::ValueId x = ir::kNone;
  std::vector<int64_t> axes;
  double epsilon = 0;
  bool centred = false;
};

std::optional<Normalization> normalization(const ir::Graph& g, const ir::Node& node) {
  const auto ratio = over_root(g, node);
  const ir::Node* sum = ratio ? made_by(g, ratio->inner, "Add") : nullptr;
  if (!sum) return std::nullopt;
  const auto sides = either(*sum, [&](ir::ValueId v) { return scalar(g, v).has_value(); });
  const auto m = sides ? mean(g, sides->second) : std::nullopt;
  const auto q = m ? squared(g, m->of) : std::nullopt;
  if (!q || *q != ratio->numerator) return std::nullopt;
  Normalization out{*q, m->axes, *scalar(g, sides->first), false};
  if (const ir::Node* sub = made_by(g, *q, "Sub"))
    if (const auto centre = mean(g, sub->inputs[1]);
        centre && centre->of == sub->inputs[0] && centre->axes == m->axes) {
      out.x = sub->inputs[0];
      out.centred = true;
    }
  return out;
}

/// The constant that the only reader of `v` multiplies with (or adds), if it depends on the normalised axes only.
std::optional<std::pair<ir::ValueId, ir::ValueId>> parameter(const ir::Graph& g, ir::ValueId v, std::string_view op,
                                                             size_t first) {
  if (!read_once(g, v)) return std::nullopt;
  const ir::Node& next = g.node(g.users(v)[0]);
  if (next.op != op) return std::nullopt;
  const ir::ValueId c = next.inputs[0] == v ? next.inputs[1] : next.inputs[0];
  const ir::Shape &x = shape_of(g, v), &y = shape_of(g, next.outputs[0]);
  if (!g.constant(c) || y != x || g.value(c).dtype != g.value(v).dtype) return std::nullopt;
  const ir::Dims& dims = g.constant(c)->dims();
  const size_t offset = x.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != 1 && offset + i < first) return std::nullopt;
  return std::pair{c, next.outputs[0]};
}

/// The parameter with the dims of the normalised axes, or ones.
ir::ValueId full_parameter(ir::Patch& p, const ir::Graph& g, ir::ValueId c, const std::vector<int64_t>& dims) {
  if (c != ir::kNone && g.constant(c)->dims() == dims) return c;
  const ir::ValueId shape = p.constant(ir::Tensor::vector_i64(dims));
  const ir::ValueId from = c == ir::kNone ? p.constant(ir::Tensor::scalar_f32(1)) : c;
  if (c != ir::kNone && g.constant(c)->count() == checked_product(dims))
    return p.node("Reshape", {c, shape}, ir::Attrs(ops::find_op("Reshape").attrs));
  return p.node("Expand", {from, shape});
}

/// Broadcast against [N, C, …] of `rank`, at most the channel matters.
bool varies_along_channels(const ir::Tensor& t, size_t rank) {
  const ir::Dims& d = t.dims();
  return t.count() == 1 || (d.size() >= rank - 1 && t.count() == d[d.size() - (rank - 1)]);
}

Match recognize(const ir::Graph& g, ir::NodeId n) {
  const ir::Node& node = g.node(n);
  const ir::ValueId core = node.outputs[0];
  if (g.value(core).dtype != ir::DType::kF32) return std::nullopt;
  const auto norm = normalization(g, node);
  if (!norm) return std::nullopt;
  const ir::Shape& shape = shape_of(g, core);
  const size_t rank = shape.size(), first = size_t(norm->axes.front());
  const bool trailing = first + norm->axes.size() == rank;
  const bool channels = norm->axes.size() == 1 && first == 1 && rank >= 3;
  if (!trailing && !channels) return std::nullopt;
  std::vector<int64_t> dims;
  for (int64_t a : norm->axes) {
    if (!shape[size_t(a)].is_const()) return std::nullopt;
    dims.push_back(shape[size_t(a)].constant());
  }
  if (shape != shape_of(g, norm->x)) return std::nullopt;
  ir::ValueId last = core, scale = ir::kNone, bias = ir::kNone;
  const auto fits = [&](ir::ValueId c) { return trailing || varies_along_channels(*g.constant(c), rank); };
  if (const auto s = parameter(g, last, "Mul", first); s && fits(s->first)) {
    scale = s->first, last = s->second;
    if (norm->centred)
      if (const auto b = parameter(g, last, "Add", first); b && fits(b->first)) bias = b->first, last = b->second;
  }
  ir::Patch p(g, norm->centred ? "computes a layer normalisation" : "computes a root-mean-square normalisation");
  std::vector<ir::ValueId> inputs{norm->x, full_parameter(p, g, scale, dims)};
  if (bias != ir::kNone) inputs.push_back(full_parameter(p, g, bias, dims));
  if (!trailing) inputs[0] = p.node("Transpose", {norm->x}, ops::TransposeAttrs{to_channels_last(rank)});
  const ops::LayerNormAttrs attrs{trailing ? int64_t(first) : int64_t(rank) - 1, float(norm->epsilon)};
  ir::ValueId y = p.node(norm->centred ? "LayerNormalization" : "RMSNormalization", inputs, attrs);
  if (!trailing) y = p.node("Transpose", {y}, ops::TransposeAttrs{to_channels_first(rank)});
  p.replace(last, y);
  return p;
}

constexpr Rule kRules[] = {{"Div", recognize}, {"Mul", recognize}};

}  // namespace

int recognize_normalizations(ir::Graph& graph, PassContext& context) { return apply_rules(graph, context, kRules); }

}  // namespace tenon::passes
