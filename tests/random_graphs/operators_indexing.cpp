// Gathering, scattering, what depends on data, and arithmetic on shapes.
#include <algorithm>

#include "operators.h"

namespace tenon::random_graphs {
namespace {

std::string any(Sketch& s, int64_t least_rank) {
  return s.pick([&](const Value& v) { return int64_t(v.at[0].dims().size()) >= least_rank; });
}

/// Integers of [-n, n).
std::string indices(Sketch& s, Dims dims, int64_t n, bool negative = true) {
  Tensor t(s.draw.one_in(4) ? DType::kI32 : DType::kI64, std::move(dims));
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, s.draw.between(negative ? -n : 0, n - 1));
  return s.constant(std::move(t));
}

void gather(Sketch& s) {
  const std::string x = any(s, 1);
  const int64_t axis = draw_axis(s, s.rank(x));
  const int64_t n = fixed(s.shape(x), from_front(axis, s.rank(x)));
  static const std::vector<Dims> kDims = {{}, {1}, {3}, {2, 2}, {5}};
  s.add("Gather", {x, indices(s, s.draw.pick(kDims), n)}, {attribute("axis", axis)});
}

/// Indices that an operator computed.
void gather_computed(Sketch& s) {
  const std::string x = any(s, 1);
  const int64_t n = fixed(s.shape(x), 0);
  const std::string index = s.pick([&](const Value& v) { return v.dtype == DType::kI32 || v.dtype == DType::kI64; });
  s.add("Gather", {x, s.add("Mod", {index, s.number(s.dtype(index), double(n))})});
}

void embedding(Sketch& s) {
  const std::string index = s.pick([](const Value& v) { return v.dtype == DType::kI32 || v.dtype == DType::kI64; });
  const std::string table = s.weights(DType::kF32, {7, s.channels()});
  s.add("Gather", {table, s.add("Mod", {index, s.number(s.dtype(index), 7)})});
}

void gather_elements(Sketch& s) {
  const std::string x = any(s, 1);
  const Dims shape = s.shape(x);
  const int64_t axis = draw_axis(s, s.rank(x));
  Dims dims;
  for (size_t d = 0; d < shape.size(); ++d) dims.push_back(s.draw.between(1, fixed(shape, d)));
  const int64_t n = shape[from_front(axis, s.rank(x))];
  s.add("GatherElements", {x, indices(s, dims, n)}, {attribute("axis", axis)});
}

void gather_nd(Sketch& s) {
  const std::string x = any(s, 1);
  const Dims shape = s.shape(x);
  int64_t least = 100;
  const int64_t depth = s.draw.between(1, s.rank(x));
  for (int64_t d = 0; d < depth; ++d) least = std::min(least, fixed(shape, size_t(d)));
  s.add("GatherND",
        {x, s.add("Cast", {indices(s, {s.draw.between(1, 4), depth}, least)}, {attribute("to", int64_t(7))})});
}

/// Indices that are all different along `axis`, so that the order of writing does not matter.
std::string permutation(Sketch& s, Dims dims, size_t axis, int64_t n) {
  Tensor t(DType::kI64, dims);
  const Dims order = draw_order(s, n);
  int64_t inner = 1;
  for (size_t d = axis + 1; d < dims.size(); ++d) inner *= dims[d];
  for (int64_t i = 0; i < t.count(); ++i) t.set_int(i, order[size_t(i / inner % dims[axis])]);
  return s.constant(std::move(t));
}

void scatter_elements(Sketch& s) {
  const std::string x = s.pick_float(1, 4);
  const Dims shape = s.shape(x);
  const int64_t axis = draw_axis(s, s.rank(x));
  Dims dims;
  for (size_t d = 0; d < shape.size(); ++d) dims.push_back(s.draw.between(1, fixed(shape, d)));
  const size_t at = from_front(axis, s.rank(x));
  std::vector<onnx::Attribute> attributes = {attribute("axis", axis)};
  static const std::vector<std::string> kReductions = {"none", "add", "mul", "max", "min"};
  const std::string reduction = s.opset >= 18 ? s.draw.pick(kReductions) : "none";
  if (reduction != "none") attributes.push_back(attribute("reduction", reduction));
  const std::string index = reduction == "none" ? permutation(s, dims, at, shape[at]) : indices(s, dims, shape[at]);
  s.add("ScatterElements", {x, index, s.weights(s.dtype(x), dims)}, attributes);
}

void scatter_nd(Sketch& s) {
  const std::string x = s.pick_float(1, 4);
  const Dims shape = s.shape(x);
  if (!is_static(shape)) throw Rejected{"dims are open"};
  const int64_t rows = fixed(shape, 0), count = s.draw.between(1, rows);
  Dims updates = shape;
  updates[0] = count;
  s.add("ScatterND", {x, permutation(s, {count, 1}, 0, rows), s.weights(s.dtype(x), updates)});
}

void one_hot(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kI32 || v.dtype == DType::kI64; });
  s.add("OneHot", {x, s.constant(Tensor::scalar_i64(s.draw.between(1, 6))), s.weights(DType::kF32, {2})},
        {attribute("axis", s.draw.between(-s.rank(x) - 1, s.rank(x)))});
}

void reverse_sequence(Sketch& s) {
  const std::string x = any(s, 2);
  const Dims shape = s.shape(x);
  const int64_t rows = fixed(shape, 0), steps = fixed(shape, 1);
  Tensor lengths(DType::kI64, {rows});
  for (int64_t i = 0; i < rows; ++i) lengths.set_int(i, s.draw.between(1, steps));
  s.add("ReverseSequence", {x, s.constant(lengths)},
        {attribute("batch_axis", int64_t(0)), attribute("time_axis", int64_t(1))});
}

