#include "ops/trt/expand.h"

#include <algorithm>
#include <cmath>

#include "ops/data/depth_to_space.h"
#include "ops/detect/non_max_suppression.h"
#include "ops/math/activation.h"
#include "ops/math/ordering.h"
#include "ops/math/reduce.h"
#include "ops/nn/batch_norm.h"
#include "ops/nn/norm.h"
#include "ops/shape/split.h"
#include "ops/support.h"
#include "ops/trt/names.h"
#include "ops/trt/raise.h"

namespace tenon::ops::trt {
namespace {

using Setting = std::variant<bool, int64_t, float, Ints, DType, Tensor>;
using Settings = std::vector<std::pair<std::string_view, Setting>>;

constexpr int64_t kSigmoid = 1, kTanh = 2, kSoftplus = 7, kHardSigmoid = 9;  // ActivationType

/// What a rule sees and makes: layers, and core nodes between them.
class ExpandContext : public LowerContext {
 public:
  using LowerContext::LowerContext;

  std::vector<ValueId> layer_n(std::string_view op, std::vector<ValueId> inputs, const Settings& settings,
                               size_t count) {
    ir::Attrs attrs(find_layer(op)->attrs);
    for (const auto& [name, value] : settings) {
      const ir::Field* field = attrs.find(name);
      require(field != nullptr, ErrorCode::kInternal, op, " has no field '", name, "'");
      std::visit([&](const auto& v) { field->of<std::decay_t<decltype(v)>>(attrs.edit_data()) = v; }, value);
    }
    const ir::NodeId n = graph().add_node(std::string(op), std::move(inputs), std::move(attrs), count);
    infer_node(graph(), n);
    layers.push_back(n);
    return graph().node(n).outputs;
  }
  ValueId layer(std::string_view op, std::vector<ValueId> inputs, const Settings& settings = {}) {
    return layer_n(op, std::move(inputs), settings, 1)[0];
  }
  ValueId activation(ValueId x, int64_t type, float alpha = 0, float beta = 0) {
    return layer("trt.Activation", {x}, {{"activation_type", type}, {"alpha", alpha}, {"beta", beta}});
  }
  ValueId elementwise(std::string_view op, ValueId a, ValueId b) {
    return layer("trt.ElementWise", {a, b},
                 {{"operation", int64_t(number_of(kElementWiseOps, op))}, {"mixed_ranks", rank(a) != rank(b)}});
  }
  ValueId unary(std::string_view op, ValueId x) {
    return layer("trt.Unary", {x}, {{"operation", int64_t(number_of(kUnaryOps, op))}});
  }
  ValueId reshape(ValueId x, Ints dims, Ints order_after = {}) {
    return layer(
        "trt.Shuffle", {x},
        {{"reshape_dimensions", std::move(dims)}, {"reshapes", true}, {"second_transpose", std::move(order_after)}});
  }
  /// Dims of a value, if they are numbers.
  std::optional<Ints> numbers(ValueId v) const {
    if (!ir::is_static(shape(v))) return std::nullopt;
    return ir::static_dims(shape(v));
  }
  size_t axis(int64_t given) const { return normalized_axis(given, rank(input(0))); }
  const Tensor* constant_input(size_t i) { return has(i) ? graph().constant(input(i)) : nullptr; }
  using LowerContext::constant;

