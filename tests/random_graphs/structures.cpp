// Groups of nodes that passes look for, as exporters write them, with variations that may stop the passes.
#include <cmath>

#include "operators.h"

namespace tenon::random_graphs {
namespace {

/// One of the values inside of a structure gets another reader.
void maybe_read(Sketch& s, const std::string& x) {
  if (s.draw.one_in(8)) s.add("Sigmoid", {x});
}

void residual(Sketch& s) {
  const std::string x = s.pick_float(3, 5);
  const int64_t c = fixed(s.shape(x), 1);
  std::string y = add_activation(s, add_conv(s, x, s.channels(), 3));
  maybe_read(s, y);
  y = add_conv(s, y, c, s.draw.one_in(2) ? 3 : 1, 1, 1, s.draw.one_in(2));
  const std::string sum = s.draw.one_in(2) ? s.add("Add", {y, x}) : s.add("Add", {x, y});
  maybe_read(s, y);
  if (s.draw.one_in(2)) s.add("Relu", {sum});
}

void inverted_bottleneck(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const int64_t c = fixed(s.shape(x), 1), wide = 2 * c;
  std::string y = add_activation(s, add_conv(s, x, wide, 1));
  maybe_read(s, y);
  y = add_activation(s, add_conv(s, y, wide, s.draw.one_in(2) ? 3 : 5, wide, s.draw.between(1, 2)));
  if (s.draw.one_in(2)) {
    std::string g = s.draw.one_in(2) ? s.add("GlobalAveragePool", {y}) : add_reduce(s, "ReduceMean", y, {2, 3}, true);
    g = s.add("Relu", {add_conv(s, g, s.draw.between(1, 4), 1)});
    g = s.add(s.draw.one_in(2) ? "Sigmoid" : "HardSigmoid", {add_conv(s, g, wide, 1)});
    y = s.draw.one_in(2) ? s.add("Mul", {y, g}) : s.add("Mul", {g, y});
  }
  maybe_read(s, y);
  const std::string z = add_conv(s, y, c, 1);
  if (s.broadcasts(z, x)) s.add("Add", {z, x});
}

/// A convolution, then arithmetic by constants of its channels.
void scaled_conv(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const int64_t out = s.channels();
  const DType t = s.dtype(x);
  std::string y =
      add_conv(s, x, out, s.draw.pick(std::vector<int64_t>{1, 3}), 1, s.draw.between(1, 2), s.draw.one_in(2));
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    const Dims dims = s.draw.pick(std::vector<Dims>{{1, out, 1, 1}, {out, 1, 1}, {}, {1}});
    const char* op = s.draw.pick(std::vector<const char*>{"Mul", "Add", "Sub", "Div"});
    y = s.add(op, {y, s.weights(t, dims, 0.1, op[0] == 'D' ? 1.5 : 1)});
    maybe_read(s, y);
  }
  if (s.draw.one_in(2)) add_activation(s, y);
}

/// A multiplication before a product with weights, or padding and scaling around it.
void scaled_product(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const DType t = s.dtype(x);
  const int64_t k = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  std::string y = s.add("Mul", {x, s.weights(t, s.draw.one_in(2) ? Dims{k} : Dims{}, 0.2, 1)});
  maybe_read(s, y);
  const int64_t n = s.channels();
  y = add_linear(s, y, n, s.draw.one_in(2));
  y = s.add(s.draw.one_in(2) ? "Mul" : "Div", {y, s.weights(t, s.draw.one_in(2) ? Dims{n} : Dims{1}, 0.2, 1.3)});
  y = s.add("Add", {y, s.pick_partner(y)});
  if (s.draw.one_in(2)) add_activation(s, y);
}

std::string heads_of(Sketch& s, const std::string& x, int64_t heads, int64_t d, bool keys) {
  const Dims shape = s.shape(x);
  const int64_t steps = shape[1] < 0 ? -1 : shape[1], batch = shape[0] < 0 ? (steps < 0 ? 0 : -1) : shape[0];
  const std::string split = s.add("Reshape", {x, s.ints({batch, steps < 0 ? (batch == 0 ? -1 : 0) : steps, heads, d})});
  return s.add("Transpose", {split}, {attribute("perm", keys ? Dims{0, 2, 3, 1} : Dims{0, 2, 1, 3})});
}

void attention(Sketch& s) {
  const std::string x = s.pick_float(3, 3);
  const DType t = s.dtype(x);
  const Dims shape = s.shape(x);
  const int64_t heads = s.draw.between(1, 3), d = s.draw.pick(std::vector<int64_t>{1, 2, 3, 4, 8});
  const std::string memory = s.draw.one_in(4) ? s.pick([&](const Value& v) {
    if (v.dtype != t || v.at[0].dims().size() != 3) return false;
    for (size_t b = 0; b < v.at.size(); ++b)
      if (v.at[b].dims()[0] != s.value(x).at[b].dims()[0]) return false;
    return true;
  })
                                              : x;
  std::string q = heads_of(s, add_linear(s, x, heads * d), heads, d, false);
  const bool transposed = s.draw.one_in(2);
  std::string k = heads_of(s, add_linear(s, memory, heads * d), heads, d, transposed);
  const std::string v = heads_of(s, add_linear(s, memory, heads * d), heads, d, false);
  if (!transposed) k = s.add("Transpose", {k}, {attribute("perm", Dims{0, 1, 3, 2})});
  const double scale = 1 / std::sqrt(double(d));
  const int64_t where = s.draw.below(4);
  if (where == 0) q = s.add("Mul", {q, s.number(t, scale)});
  std::string scores = s.add("MatMul", {q, k});
  if (where == 1) scores = s.add("Mul", {scores, s.number(t, scale)});
  if (where == 2) scores = s.add("Div", {scores, s.number(t, 1 / scale)});
  const Dims sd = s.shape(scores);
  if (s.draw.one_in(2)) {
    Dims mask = {sd[2] < 0 ? 1 : sd[2], sd[3] < 0 ? 1 : sd[3]};
    if (s.draw.one_in(2)) mask.insert(mask.begin(), {1, s.draw.one_in(2) ? heads : 1});
    if (s.draw.one_in(2))
      scores = s.add("Add", {scores, s.weights(t, mask, 1)});
    else
      scores = s.add("Where", {s.weights(DType::kBool, mask, 1, 0.5), scores, s.number(t, -20)});
  }
  maybe_read(s, scores);
  const std::string p = s.add("Softmax", {scores}, {attribute("axis", s.draw.one_in(2) ? int64_t(3) : int64_t(-1))});
  maybe_read(s, p);
  std::string y = s.add("Transpose", {s.add("MatMul", {p, v})}, {attribute("perm", Dims{0, 2, 1, 3})});
  y = s.add("Reshape", {y, s.ints({0, shape[1] < 0 ? (s.draw.one_in(2) ? 0 : -1) : shape[1], heads * d})});
  if (s.draw.one_in(2)) add_linear(s, y, s.channels());
}

void layer_norm(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const DType t = s.dtype(x);
  const int64_t n = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  const Dims last = {-1};
  const std::string mean = add_reduce(s, "ReduceMean", x, last, true), d = s.add("Sub", {x, mean});
  maybe_read(s, d);
  const std::string square = s.draw.one_in(2) ? s.add("Mul", {d, d}) : s.add("Pow", {d, s.number(t, 2)});
  const std::string v = s.add("Add", {add_reduce(s, "ReduceMean", square, last, true), s.number(t, 1e-2)});
  std::string y = s.add("Div", {d, s.draw.one_in(4) ? s.add("Pow", {v, s.number(t, 0.5)}) : s.add("Sqrt", {v})});
  if (s.draw.one_in(4)) return;
  y = s.add("Mul", {y, s.weights(t, s.draw.one_in(6) ? Dims{} : Dims{n}, 0.2, 1)});
  if (!s.draw.one_in(4)) y = s.add("Add", {y, s.weights(t, {n}, 0.3)});
}

void gelu(Sketch& s) {
  const std::string x = s.pick_float();
  const DType t = s.dtype(x);
  if (s.draw.one_in(2)) {
    const std::string scaled = s.draw.one_in(2) ? s.add("Div", {x, s.number(t, std::sqrt(2.0))})
                                                : s.add("Mul", {x, s.number(t, std::sqrt(0.5))});
    const std::string e = s.add("Add", {s.add("Erf", {scaled}), s.number(t, 1)});
    maybe_read(s, e);
    s.draw.one_in(2) ? s.add("Mul", {s.add("Mul", {x, s.number(t, 0.5)}), e})
                     : s.add("Mul", {s.add("Mul", {x, e}), s.number(t, s.draw.one_in(5) ? 0.4 : 0.5)});
    return;
  }
  const std::string cube =
      s.draw.one_in(2) ? s.add("Pow", {x, s.number(t, 3)}) : s.add("Mul", {s.add("Mul", {x, x}), x});
  const std::string inner =
      s.add("Mul", {s.add("Add", {x, s.add("Mul", {cube, s.number(t, 0.044715)})}), s.number(t, 0.7978845608)});
  s.add("Mul", {s.add("Mul", {x, s.number(t, 0.5)}), s.add("Add", {s.add("Tanh", {inner}), s.number(t, 1)})});
}

/// Several products or convolutions of one value, put together or not.
void siblings(Sketch& s) {
  const std::string x = s.pick_float(2, 4);
  const int64_t rank = s.rank(x);
  const bool conv = rank == 4 && s.draw.one_in(2);
  std::vector<std::string> parts;
  const bool same = s.draw.one_in(2);
  const int64_t width = s.channels(), kernel = s.draw.one_in(3) ? 3 : 1;
  for (int64_t n = s.draw.between(2, 4); n > 0; --n) {
    const int64_t out = same ? width : s.channels();
    std::string y =
        conv ? add_conv(s, x, out, kernel, 1, 1, s.draw.one_in(2)) : add_linear(s, x, out, s.draw.one_in(2));
    if (s.draw.one_in(3)) y = add_activation(s, y);
    parts.push_back(y);
  }
  if (s.draw.one_in(3)) return;
  if (same && s.draw.one_in(2))
    s.add("Mul", {s.add("Sigmoid", {parts[0]}), parts[1]});
  else
    s.add("Concat", parts, {attribute("axis", conv ? int64_t(1) : int64_t(-1))});
}

void shared_weights(Sketch& s) {
  const std::string x = s.pick_float(2, 4), y = s.pick_float(2, 4);
  const int64_t k = fixed(s.shape(x), size_t(s.rank(x)) - 1);
  if (fixed(s.shape(y), size_t(s.rank(y)) - 1) != k || s.dtype(x) != s.dtype(y)) throw Rejected{"dims differ"};
  const std::string w = s.weights(s.dtype(x), {k, s.channels()}, 1 / std::sqrt(double(k)));
  s.add("MatMul", {s.add("Mul", {x, s.number(s.dtype(x), 1.5)}), w});
  s.add("MatMul", {y, w});
  if (s.draw.one_in(2)) s.add("MatMul", {y, s.add("Tanh", {w})});
}

/// Transposes that meet others across elementwise nodes, reductions and slices.
void moved_around(Sketch& s) {
  const std::string x = s.pick_float(3, 4);
  const int64_t rank = s.rank(x);
  const Dims order = draw_order(s, rank);
  Dims back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[size_t(order[i])] = int64_t(i);
  std::string y = s.add("Transpose", {x}, {attribute("perm", order)});
  maybe_read(s, y);
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    switch (s.draw.below(6)) {
      case 0:
        y = add_activation(s, y);
        break;
      case 1:
        y = s.add("Add", {y, s.pick_partner(y)});
        break;
      case 2:
        y = s.add("Softmax", {y}, {attribute("axis", draw_axis(s, rank))});
        break;
      case 3:
        y = s.add("Concat", {y, s.add("Neg", {y})}, {attribute("axis", draw_axis(s, rank))});
        break;
      case 4:
        y = s.add("Slice", {y, s.ints({0}), s.ints({2}), s.ints({draw_axis(s, rank)})});
        break;
      default:
        y = add_reduce(s, "ReduceMean", y, {draw_axis(s, rank)}, true);
    }
    maybe_read(s, y);
  }
  if (s.rank(y) == rank) s.add("Transpose", {y}, {attribute("perm", s.draw.one_in(4) ? order : back)});
}

