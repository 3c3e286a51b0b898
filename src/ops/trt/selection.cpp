// Layers that choose, count or make elements: top-k, NMS, non-zero, one-hot, fill, grid sample, reverse sequence,
// assertion.
#include <algorithm>
#include <optional>

#include "base/checked.h"
#include "ops/control/assertion.h"
#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

struct TopKAttrs {
  int64_t operation = 0, k = 0, reduce_axes = 0;  ///< operation: max, min
  DType indices_type = DType::kI32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(TopKAttrs, operation), TENON_TRT_FIELD(TopKAttrs, k),
                                  TENON_TRT_FIELD(TopKAttrs, reduce_axes), TENON_TRT_FIELD(TopKAttrs, indices_type)};
    return f;
  }
};

struct NmsAttrs {
  int64_t bounding_box_format = 0, top_k_box_limit = 5000;  ///< format: corner pairs, centre and size
  DType indices_type = DType::kI32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(NmsAttrs, bounding_box_format),
                                  TENON_TRT_FIELD(NmsAttrs, top_k_box_limit), TENON_TRT_FIELD(NmsAttrs, indices_type)};
    return f;
  }
};

struct NonZeroAttrs {
  DType indices_type = DType::kI32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(NonZeroAttrs, indices_type)};
    return f;
  }
};

struct OneHotAttrs {
  int64_t axis = -1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(OneHotAttrs, axis)};
    return f;
  }
};

struct FillAttrs {
  Ints dimensions;
  int64_t operation = 0;  ///< linspace, random uniform, random normal
  float alpha = 0, beta = 1;
  int64_t alpha_int64 = 0, beta_int64 = 0;
  bool in_int64 = false;
  DType to_type = DType::kF32;
  bool seeded = false;  ///< a parser's random numbers repeat
  int64_t seed = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(FillAttrs, dimensions),  TENON_TRT_FIELD(FillAttrs, operation),
                                  TENON_TRT_FIELD(FillAttrs, alpha),       TENON_TRT_FIELD(FillAttrs, beta),
                                  TENON_TRT_FIELD(FillAttrs, alpha_int64), TENON_TRT_FIELD(FillAttrs, beta_int64),
                                  TENON_TRT_FIELD(FillAttrs, in_int64),    TENON_TRT_FIELD(FillAttrs, to_type),
                                  TENON_TRT_FIELD(FillAttrs, seeded),      TENON_TRT_FIELD(FillAttrs, seed)};
    return f;
  }
};

struct GridSampleAttrs {
  int64_t interpolation_mode = 1, sample_mode = 3;
  bool align_corners = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(GridSampleAttrs, interpolation_mode),
                                  TENON_TRT_FIELD(GridSampleAttrs, sample_mode),
                                  TENON_TRT_FIELD(GridSampleAttrs, align_corners)};
    return f;
  }
};

struct ReverseSequenceAttrs {
  int64_t batch_axis = 1, sequence_axis = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ReverseSequenceAttrs, batch_axis),
                                  TENON_TRT_FIELD(ReverseSequenceAttrs, sequence_axis)};
    return f;
  }
};

struct AssertionAttrs {
  std::string message;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(AssertionAttrs, message)};
    return f;
  }
};

void lower_topk(LowerContext& c) {
  const auto& a = c.attrs<TopKAttrs>();
  int64_t axis = 0;
  while (axis < 31 && !((a.reduce_axes >> axis) & 1)) ++axis;
  require(a.reduce_axes == int64_t{1} << axis, ErrorCode::kInvalidModel, "top-k needs exactly one axis");
  const ValueId k = c.has(1) ? c.onnx("Reshape", {c.cast(c.input(1), DType::kI64), c.ints({1})}) : c.ints({a.k});
  auto out = c.onnx_n("TopK", {c.input(0), k},
                      {{"axis", axis}, {"largest", int64_t{a.operation == 0}}, {"sorted", int64_t{1}}}, 2);
  c.output(0, out[0]);
  c.output(1, c.cast(out[1], a.indices_type));
}

/// The number of rows along `axis`, of rank 0.
ValueId count_rows(LowerContext& c, ValueId x, int64_t axis, DType type) {
  const ValueId n =
      c.onnx("Gather", {c.onnx("Shape", {x}), c.scalar(DType::kI64, double(axis))}, {{"axis", int64_t{0}}});
  return c.cast(n, type);
}

