#include "ops/fused/pointwise.h"

#include <cmath>
#include <map>

#include "ops/support.h"

namespace tenon::ops {
namespace {

DType result_type(const PointwiseAttrs& attrs, size_t i, DType first) {
  if (attrs.types.empty()) return first;
  auto type = ir::parse_dtype(attrs.types.at(i));
  require(type.has_value(), ErrorCode::kInvalidModel, "'", attrs.types[i], "' is not an element type");
  return *type;
}

void infer_pointwise(InferContext& c) {
  const auto& attrs = c.attrs<PointwiseAttrs>();
  const PointwiseProgram program = parse_pointwise(attrs.program);
  c.expect(program.input_count <= int(c.input_count()), "the program reads operand ", program.input_count - 1,
           ", there are ", c.input_count());
  c.expect(program.results.size() == c.output_count(), "the program has ", program.results.size(),
           " results, the node ", c.output_count(), " outputs");
  c.expect(attrs.types.empty() || attrs.types.size() == c.output_count(), attrs.types.size(), " result types for ",
           c.output_count(), " outputs");
  Shape shape = c.shape(0);
  for (size_t i = 1; i < c.input_count(); ++i) shape = c.broadcast(shape, c.shape(i));
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, result_type(attrs, i, c.dtype(0)), shape);
}

void eval_pointwise_node(EvalContext& c) {
  const PointwiseProgram program = parse_pointwise(c.attrs<PointwiseAttrs>().program);
  Dims dims = c.input(0).dims();
  for (size_t i = 1; i < c.input_count(); ++i) dims = broadcast_dims(dims, c.input(i).dims());
  std::vector<BroadcastIndex> index;
  for (size_t i = 0; i < c.input_count(); ++i) index.emplace_back(c.input(i).dims(), dims);
  std::vector<Tensor*> out;
  for (size_t i = 0; i < program.results.size(); ++i) out.push_back(&c.output(i, dims));
  std::vector<double> in(c.input_count()), temps(program.instrs.size()), results(out.size());
  const int64_t count = out[0]->count();
  for (int64_t e = 0; e < count; ++e) {
    for (size_t i = 0; i < in.size(); ++i) in[i] = c.input(i).get(index[i](e));
    eval_pointwise(program, in.data(), temps.data(), results.data());
    for (size_t i = 0; i < out.size(); ++i)
      out[i]->set(e, out[i]->dtype() == DType::kBool ? double(results[i] != 0) : results[i]);
  }
}

double attribute(const ir::Node& node, std::string_view name, double fallback) {
  const ir::Field* f = node.attrs.find(name);
  if (!f) return fallback;
  if (f->kind == ir::FieldKind::kFloat) return f->of<float>(node.attrs.data());
  if (f->kind == ir::FieldKind::kInt) return double(f->of<int64_t>(node.attrs.data()));
  if (f->kind == ir::FieldKind::kBool) return f->of<bool>(node.attrs.data());
  return fallback;
}

bool flag(const ir::Node& node, std::string_view name) {
  const ir::Field* f = node.attrs.find(name);
  return f && f->kind == ir::FieldKind::kBool && f->of<bool>(node.attrs.data());
}

std::string number(double v) { return cat(float(v)); }

/// Whether f32 holds the elements exactly, or they are floating-point anyway.
bool bounded(const Tensor& t) {
  return ir::is_float(t.dtype()) || (ir::is_integer(t.dtype()) && std::fabs(t.get(0)) <= 0x1p24);
}

/// Input `i` as text: a number if it is a constant scalar, `fallback` if it is absent.
std::string operand(const ir::Node& node, size_t i, const ConstantOf& constant, std::string_view fallback) {
  if (i >= node.inputs.size() || node.inputs[i] == ir::kNone) return std::string(fallback);
  const Tensor* t = constant(i);
  if (t && t->count() == 1 && t->dims().size() <= 1 && bounded(*t)) return number(t->get(0));
  return cat("i", i);
}

const std::map<std::string, std::string, std::less<>>& fixed_programs() {
  static const std::map<std::string, std::string, std::less<>> table{{"Add", "add(i0, i1)"},
                                                                     {"Sub", "sub(i0, i1)"},
                                                                     {"Mul", "mul(i0, i1)"},
                                                                     {"Div", "div(i0, i1)"},
                                                                     {"Relu", "relu(i0)"},
                                                                     {"Sigmoid", "sigmoid(i0)"},
                                                                     {"Tanh", "tanh(i0)"},
                                                                     {"Exp", "exp(i0)"},
                                                                     {"Log", "log(i0)"},
                                                                     {"Sqrt", "sqrt(i0)"},
                                                                     {"Reciprocal", "reciprocal(i0)"},
                                                                     {"Abs", "abs(i0)"},
                                                                     {"Neg", "neg(i0)"},
                                                                     {"Floor", "floor(i0)"},
                                                                     {"Ceil", "ceil(i0)"},
                                                                     {"Round", "round(i0)"},
                                                                     {"Erf", "erf(i0)"},
                                                                     {"Softplus", "softplus(i0)"},
                                                                     {"Mish", "mish(i0)"},
                                                                     {"HardSwish", "hard_swish(i0)"},
                                                                     {"Sin", "sin(i0)"},
                                                                     {"Cos", "cos(i0)"},
                                                                     {"Sign", "sign(i0)"},
                                                                     {"Silu", "silu(i0)"},
                                                                     {"Rsqrt", "rsqrt(i0)"},
                                                                     {"Square", "square(i0)"},
                                                                     {"Softsign", "div(i0, add(1, abs(i0)))"},
                                                                     {"Tan", "div(sin(i0), cos(i0))"},
                                                                     {"Where", "select(i0, i1, i2)"},
                                                                     {"Less", "less(i0, i1)"},
                                                                     {"LessOrEqual", "less_equal(i0, i1)"},
                                                                     {"Greater", "greater(i0, i1)"},
                                                                     {"GreaterOrEqual", "greater_equal(i0, i1)"},
                                                                     {"Equal", "equal(i0, i1)"},
                                                                     {"Not", "not(i0)"},
                                                                     {"And", "and(i0, i1)"},
                                                                     {"Or", "or(i0, i1)"},
                                                                     {"IsNaN", "not(equal(i0, i0))"},
                                                                     {"PRelu", "select(less(i0, 0), mul(i0, i1), i0)"}};
  return table;
}

/// min, max and sums of any number of operands.
std::string chain(std::string_view fn, size_t count) {
  std::string text = "i0";
  for (size_t i = 1; i < count; ++i) text = cat(fn, "(", text, ", i", i, ")");
  return text;
}

std::string program_text(const ir::Node& node, const ConstantOf& constant) {
  const std::string& op = node.op;
  if (auto it = fixed_programs().find(op); it != fixed_programs().end()) return it->second;
  if (op == "Min" || op == "Max" || op == "Sum")
    return node.inputs.size() > 32 ? "" : chain(op == "Min" ? "min" : op == "Max" ? "max" : "add", node.inputs.size());
  if (op == "Pow") return cat("pow(i0, ", operand(node, 1, constant, "1"), ")");
  const double alpha = attribute(node, "alpha", 0), beta = attribute(node, "beta", 0);
  if (op == "Clip")
    return cat("clip(i0, ", number(attribute(node, "min", -INFINITY)), ", ", number(attribute(node, "max", INFINITY)),
               ")");
  if (op == "LeakyRelu") return cat("leaky_relu(i0, ", number(alpha), ")");
  if (op == "Elu") return cat("elu(i0, ", number(alpha), ")");
  if (op == "HardSigmoid") return cat("hard_sigmoid(i0, ", number(alpha), ", ", number(beta), ")");
  if (op == "Affine") return cat("add(mul(i0, ", number(alpha), "), ", number(beta), ")");
  if (op == "ScaledTanh") return cat("mul(tanh(mul(i0, ", number(beta), ")), ", number(alpha), ")");
  if (op == "ParametricSoftplus") return cat("mul(softplus(mul(i0, ", number(beta), ")), ", number(alpha), ")");
  if (op == "Selu") return cat("mul(elu(i0, ", number(alpha), "), ", number(beta), ")");
  if (op == "Celu") return cat("mul(elu(div(i0, ", number(alpha), "), 1), ", number(alpha), ")");
  if (op == "ThresholdedRelu") return cat("select(greater(i0, ", number(alpha), "), i0, 0)");
  if (op == "Gelu") return flag(node, "approximate") ? "gelu_tanh(i0)" : "gelu_erf(i0)";
  if (op == "Swish") return alpha == 1 ? "silu(i0)" : cat("mul(i0, sigmoid(mul(i0, ", number(alpha), ")))");
  return {};
}

}  // namespace

