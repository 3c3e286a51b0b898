// Layers that work on each element: activation, unary, element-wise, scale, select, PReLU, identity, cast, constant.
#include <algorithm>

#include "base/checked.h"
#include "ops/shape/bounds.h"
#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

struct ActivationAttrs {
  int64_t activation_type = 0;
  float alpha = 0, beta = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ActivationAttrs, activation_type),
                                  TENON_TRT_FIELD(ActivationAttrs, alpha), TENON_TRT_FIELD(ActivationAttrs, beta)};
    return f;
  }
};

struct OperationAttrs {
  int64_t operation = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(OperationAttrs, operation)};
    return f;
  }
};

struct ElementWiseAttrs {
  int64_t operation = 0;
  bool mixed_ranks = false;  ///< the operand of lower rank gets leading dimensions, as in ONNX
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ElementWiseAttrs, operation),
                                  TENON_TRT_FIELD(ElementWiseAttrs, mixed_ranks)};
    return f;
  }
};

struct ScaleAttrs {
  int64_t mode = 0;  ///< uniform, channel, element-wise
  Tensor shift, scale, power;
  int64_t channel_axis = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ScaleAttrs, mode), TENON_TRT_FIELD(ScaleAttrs, shift),
                                  TENON_TRT_FIELD(ScaleAttrs, scale), TENON_TRT_FIELD(ScaleAttrs, power),
                                  TENON_TRT_FIELD(ScaleAttrs, channel_axis)};
    return f;
  }
};

struct CastAttrs {
  DType to_type = DType::kF32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(CastAttrs, to_type)};
    return f;
  }
};

/// An identity layer whose output type is set converts.
struct IdentityAttrs {
  DType to_type = DType::kUndefined;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(IdentityAttrs, to_type)};
    return f;
  }
};

struct ConstantAttrs {
  Tensor weights;
  Ints dimensions;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ConstantAttrs, weights), TENON_TRT_FIELD(ConstantAttrs, dimensions)};
    return f;
  }
};

ValueId clip(LowerContext& c, ValueId x, double low, double high) {
  return c.onnx("Clip", {x, c.scalar(c.dtype(x), low), c.scalar(c.dtype(x), high)});
}

// ActivationType in the order of its numbers.
void lower_activation(LowerContext& c) {
  const auto& a = c.attrs<ActivationAttrs>();
  const ValueId x = c.input(0);
  const DType type = c.dtype(x);
  auto one = [&](const char* op, Values values = {}) { c.output(0, c.onnx(op, {x}, std::move(values))); };
  switch (a.activation_type) {
    case 0:
      return one("Relu");
    case 1:
      return one("Sigmoid");
    case 2:
      return one("Tanh");
    case 3:
      return one("LeakyRelu", {{"alpha", a.alpha}});
    case 4:
      return one("Elu", {{"alpha", a.alpha}});
    case 5:
      return one("Selu", {{"alpha", a.alpha}, {"gamma", a.beta}});
    case 6:
      return one("Softsign");
    case 7: {  // alpha * log(exp(beta * x) + 1)
      const ValueId inner = a.beta == 1 ? x : c.onnx("Mul", {x, c.scalar(type, a.beta)});
      const ValueId y = c.onnx("Softplus", {inner});
      return c.output(0, a.alpha == 1 ? y : c.onnx("Mul", {y, c.scalar(type, a.alpha)}));
    }
    case 8:
      return c.output(0, clip(c, x, a.alpha, a.beta));
    case 9:
      return one("HardSigmoid", {{"alpha", a.alpha}, {"beta", a.beta}});
    case 10: {  // alpha * tanh(beta * x)
      const ValueId y = c.onnx("Tanh", {c.onnx("Mul", {x, c.scalar(type, a.beta)})});
      return c.output(0, c.onnx("Mul", {y, c.scalar(type, a.alpha)}));
    }
    case 11:
      return one("ThresholdedRelu", {{"alpha", a.alpha}});
    case 12:
      return one("Gelu");
    case 13:
      return one("Gelu", {{"approximate", std::string("tanh")}});
    default:
      fail(ErrorCode::kInvalidModel, "activation type ", a.activation_type, " does not exist");
  }
}

void lower_unary(LowerContext& c) {
  const int64_t op = c.attrs<OperationAttrs>().operation;
  require(op >= 0 && op < int64_t(std::size(kUnaryOps)), ErrorCode::kInvalidModel, "unary operation ", op,
          " does not exist");
  c.output(0, c.onnx(kUnaryOps[op], {c.input(0)}));
}

/// True if each element is known not to be negative, as sizes are.
bool never_negative(LowerContext& c, ValueId v) {
  const ir::Value& value = c.graph().value(v);
  if (value.constant) {
    const Ints elements = value.constant->to_ints();
    return std::all_of(elements.begin(), elements.end(), [](int64_t e) { return e >= 0; });
  }
  if (!value.contents) return false;
  return std::all_of(value.contents->begin(), value.contents->end(),
                     [&](const ir::Dim& d) { return provably_nonnegative(*c.graph().symbols, d); });
}