void lower_nms(LowerContext& c) {
  const auto& a = c.attrs<NmsAttrs>();
  const ValueId scores = c.onnx("Transpose", {c.input(1)}, {{"perm", Ints{0, 2, 1}}});  // [batch, class, box]
  ValueId boxes = c.input(0);
  if (c.rank(boxes) == 4) boxes = c.onnx("Squeeze", {boxes, c.ints({2})});
  auto vector = [&](ValueId v, DType type) { return c.onnx("Reshape", {c.cast(v, type), c.ints({1})}); };
  std::vector<ValueId> inputs{boxes, scores, vector(c.input(2), DType::kI64)};
  for (size_t i = 3; i < 5; ++i) inputs.push_back(c.has(i) ? vector(c.input(i), DType::kF32) : ir::kNone);
  const ValueId picked = c.onnx("NonMaxSuppression", std::move(inputs), {{"center_point_box", a.bounding_box_format}});
  c.output(0, c.cast(picked, a.indices_type));
  c.output(1, count_rows(c, picked, 0, DType::kI32));
}

void lower_nonzero(LowerContext& c) {
  const ValueId found = c.onnx("NonZero", {c.input(0)});
  c.output(0, c.cast(found, c.attrs<NonZeroAttrs>().indices_type));
  if (c.outputs.size() > 1) c.output(1, count_rows(c, found, 1, DType::kI32));
}

void lower_onehot(LowerContext& c) {  // the layer's inputs are indices, values, depth
  c.output(0, c.onnx("OneHot", {c.input(0), c.input(2), c.input(1)}, {{"axis", c.attrs<OneHotAttrs>().axis}}));
}

/// The step along each axis, where it is known; else nothing.
std::optional<double> known_step(LowerContext& c, const FillAttrs& a, size_t axis) {
  if (!c.has(2)) return a.in_int64 ? double(a.beta_int64) : double(a.beta);
  const Tensor* steps = c.graph().constant(c.input(2));
  if (!steps) return std::nullopt;
  require(steps->count() == 1 || int64_t(axis) < steps->count(), ErrorCode::kInvalidModel,
          "a linear fill needs a step along each axis, or one for all; axis ", axis, " has none of ", steps->count());
  return steps->get(steps->count() == 1 ? 0 : int64_t(axis));
}

// y[i, j, ...] = alpha + i * beta[0] + j * beta[1] + ...
ValueId linspace(LowerContext& c, const FillAttrs& a, ValueId shape, size_t rank) {
  const DType type = a.to_type;
  ValueId y =
      c.has(1) ? c.cast(c.input(1), type) : c.scalar(type, a.in_int64 ? double(a.alpha_int64) : double(a.alpha));
  bool covers = true;
  for (size_t i = 0; i < rank; ++i) {
    const std::optional<double> known = known_step(c, a, i);
    if (known && *known == 0) {
      covers = false;
      continue;
    }
    const ValueId length = c.onnx("Gather", {shape, c.scalar(DType::kI64, double(i))}, {{"axis", int64_t{0}}});
    const ValueId index = c.cast(c.onnx("Range", {c.scalar(DType::kI64, 0), length, c.scalar(DType::kI64, 1)}), type);
    ValueId step = known ? c.scalar(type, *known) : c.cast(c.input(2), type);
    if (c.rank(step) == 1)
      step = c.onnx("Gather", {step, c.scalar(DType::kI64, c.number(step, 0) == 1 ? 0 : double(i))},
                    {{"axis", int64_t{0}}});
    Ints dims(rank, 1);
    dims[i] = -1;
    const bool plain = known && *known == 1;
    y = c.onnx("Add", {y, c.onnx("Reshape", {plain ? index : c.onnx("Mul", {index, step}), c.ints(dims)})});
  }
  return covers ? y : c.onnx("Expand", {y, shape});
}

/// Numbers of the wanted dims, from 0 to 1 or standard normal where the range is computed.
void lower_random(LowerContext& c, const FillAttrs& a, ValueId shape) {
  const bool normal = a.operation == 2, computed = c.has(1) || c.has(2);
  const auto first = static_cast<ir::NodeId>(c.graph().node_count());
  Values values{{normal ? "mean" : "low", computed ? 0.0F : a.alpha},
                {normal ? "scale" : "high", computed ? 1.0F : a.beta},
                {"dtype", a.to_type}};
  ValueId y;
  if (c.has(0)) {
    const ValueId like = c.onnx("Expand", {c.scalar(a.to_type, 0), shape});
    y = c.onnx(normal ? "RandomNormalLike" : "RandomUniformLike", {like}, std::move(values));
  } else {
    values.emplace("shape", a.dimensions);
    y = c.onnx(normal ? "RandomNormal" : "RandomUniform", {}, std::move(values));
  }
  for (auto n = first; a.seeded && n < c.graph().node_count(); ++n) {
    ir::Node& node = c.graph().node(n);
    if (const ir::Field* seed = node.attrs.find("seed")) seed->of<int64_t>(node.attrs.edit_data()) = a.seed;
  }
  if (!computed) return c.output(0, y);
  const ValueId low = c.has(1) ? c.cast(c.input(1), a.to_type) : c.scalar(a.to_type, double(a.alpha));
  const ValueId high = c.has(2) ? c.cast(c.input(2), a.to_type) : c.scalar(a.to_type, double(a.beta));
  const ValueId span = normal ? high : c.onnx("Sub", {high, low});
  c.output(0, c.onnx("Add", {c.onnx("Mul", {y, span}), low}));
}