/// Parts of a channel axis that go different ways and come together: shuffles, gates, dense blocks.
void parts(Sketch& s) {
  const std::string x = s.pick_float(3, 4);
  const int64_t c = fixed(s.shape(x), 1);
  if (c < 2) throw Rejected{"one channel"};
  const int64_t first = s.draw.one_in(2) && c % 2 == 0 ? c / 2 : s.draw.between(1, c - 1);
  const auto halves = s.add_n("Split", {x, s.ints({first, c - first})}, {attribute("axis", int64_t(1))}, 2);
  std::string a = halves[0], b = halves[1];
  switch (s.draw.below(4)) {
    case 0:
      a = add_activation(s, a);
      break;
    case 1:
      a = add_conv(s, a, s.channels(), 3);
      break;
    case 2:
      if (s.broadcasts(a, b)) a = s.add("Mul", {a, s.add("Sigmoid", {b})});
      break;
    default:
      std::swap(a, b);
  }
  if (s.draw.one_in(2)) b = add_conv(s, b, s.channels(), 1);
  maybe_read(s, a);
  std::string y = s.add("Concat", s.draw.one_in(3) ? std::vector<std::string>{x, a, b} : std::vector<std::string>{a, b},
                        {attribute("axis", int64_t(1))});
  if (s.draw.one_in(2)) add_conv(s, y, s.channels(), s.draw.one_in(2) ? 1 : 3);
}