std::optional<PointwiseProgram> pointwise_program_of(const ir::Node& node, const ConstantOf& constant) {
  if (node.op == "Cast") return parse_pointwise("i0");
  if (node.op == "Pointwise") return parse_pointwise(node.attrs.as<PointwiseAttrs>().program);
  const std::string text = program_text(node, constant);
  if (text.empty()) return std::nullopt;
  return parse_pointwise(text);
}

std::span<const std::string_view> pointwise_operators() {
  // clang-format off
  static constexpr std::string_view names[] = {
      "Pointwise", "Cast", "Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Pow", "Relu", "Sigmoid", "Tanh",
      "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg", "Floor", "Ceil", "Round", "Erf", "Softplus", "Softsign",
      "Mish", "HardSwish", "Sin", "Cos", "Tan", "Sign", "Silu", "Swish", "Rsqrt", "Square", "Where", "Less",
      "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Not", "And", "Or", "IsNaN", "PRelu", "Clip",
      "LeakyRelu", "Elu", "Selu", "Affine", "ScaledTanh", "ParametricSoftplus", "Celu", "HardSigmoid",
      "ThresholdedRelu", "Gelu"};
  // clang-format on
  return names;
}

OpSet pointwise() {
  OpSet set;
  set.ops = {{.name = "Pointwise",
              .attrs = ir::schema_of<PointwiseAttrs>(),
              .max_inputs = SIZE_MAX,
              .infer = infer_pointwise,
              .eval = eval_pointwise_node}};
  return set;
}

}  // namespace tenon::ops