/// Rounds towards minus infinity, for integers as for floating point.
ValueId floor_div(LowerContext& c, ValueId a, ValueId b) {
  const ValueId q = c.onnx("Div", {a, b});
  if (ir::is_float(c.dtype(a))) return c.onnx("Floor", {q});
  if (never_negative(c, a) && never_negative(c, b)) return q;
  const ValueId zero = c.scalar(c.dtype(a), 0);
  const ValueId rest = c.onnx("Sub", {a, c.onnx("Mul", {q, b})});
  const ValueId inexact = c.onnx("Not", {c.onnx("Equal", {rest, zero})});
  const ValueId signs = c.onnx("Xor", {c.onnx("Less", {a, zero}), c.onnx("Less", {b, zero})});
  return c.onnx("Sub", {q, c.cast(c.onnx("And", {inexact, signs}), c.dtype(a))});
}

void lower_elementwise(LowerContext& c) {
  const auto& attrs = c.attrs<ElementWiseAttrs>();
  const int64_t op = attrs.operation;
  require(op >= 0 && op < int64_t(std::size(kElementWiseOps)), ErrorCode::kInvalidModel, "element-wise operation ", op,
          " does not exist");
  const ValueId a = c.input(0), b = c.input(1);
  require(attrs.mixed_ranks || c.rank(a) == c.rank(b), ErrorCode::kShapeMismatch, "the inputs have ranks ", c.rank(a),
          " and ", c.rank(b), ", they must be equal");
  c.output(0, op == 7 ? floor_div(c, a, b) : c.onnx(kElementWiseOps[op], {a, b}));
}

/// Weights of a scale layer, shaped to broadcast against the input.
ValueId scale_operand(LowerContext& c, const ScaleAttrs& a, const Tensor& weights) {
  const ValueId x = c.input(0);
  const size_t rank = c.rank(x), axis = size_t(a.channel_axis);
  Ints dims(rank, 1);
  require(a.channel_axis >= 0 && axis < rank, ErrorCode::kInvalidModel, "channel axis ", axis, " of a tensor of rank ",
          rank);
  if (a.mode == 1) {
    const ir::Dim channels = c.shape(x)[axis];
    require(!channels.is_const() || channels.constant() == weights.count(), ErrorCode::kShapeMismatch, "there are ",
            weights.count(), " weights for ", channels.constant(), " channels");
    dims[axis] = weights.count();
  }
  if (a.mode == 2) {
    for (size_t i = axis; i < rank; ++i) dims[i] = c.number(x, i);
  }
  require(checked_product(dims) == weights.count(), ErrorCode::kShapeMismatch, "there are ", weights.count(),
          " weights, dims ", dims, " need ", checked_product(dims));
  return c.constant((weights.dtype() == c.dtype(x) ? weights : weights.cast(c.dtype(x))).reshaped(dims));
}

// y = (x * scale + shift) ^ power
void lower_scale(LowerContext& c) {
  const auto& a = c.attrs<ScaleAttrs>();
  ValueId y = c.input(0);
  if (a.scale.defined()) y = c.onnx("Mul", {y, scale_operand(c, a, a.scale)});
  if (a.shift.defined()) y = c.onnx("Add", {y, scale_operand(c, a, a.shift)});
  bool linear = true;
  for (int64_t i = 0; i < a.power.count(); ++i) linear = linear && a.power.get(i) == 1;
  if (!linear) y = c.onnx("Pow", {y, scale_operand(c, a, a.power)});
  c.output(0, y == c.input(0) ? c.onnx("Identity", {y}) : y);
}

void lower_identity(LowerContext& c) {
  const DType to = c.attrs<IdentityAttrs>().to_type;
  const bool converts = to != DType::kUndefined && to != c.dtype(c.input(0));
  c.output(0, converts ? c.cast(c.input(0), to) : c.onnx("Identity", {c.input(0)}));
}
void lower_select(LowerContext& c) { c.output(0, c.onnx("Where", {c.input(0), c.input(1), c.input(2)})); }
void lower_prelu(LowerContext& c) { c.output(0, c.onnx("PRelu", {c.input(0), c.input(1)})); }
void lower_cast(LowerContext& c) { c.output(0, c.onnx("Cast", {c.input(0)}, {{"to", c.attrs<CastAttrs>().to_type}})); }

void lower_constant(LowerContext& c) {
  const auto& a = c.attrs<ConstantAttrs>();
  const int64_t count = checked_product(a.dimensions);
  require(count == (a.weights.defined() ? a.weights.count() : 0), ErrorCode::kShapeMismatch, "the constant has ",
          a.weights.count(), " elements, dims ", a.dimensions, " need ", count);
  c.output(0, c.constant(a.weights.defined() ? a.weights.reshaped(a.dimensions) : Tensor(DType::kF32, a.dimensions)));
}

}  // namespace

std::vector<Layer> pointwise_layers() {
  const auto* none = ir::schema_of<ir::NoAttrs>();
  return {{"trt.Activation", ir::schema_of<ActivationAttrs>(), 1, 1, lower_activation},
          {"trt.Unary", ir::schema_of<OperationAttrs>(), 1, 1, lower_unary},
          {"trt.ElementWise", ir::schema_of<ElementWiseAttrs>(), 2, 2, lower_elementwise},
          {"trt.Scale", ir::schema_of<ScaleAttrs>(), 1, 1, lower_scale},
          {"trt.Identity", ir::schema_of<IdentityAttrs>(), 1, 1, lower_identity},
          {"trt.Cast", ir::schema_of<CastAttrs>(), 1, 1, lower_cast},
          {"trt.Select", none, 3, 3, lower_select},
          {"trt.ParametricReLU", none, 2, 2, lower_prelu},
          {"trt.Constant", ir::schema_of<ConstantAttrs>(), 0, 0, lower_constant}};
}

}  // namespace tenon::ops::trt