void shuffle(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const Dims shape = s.shape(x);
  const int64_t c = fixed(shape, 1), g = draw_divisor(s, c);
  const bool open = shape[0] < 0;
  std::string y = s.add("Reshape", {x, s.ints({open ? -1 : shape[0], g, c / g, fixed(shape, 2), fixed(shape, 3)})});
  y = s.add("Transpose", {y}, {attribute("perm", Dims{0, 2, 1, 3, 4})});
  s.add("Reshape", {y, s.ints({open ? -1 : shape[0], c, shape[2], shape[3]})});
}

void upsample_and_join(Sketch& s) {
  const std::string x = s.pick_float(4, 4);
  const std::string down =
      s.add("MaxPool", {x}, {attribute("kernel_shape", Dims{2, 2}), attribute("strides", Dims{2, 2})});
  const std::string y = add_activation(s, add_conv(s, down, s.channels(), 3));
  Tensor scales(DType::kF32, {4});
  for (int64_t d = 0; d < 4; ++d) scales.set(d, d < 2 ? 1 : 2);
  const std::string up = s.add("Resize", {y, "", s.constant(scales)},
                               {attribute("mode", std::string(s.draw.one_in(2) ? "nearest" : "linear"))});
  s.add("Concat", {up, x}, {attribute("axis", int64_t(1))});
}