void lower_fill(LowerContext& c) {
  const auto& a = c.attrs<FillAttrs>();
  const ValueId shape = c.has(0) ? c.cast(c.input(0), DType::kI64) : c.ints(a.dimensions);
  const size_t rank = c.has(0) ? size_t(c.number(c.input(0), 0)) : a.dimensions.size();
  a.operation == 0 ? c.output(0, linspace(c, a, shape, rank)) : lower_random(c, a, shape);
}

void lower_grid_sample(LowerContext& c) {
  const auto& a = c.attrs<GridSampleAttrs>();
  const bool known = a.sample_mode >= 0 && a.sample_mode < 5 && *kGridPadding[a.sample_mode] &&
                     a.interpolation_mode >= 0 && a.interpolation_mode < 3;
  require(known, ErrorCode::kInvalidModel, "grid sample with interpolation ", a.interpolation_mode, " and sample mode ",
          a.sample_mode);
  c.output(0, c.onnx("GridSample", {c.input(0), c.input(1)},
                     {{"mode", std::string(kGridModes[a.interpolation_mode])},
                      {"padding_mode", std::string(kGridPadding[a.sample_mode])},
                      {"align_corners", int64_t{a.align_corners}}}));
}

void lower_reverse_sequence(LowerContext& c) {
  const auto& a = c.attrs<ReverseSequenceAttrs>();
  c.output(0, c.onnx("ReverseSequence", {c.input(0), c.cast(c.input(1), DType::kI64)},
                     {{"batch_axis", a.batch_axis}, {"time_axis", a.sequence_axis}}));
}

/// The output that is handed on in exchange for the condition: the one with the fewest elements.
ValueId checked_output(const ir::Graph& graph) {
  ValueId best = ir::kNone;
  int64_t fewest = INT64_MAX;
  for (ValueId v : graph.outputs) {
    const ir::Value& value = graph.value(v);
    if (graph.is_input(v) || value.constant) continue;
    const bool known = value.ranked && ir::is_static(value.shape);
    const int64_t count = known ? checked_product(ir::static_dims(value.shape)) : INT64_MAX;
    if (best == ir::kNone || count < fewest) best = v, fewest = count;
  }
  return best;
}

/// A constant condition is checked here, any other by an operator that an output goes through. In a graph aside, which
/// has no outputs, types alone count.
void lower_assertion(LowerContext& c) {
  const std::string& message = c.attrs<AssertionAttrs>().message;
  const Tensor* known = c.graph().constant(c.input(0));
  for (int64_t i = 0; known && i < known->count(); ++i)
    require(known->get_int(i) != 0, ErrorCode::kInvalidModel, "assertion failed: ", message);
  const ValueId output = checked_output(c.graph());
  if (known || output == ir::kNone) return;
  AssertAttrs attrs;
  attrs.message = message;
  ir::Graph& graph = c.graph();
  const std::string name = graph.value(output).name;
  const ir::NodeId n = graph.add_node("Assert", {output, c.input(0)}, attrs, 1, c.node().name);
  const ValueId made = graph.node(n).outputs[0];
  graph.value(made).dtype = graph.value(output).dtype;
  graph.value(made).ranked = graph.value(output).ranked;
  graph.value(made).shape = graph.value(output).shape;
  std::replace(graph.outputs.begin(), graph.outputs.end(), output, made);
  graph.rename(output, graph.unique_name(name));
  graph.rename(made, name);
}

}  // namespace

std::vector<Layer> selection_layers() {
  return {{"trt.TopK", ir::schema_of<TopKAttrs>(), 1, 2, lower_topk},
          {"trt.NMS", ir::schema_of<NmsAttrs>(), 3, 5, lower_nms},
          {"trt.NonZero", ir::schema_of<NonZeroAttrs>(), 1, 1, lower_nonzero},
          {"trt.OneHot", ir::schema_of<OneHotAttrs>(), 3, 3, lower_onehot},
          {"trt.Fill", ir::schema_of<FillAttrs>(), 0, 3, lower_fill},
          {"trt.GridSample", ir::schema_of<GridSampleAttrs>(), 2, 2, lower_grid_sample},
          {"trt.ReverseSequence", ir::schema_of<ReverseSequenceAttrs>(), 2, 2, lower_reverse_sequence},
          {"trt.Assertion", ir::schema_of<AssertionAttrs>(), 1, 1, lower_assertion}};
}

}  // namespace tenon::ops::trt