  std::vector<ir::NodeId> layers;
};

/// Where each part begins and how long it is, if both are numbers.
std::optional<std::pair<Ints, Ints>> parts_of(ExpandContext& c, size_t axis) {
  const size_t count = c.outputs.size();
  Ints sizes;
  if (const Tensor* given = c.constant_input(1)) {
    sizes = given->to_ints();
  } else {
    const ir::Dim extent = c.shape(c.input(0))[axis];
    if (c.has(1) || !extent.is_const()) return std::nullopt;
    const int64_t size = (extent.constant() + int64_t(count) - 1) / int64_t(count);
    sizes.assign(count, size);
    sizes.back() = extent.constant() - size * int64_t(count - 1);
  }
  Ints starts(1, 0);
  for (size_t i = 0; i + 1 < sizes.size(); ++i) starts.push_back(starts[i] + sizes[i]);
  return std::pair{starts, sizes};
}

void expand_split(ExpandContext& c) {
  const ValueId x = c.input(0);
  const size_t axis = c.axis(c.attrs<SplitAttrs>().axis);
  if (const auto parts = parts_of(c, axis)) {
    const auto whole = c.numbers(x);
    for (size_t i = 0; i < c.outputs.size(); ++i) {
      Ints start(1, parts->first[i]), size(1, parts->second[i]), axes(1, int64_t(axis));
      if (whole) {  // every axis, as interfaces without getAxes() show it
        start.assign(whole->size(), 0), size = *whole, axes.clear();
        start[axis] = parts->first[i], size[axis] = parts->second[i];
      }
      const Ints steps(start.size(), 1);
      c.output(i, c.layer("trt.Slice", {x}, {{"start", start}, {"size", size}, {"stride", steps}, {"axes", axes}}));
    }
    return;
  }
  // Parts of an axis whose extent is not known: sizes are computed, or given as a tensor.
  const auto n = int64_t(c.outputs.size());
  const ValueId extent = c.onnx("Gather", {c.onnx("Shape", {x}), c.ints({int64_t(axis)})}, {{"axis", int64_t{0}}});
  const ValueId part = c.has(1) ? ir::kNone : c.onnx("Div", {c.onnx("Add", {extent, c.ints({n - 1})}), c.ints({n})});
  ValueId start = c.ints({0});
  for (int64_t i = 0; i < n; ++i) {
    ValueId size = part;
    if (c.has(1))
      size = c.onnx("Gather", {c.cast(c.input(1), DType::kI64), c.ints({i})}, {{"axis", int64_t{0}}});
    else if (i + 1 == n)
      size = c.onnx("Sub", {extent, start});
    c.output(size_t(i), c.layer("trt.Slice", {x, start, size}, {{"stride", Ints{1}}, {"axes", Ints{int64_t(axis)}}}));
    if (i + 1 < n) start = c.onnx("Add", {start, size});
  }
}

/// The layer wants scores by box and class.
void expand_nms(ExpandContext& c) {
  const ir::Dim boxes = c.shape(c.input(0)).at(1);
  const int64_t limit = boxes.is_const() ? std::max<int64_t>(boxes.constant(), 5000) : INT32_MAX;
  std::vector<ValueId> inputs = c.inputs();
  inputs[1] = c.layer("trt.Shuffle", {c.input(1)}, {{"first_transpose", Ints{0, 2, 1}}});
  if (!c.has(2)) {
    inputs.resize(std::max<size_t>(inputs.size(), 3), ir::kNone);
    inputs[2] = c.ints({0});
  }
  const bool center = c.attrs<NonMaxSuppressionAttrs>().center_point_box;
  c.output(0, c.layer_n(
                  "trt.NMS", std::move(inputs),
                  {{"bounding_box_format", int64_t{center}}, {"top_k_box_limit", limit}, {"indices_type", DType::kI64}},
                  2)[0]);
}

/// Scale and bias of channels, then the normalization of `axes`.
void add_normalization(ExpandContext& c, int64_t axes, int64_t groups, float epsilon) {
  Ints dims(c.rank(c.input(0)), 1);
  dims[1] = -1;
  const ValueId scale = c.reshape(c.input(1), dims), bias = c.reshape(c.input(2), dims);
  c.output(0, c.layer("trt.Normalization", {c.input(0), scale, bias},
                      {{"axes", axes}, {"nb_groups", groups}, {"epsilon", epsilon}}));
}
int64_t axes_from(ExpandContext& c, size_t first) {
  return ((int64_t{1} << c.rank(c.input(0))) - 1) & ~((int64_t{1} << first) - 1);
}
void expand_instance_norm(ExpandContext& c) {
  if (c.rank(c.input(0)) > 2) add_normalization(c, axes_from(c, 2), 1, c.attrs<InstanceNormAttrs>().epsilon);
}
void expand_group_norm(ExpandContext& c) {
  const auto& a = c.attrs<GroupNormAttrs>();
  if (c.rank(c.input(0)) > 2) add_normalization(c, axes_from(c, a.num_groups == 1 ? 1 : 2), a.num_groups, a.epsilon);
}

void expand_silu(ExpandContext& c) {
  if (c.node().op == "Swish" && c.attrs<AlphaAttrs>().alpha != 1) return;
  c.output(0, c.elementwise("Mul", c.input(0), c.activation(c.input(0), kSigmoid)));
}
void expand_hard_swish(ExpandContext& c) {
  c.output(0, c.elementwise("Mul", c.input(0), c.activation(c.input(0), kHardSigmoid, 1.0f / 6, 0.5f)));
}
void expand_mish(ExpandContext& c) {
  const ValueId inner = c.activation(c.activation(c.input(0), kSoftplus, 1, 1), kTanh);
  c.output(0, c.elementwise("Mul", c.input(0), inner));
}
void expand_square(ExpandContext& c) { c.output(0, c.elementwise("Mul", c.input(0), c.input(0))); }

void expand_or_equal(ExpandContext& c) {
  const ValueId strict = c.elementwise(c.node().op == "GreaterOrEqual" ? "Greater" : "Less", c.input(0), c.input(1));
  c.output(0, c.elementwise("Or", strict, c.elementwise("Equal", c.input(0), c.input(1))));
}

/// Norms of lines: what is summed, then the root.
void expand_reduce(ExpandContext& c) {
  const auto& a = c.attrs<ReduceAttrs>();
  if (a.axes.empty()) return;
  int64_t axes = 0;
  for (int64_t axis : a.axes) axes |= int64_t{1} << c.axis(axis);
  ValueId y = c.input(0);
  switch (a.kind) {
    case ReduceKind::kL1:
      y = c.unary("Abs", y);
      break;
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      y = c.elementwise("Mul", y, y);
      break;
    case ReduceKind::kLogSum:
      break;
    default:
      return;
  }
  y = c.layer("trt.Reduce", {y}, {{"operation", int64_t{0}}, {"reduce_axes", axes}, {"keep_dimensions", a.keepdims}});
  if (a.kind == ReduceKind::kL2) y = c.unary("Sqrt", y);
  if (a.kind == ReduceKind::kLogSum) y = c.unary("Log", y);
  c.output(0, y);
}

/// The first of the sorted elements' places.
void expand_arg(ExpandContext& c) {
  const auto& a = c.attrs<ArgAttrs>();
  if (a.select_last_index) return;
  const size_t axis = c.axis(a.axis);
  const ValueId place = c.layer_n("trt.TopK", {c.input(0)},
                                  {{"operation", int64_t{c.node().op == "ArgMin"}},
                                   {"k", int64_t{1}},
                                   {"reduce_axes", int64_t{1} << axis},
                                   {"indices_type", DType::kI64}},
                                  2)[1];
  if (a.keepdims) return c.output(0, place);
  Ints dims;
  for (size_t i = 0; i < c.rank(place); ++i) {
    const ir::Dim d = c.shape(place)[i];
    if (i != axis) dims.push_back(i < axis ? 0 : d.is_const() ? d.constant() : -1);
  }
  if (std::count(dims.begin(), dims.end(), -1) > 1) return;
  c.output(0, c.reshape(place, dims));
}

void expand_depth_to_space(ExpandContext& c) {
  const auto& a = c.attrs<DepthToSpaceAttrs>();
  const Shape& x = c.shape(c.input(0));
  const int64_t b = a.blocksize;
  for (size_t i = 1; i < 4; ++i)
    if (!x.at(i).is_const()) return;
  const int64_t k = x[1].constant(), h = x[2].constant(), w = x[3].constant();
  if (k * h * w == 0) return;
  if (c.node().op == "DepthToSpace") {
    const ValueId y = a.column_row_depth ? c.reshape(c.input(0), {-1, k / b / b, b, b, h, w}, {0, 1, 4, 2, 5, 3})
                                         : c.reshape(c.input(0), {-1, b, b, k / b / b, h, w}, {0, 3, 4, 1, 5, 2});
    return c.output(0, c.reshape(y, {0, k / b / b, h * b, w * b}));
  }
  const ValueId y = c.reshape(c.input(0), {-1, k, h / b, b, w / b, b},
                              a.column_row_depth ? Ints{0, 1, 3, 5, 2, 4} : Ints{0, 3, 5, 1, 2, 4});
  c.output(0, c.reshape(y, {0, k * b * b, h / b, w / b}));
}

/// A slice of steps 0 along axes of one element; more axes are put in front by a shuffle.
void expand_expand(ExpandContext& c) {
  const auto from = c.numbers(c.input(0));
  const Tensor* wanted = c.constant_input(1);
  if (!from || !wanted) return;
  const Ints to = broadcast_dims(*from, wanted->to_ints());
  Ints dims(to.size() - from->size(), 1), steps;
  dims.insert(dims.end(), from->begin(), from->end());
  for (size_t i = 0; i < to.size(); ++i) steps.push_back(dims[i] == to[i]);
  const ValueId x = to.size() > from->size() ? c.reshape(c.input(0), dims) : c.input(0);
  c.output(0, c.layer("trt.Slice", {x}, {{"start", Ints(to.size(), 0)}, {"size", to}, {"stride", steps}}));
}

void expand_cumulative(ExpandContext& c) {
  const auto& a = c.attrs<CumulativeAttrs>();
  const ValueId axis = c.has(1) ? c.input(1) : c.scalar(DType::kI32, double(a.axis));
  c.output(0, c.layer("trt.Cumulative", {c.input(0), axis}, {{"exclusive", a.exclusive}, {"reverse", a.reverse}}));
}

void expand_size(ExpandContext& c) {
  const ValueId dims = c.layer("trt.Shape", {c.input(0)});
  c.output(0, c.layer("trt.Reduce", {dims}, {{"operation", int64_t{1}}, {"reduce_axes", int64_t{1}}}));
}

/// Parameters that are computed: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, by layers.
void expand_batch_norm(ExpandContext& c) {
  const ValueId x = c.input(0);
  Ints dims(c.rank(x), 1);
  dims[1] = -1;
  auto channels = [&](size_t i) { return c.reshape(c.input(i), dims); };
  const ValueId epsilon = c.scalar(c.dtype(c.input(4)), double(c.attrs<BatchNormAttrs>().epsilon));
  const ValueId deviation = c.unary("Sqrt", c.elementwise("Add", channels(4), epsilon));
  const ValueId centred = c.elementwise("Sub", x, channels(3));
  const ValueId scaled = c.elementwise("Mul", c.elementwise("Div", centred, deviation), channels(1));
  c.output(0, c.elementwise("Add", scaled, channels(2)));
}

struct Rule {
  std::string_view op;
  void (*expand)(ExpandContext&);
};
constexpr Rule kRules[] = {{"Split", expand_split},
                           {"NonMaxSuppression", expand_nms},
                           {"InstanceNormalization", expand_instance_norm},
                           {"GroupNormalization", expand_group_norm},
                           {"BatchNormalization", expand_batch_norm},
                           {"Silu", expand_silu},
                           {"Swish", expand_silu},
                           {"HardSwish", expand_hard_swish},
                           {"Mish", expand_mish},
                           {"Square", expand_square},
                           {"GreaterOrEqual", expand_or_equal},
                           {"LessOrEqual", expand_or_equal},
                           {"Reduce", expand_reduce},
                           {"ArgMax", expand_arg},
                           {"ArgMin", expand_arg},
                           {"DepthToSpace", expand_depth_to_space},
                           {"SpaceToDepth", expand_depth_to_space},
                           {"Expand", expand_expand},
                           {"CumSum", expand_cumulative},
                           {"Size", expand_size}};

const Rule* find_rule(std::string_view op) {
  const auto* found = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& r) { return r.op == op; });
  return found == std::end(kRules) ? nullptr : found;
}