/// Arithmetic on constants alone, which folds away.
void folded(Sketch& s) {
  const std::string x = s.pick_float();
  const Dims dims = s.broadcast_dims(s.shape(x));
  std::string c = s.weights(s.dtype(x), dims, 0.5);
  c = s.add(s.draw.one_in(2) ? "Tanh" : "Exp", {c});
  if (!dims.empty() && s.draw.one_in(2)) c = s.add("Transpose", {s.add("Transpose", {c})});
  s.add(s.draw.one_in(2) ? "Add" : "Mul", {x, s.add("Mul", {c, s.number(s.dtype(x), 0.5)})});
}

/// What adds nothing: dropout at rest, x * 1, x + 0, identities, casts to the same type.
void nothing(Sketch& s) {
  std::string x = s.pick_float();
  const DType t = s.dtype(x);
  for (int64_t n = s.draw.between(1, 3); n > 0; --n) {
    switch (s.draw.below(5)) {
      case 0:
        x = s.add("Dropout", {x});
        break;
      case 1:
        x = s.add("Mul", {x, s.number(t, 1)});
        break;
      case 2:
        x = s.add("Add", {s.number(t, 0), x});
        break;
      case 3:
        x = s.add("Identity", {x});
        break;
      default:
        x = s.add("Sub", {s.add("Add", {x, x}), x});
    }
  }
}

}  // namespace

std::span<const Operator> structures() {
  static constexpr Operator kTable[] = {{"residual", 5, residual},
                                        {"inverted_bottleneck", 4, inverted_bottleneck},
                                        {"scaled_conv", 4, scaled_conv},
                                        {"scaled_product", 4, scaled_product},
                                        {"attention", 6, attention},
                                        {"layer_norm", 4, layer_norm},
                                        {"gelu", 3, gelu},
                                        {"siblings", 5, siblings},
                                        {"shared_weights", 2, shared_weights},
                                        {"moved_around", 6, moved_around},
                                        {"parts", 5, parts},
                                        {"shuffle", 2, shuffle},
                                        {"upsample_and_join", 3, upsample_and_join},
                                        {"folded", 3, folded},
                                        {"nothing", 2, nothing}};
  return kTable;
}

}  // namespace tenon::random_graphs