void compress(Sketch& s) {
  const std::string x = any(s, 1);
  const int64_t axis = draw_axis(s, s.rank(x));
  const int64_t n = fixed(s.shape(x), from_front(axis, s.rank(x)));
  s.add("Compress", {x, s.weights(DType::kBool, {n})}, {attribute("axis", axis)});
}

void non_zero(Sketch& s) {
  const std::string x = s.pick([](const Value& v) { return v.dtype == DType::kBool && !v.at[0].dims().empty(); });
  const std::string found = s.add("NonZero", {x});
  if (s.draw.one_in(2)) s.add("Cast", {s.add("Transpose", {found})}, {attribute("to", int64_t(1))});
}

std::string int_shape(Sketch& s, const std::string& x) { return s.add("Shape", {x}); }

std::string element(Sketch& s, const std::string& shape, int64_t i) {
  const bool vector = s.draw.one_in(2);
  const std::string e = s.add("Gather", {shape, vector ? s.ints({i}) : s.constant(Tensor::scalar_i64(i))});
  return vector ? e : s.add("Unsqueeze", {e, s.ints({0})});
}

/// x.view(x.shape[0], -1) and its like.
void reshape_computed(Sketch& s) {
  const std::string x = any(s, 1), dims = int_shape(s, x);
  const int64_t rank = s.rank(x);
  std::vector<std::string> parts;
  const int64_t kept = s.draw.below(rank);
  for (int64_t i = 0; i < kept; ++i) parts.push_back(element(s, dims, i));
  if (s.draw.one_in(2) && rank - kept >= 2)
    parts.push_back(s.add("Mul", {element(s, dims, kept), element(s, dims, kept + 1)}));
  parts.push_back(s.ints({-1}));
  s.add("Reshape", {x, s.add("Concat", parts, {attribute("axis", int64_t(0))})});
}

/// Numbers made for a computed shape.
void fill_computed(Sketch& s) {
  const std::string x = s.pick_float(1, 4), dims = int_shape(s, x);
  switch (s.draw.below(5)) {
    case 0: {
      Tensor value(DType::kF32, {1});
      value.set(0, 0.7);
      const std::string full = s.add("ConstantOfShape", {dims}, {attribute("value", value)});
      if (s.dtype(x) == DType::kF32) s.add("Mul", {x, full});
      return;
    }
    case 1: {
      const std::string n = s.add("Gather", {dims, s.constant(Tensor::scalar_i64(-1))});
      const std::string zero = s.constant(Tensor::scalar_i64(0)), one = s.constant(Tensor::scalar_i64(1));
      const std::string r = s.add("Cast", {s.add("Range", {zero, n, one})}, {attribute("to", int64_t(1))});
      if (s.dtype(x) == DType::kF32) s.add("Mul", {x, s.add("Mul", {r, s.number(DType::kF32, 0.1)})});
      return;
    }
    case 2:
      s.add("Expand", {s.weights(s.dtype(x), {1}), dims});
      return;
    case 3: {
      const std::string size = s.add("Cast", {s.add("Size", {x})}, {attribute("to", int64_t(1))});
      s.add("Mul", {size, s.number(DType::kF32, 1e-3)});
      return;
    }
    default:
      s.add("Slice", {x, s.ints({0}), s.add("Div", {element(s, dims, 0), s.ints({2})}), s.ints({0})});
  }
}

void resize_computed(Sketch& s) {
  const std::string x = s.pick_float(4, 4), dims = int_shape(s, x);
  const std::string head = s.add("Slice", {dims, s.ints({0}), s.ints({2})});
  const std::string tail = s.add("Mul", {s.add("Slice", {dims, s.ints({2}), s.ints({4})}), s.ints({2})});
  s.add("Resize", {x, "", "", s.add("Concat", {head, tail}, {attribute("axis", int64_t(0))})},
        {attribute("mode", std::string(s.draw.one_in(2) ? "nearest" : "linear")),
         attribute("coordinate_transformation_mode", std::string("asymmetric")),
         attribute("nearest_mode", std::string("floor"))});
}

void shape_arithmetic(Sketch& s) {
  const std::string x = any(s, 1), dims = int_shape(s, x);
  const std::string a = s.add("Gather", {dims, s.constant(Tensor::scalar_i64(draw_axis(s, s.rank(x))))});
  static const std::vector<const char*> kOps = {"Add", "Mul", "Sub", "Div", "Max", "Min"};
  const std::string b = s.add(s.draw.pick(kOps), {a, s.constant(Tensor::scalar_i64(s.draw.between(1, 3)))});
  s.add("Cast", {b}, {attribute("to", s.draw.one_in(2) ? int64_t(1) : int64_t(6))});
}

}  // namespace

std::span<const Operator> indexing_operators() {
  static constexpr Operator kTable[] = {{"gather", 6, gather},
                                        {"gather_computed", 3, gather_computed},
                                        {"embedding", 2, embedding},
                                        {"gather_elements", 2, gather_elements},
                                        {"gather_nd", 2, gather_nd},
                                        {"scatter_elements", 2, scatter_elements},
                                        {"scatter_nd", 2, scatter_nd},
                                        {"one_hot", 1, one_hot},
                                        {"reverse_sequence", 1, reverse_sequence},
                                        {"compress", 1, compress},
                                        {"non_zero", 1, non_zero},
                                        {"reshape_computed", 5, reshape_computed},
                                        {"fill_computed", 4, fill_computed},
                                        {"resize_computed", 2, resize_computed},
                                        {"shape_arithmetic", 2, shape_arithmetic}};
  return kTable;
}

}  // namespace tenon::random_graphs