/// A batch normalization that is a scale needs no rule.
const Rule* rule_for(const ir::Graph& graph, const ir::Node& node) {
  return scale_of(graph, node) ? nullptr : find_rule(node.op);
}

}  // namespace

bool is_expanded(std::string_view op) { return find_rule(op) != nullptr; }

std::vector<std::string_view> layers_of(const ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = graph.node(id);
  const Rule* rule = rule_for(graph, node);
  if (!rule) return {};
  std::vector<std::string_view> names;
  try {
    ir::Graph aside(graph.symbols);
    ExpandContext context(aside, node, copy_inputs(graph, node, aside));
    rule->expand(context);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      if (context.outputs[i] == ir::kNone) return {};
      if (!same_type(aside.value(context.outputs[i]), graph.value(node.outputs[i]), find_op(node.op).data_dependent))
        return {};
    }
    for (ir::NodeId n : context.layers) names.push_back(find_layer(aside.node(n).op)->name);
  } catch (const Error&) {  // what the layers cannot say stays as it is
    return {};
  }
  return names;
}

std::vector<ir::NodeId> expand_node(ir::Graph& graph, ir::NodeId id) {
  const ir::Node node = graph.node(id);
  const auto first = static_cast<ir::NodeId>(graph.node_count());
  ExpandContext context(graph, node, node.inputs);
  rule_for(graph, node)->expand(context);
  put_in_place(graph, id, context, first);
  for (size_t i = 1; i < context.layers.size(); ++i) graph.node(context.layers[i]).name = cat(node.name, "_", i);
  return context.layers;
}

std::optional<ir::Attrs> scale_of(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != "BatchNormalization") return std::nullopt;
  const Tensor* p[4];
  for (size_t i = 0; i < 4; ++i)
    if (p[i] = graph.constant(node.inputs.at(i + 1)); !p[i]) return std::nullopt;
  Tensor scale(p[0]->dtype(), p[0]->dims()), shift(p[0]->dtype(), p[0]->dims());
  for (int64_t k = 0; k < scale.count(); ++k) {
    const double factor = p[0]->get(k) / std::sqrt(p[3]->get(k) + double(node.attrs.as<BatchNormAttrs>().epsilon));
    scale.set(k, factor);
    shift.set(k, p[1]->get(k) - p[2]->get(k) * factor);
  }
  ir::Attrs made(find_layer("trt.Scale")->attrs);
  made.find("mode")->of<int64_t>(made.edit_data()) = 1;  // a channel
  made.find("scale")->of<Tensor>(made.edit_data()) = std::move(scale);
  made.find("shift")->of<Tensor>(made.edit_data()) = std::move(shift);
  return made;
}

}  // namespace tenon::ops::trt
