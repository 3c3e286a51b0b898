// Reductions, softmax and what else runs along an axis.
#include "operators.h"

namespace tenon::random_graphs {
namespace {

void reduce(Sketch& s) {
  static const std::vector<const char*> kOps = {"ReduceSum",  "ReduceMean",      "ReduceMax",      "ReduceMin",
                                                "ReduceMean", "ReduceSum",       "ReduceProd",     "ReduceL1",
                                                "ReduceL2",   "ReduceLogSumExp", "ReduceSumSquare"};
  const std::string x = s.pick_float();
  const std::string op = s.draw.pick(kOps);
  if (s.rank(x) == 0 || s.draw.one_in(8)) {
    s.add(op, {x}, {attribute("keepdims", s.draw.below(2))});
    return;
  }
  add_reduce(s, op, x, draw_axes(s, s.rank(x)), s.draw.one_in(2));
}

void reduce_log_sum(Sketch& s) {
  const std::string x = s.pick_float(1);
  add_reduce(s, "ReduceLogSum", s.add("Exp", {s.add("Tanh", {x})}), draw_axes(s, s.rank(x)), s.draw.one_in(2));
}

void reduce_integers(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kI32 || v.dtype == DType::kI64; });
  static const std::vector<std::string> kOps = {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL1"};
  add_reduce(s, s.draw.pick(kOps), x, draw_axes(s, s.rank(x)), s.draw.one_in(2));
}

void arg_extreme(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype != DType::kBool && !v.at[0].dims().empty(); });
  s.add(s.draw.one_in(2) ? "ArgMax" : "ArgMin", {x},
        {attribute("axis", draw_axis(s, s.rank(x))), attribute("keepdims", s.draw.below(2)),
         attribute("select_last_index", s.draw.below(2))});
}

void softmax(Sketch& s) {
  const std::string x = s.pick_float(1);
  const char* op = s.draw.one_in(4) ? "LogSoftmax" : s.draw.one_in(8) ? "Hardmax" : "Softmax";
  s.draw.one_in(8) ? s.add(op, {x}) : s.add(op, {x}, {attribute("axis", draw_axis(s, s.rank(x)))});
}

void cumulative_sum(Sketch& s) {
  const std::string x = s.pick(
      [](const Value& v) { return (ir::is_float(v.dtype) || v.dtype == DType::kI32) && !v.at[0].dims().empty(); });
  s.add("CumSum", {x, s.constant(Tensor::scalar_i64(draw_axis(s, s.rank(x))))},
        {attribute("exclusive", s.draw.below(2)), attribute("reverse", s.draw.below(2))});
}

void top_k(Sketch& s) {
  const std::string x = s.pick_float(1);
  const Dims shape = s.shape(x);
  const int64_t axis = draw_axis(s, s.rank(x));
  const int64_t n = fixed(shape, from_front(axis, s.rank(x)));
  s.add_n("TopK", {x, s.ints({s.draw.between(1, n)})},
          {attribute("axis", axis), attribute("largest", s.draw.below(2)), attribute("sorted", int64_t(1))}, 2);
}

/// A variance, a norm or a spread as exporters spell them.
void statistics(Sketch& s) {
  const std::string x = s.pick_float(1);
  const Dims axes = draw_axes(s, s.rank(x));
  const std::string centered = s.add("Sub", {x, add_reduce(s, "ReduceMean", x, axes, true)});
  const std::string square =
      s.draw.one_in(2) ? s.add("Mul", {centered, centered}) : s.add("Pow", {centered, s.number(s.dtype(x), 2)});
  const std::string variance = add_reduce(s, "ReduceMean", square, axes, true);
  const std::string root = s.add("Sqrt", {s.add("Add", {variance, s.number(s.dtype(x), 1e-2)})});
  s.draw.one_in(3) ? s.add("Mul", {centered, s.add("Reciprocal", {root})}) : s.add("Div", {centered, root});
}

}  // namespace

std::string add_reduce(Sketch& s, const std::string& op, const std::string& x, const Dims& axes, bool keep) {
  const auto keepdims = attribute("keepdims", int64_t(keep));
  if (s.opset >= 18 || op == "ReduceSum") return s.add(op, {x, s.ints(axes)}, {keepdims});
  return s.add(op, {x}, {attribute("axes", axes), keepdims});
}

std::span<const Operator> reduce_operators() {
  static constexpr Operator kTable[] = {{"reduce", 10, reduce},
                                        {"reduce_log_sum", 1, reduce_log_sum},
                                        {"reduce_integers", 2, reduce_integers},
                                        {"arg_extreme", 3, arg_extreme},
                                        {"softmax", 6, softmax},
                                        {"cumulative_sum", 2, cumulative_sum},
                                        {"top_k", 2, top_k},
                                        {"statistics", 4, statistics}};
  return kTable;
}

}  // namespace tenon::random_graphs
