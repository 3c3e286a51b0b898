// If, Loop and Scan with small bodies that capture values.
#include "operators.h"

namespace tenon::random_graphs {
namespace {

/// A few elementwise nodes on `x`, which keep dims and type; returns the last name.
std::string add_body(Sketch& s, onnx::Graph& body, std::string x, DType type) {
  static const std::vector<const char*> kOps = {"Relu", "Tanh", "Sigmoid", "Neg", "Abs", "Softsign"};
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    const std::string y = s.fresh("b");
    if (s.draw.one_in(2)) {
      Tensor c(type, {});
      c.set(0, 0.3 + s.draw.unit());
      const std::string w = s.fresh("c");
      body.initializers.push_back({w, c});
      body.nodes.push_back(make_node(s.draw.one_in(2) ? "Mul" : "Add", {x, w}, {y}));
    } else {
      body.nodes.push_back(make_node(s.draw.pick(kOps), {x}, {y}));
    }
    x = y;
  }
  return x;
}

void conditional(Sketch& s) {
  const std::string x = s.pick_float();
  const DType type = s.dtype(x);
  std::string condition;
  if (s.draw.one_in(2)) {
    Tensor c(DType::kBool, {});
    c.set_int(0, s.draw.below(2));
    condition = s.constant(c);
  } else {
    const std::string sum = s.add("ReduceSum", {s.add("Tanh", {x})}, {attribute("keepdims", int64_t(0))});
    condition = s.add("Greater", {sum, s.number(type, 0.2)});
  }
  onnx::Graph branches[2];
  for (onnx::Graph& g : branches) g.outputs.push_back(declare(add_body(s, g, x, type), type));
  s.add("If", {condition}, {attribute("then_branch", branches[0]), attribute("else_branch", branches[1])});
}

void loop(Sketch& s) {
  const std::string x = s.pick_float();
  const DType type = s.dtype(x);
  onnx::Graph body;
  const std::string i = s.fresh("i"), go = s.fresh("go"), state = s.fresh("s"), on = s.fresh("on");
  body.inputs = {declare(i, DType::kI64, {}), declare(go, DType::kBool, {}), declare(state, type)};
  body.nodes.push_back(make_node("Identity", {go}, {on}));
  std::string y = add_body(s, body, state, type);
  if (s.draw.one_in(2)) {
    const std::string sum = s.fresh("b"), half = s.fresh("b"), c = s.fresh("c");
    Tensor number(type, {});
    number.set(0, 0.5);
    body.initializers.push_back({c, number});
    body.nodes.push_back(make_node("Add", {y, x}, {sum}));
    body.nodes.push_back(make_node("Mul", {sum, c}, {half}));
    y = half;
  }
  const bool scans = s.draw.one_in(2);
  body.outputs = {declare(on, DType::kBool), declare(y, type)};
  if (scans) {
    const std::string z = s.fresh("b");
    body.nodes.push_back(make_node("Identity", {y}, {z}));
    body.outputs.push_back(declare(z, type));
  }
  Tensor yes(DType::kBool, {});
  yes.set_int(0, 1);
  s.add_n(
      "Loop",
      {s.constant(Tensor::scalar_i64(s.draw.between(scans ? 1 : 0, 4))), s.draw.one_in(2) ? "" : s.constant(yes), x},
      {attribute("body", body)}, scans ? 2 : 1);
}

void scan(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const DType type = s.dtype(x);
  const Dims shape = s.shape(x);
  Dims state_dims;
  for (size_t d = 1; d < shape.size(); ++d) state_dims.push_back(fixed(shape, d));
  onnx::Graph body;
  const std::string state = s.fresh("s"), row = s.fresh("r"), sum = s.fresh("b"), z = s.fresh("b");
  body.inputs = {declare(state, type), declare(row, type)};
  body.nodes.push_back(make_node("Add", {state, row}, {sum}));
  const std::string next = s.fresh("b");
  body.nodes.push_back(make_node("Tanh", {sum}, {next}));
  body.nodes.push_back(make_node("Mul", {next, row}, {z}));
  body.outputs = {declare(next, type), declare(z, type)};
  s.add_n("Scan", {s.weights(type, state_dims, 0.5), x},
          {attribute("body", body), attribute("num_scan_inputs", int64_t(1)),
           attribute("scan_input_directions", Dims{s.draw.below(2)})},
          2);
}

}  // namespace

std::span<const Operator> control_operators() {
  static constexpr Operator kTable[] = {{"conditional", 3, conditional}, {"loop", 3, loop}, {"scan", 2, scan}};
  return kTable;
}

}  // namespace tenon::random_graphs
