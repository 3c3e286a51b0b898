// LSTM, GRU and RNN.
#include "ops/rnn/rnn.h"

#include <cmath>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/rnn/activation_fn.h"
#include "ops/shape/transpose.h"

namespace tenon::ops {

std::span<const std::string_view> enum_names(RnnDirection) {
  static constexpr std::string_view names[] = {"forward", "reverse", "bidirectional"};
  return names;
}

namespace {

enum class Cell { kRnn, kGru, kLstm };
constexpr int64_t gates(Cell cell) { return cell == Cell::kLstm ? 4 : cell == Cell::kGru ? 3 : 1; }
constexpr size_t functions(Cell cell) { return cell == Cell::kLstm ? 3 : cell == Cell::kGru ? 2 : 1; }
int64_t directions(const RnnAttrs& a) { return a.direction == RnnDirection::kBidirectional ? 2 : 1; }

constexpr std::string_view kNames[] = {"x", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};

void expect_shape(InferContext& c, size_t i, const Shape& want) {
  if (!c.has(i)) return;
  const Shape& have = c.shape(i);
  bool fits = have.size() == want.size();
  for (size_t k = 0; fits && k < want.size(); ++k)
    fits = have[k] == want[k] || !have[k].is_const() || !want[k].is_const();
  c.expect(fits, kNames[i], " is ", c.text(have), ", accepted is ", c.text(want));
}

template <Cell C>
void infer_rnn(InferContext& c) {
  const RnnAttrs& a = c.attrs<RnnAttrs>();
  const int64_t h = a.hidden_size, d = directions(a);
  c.expect(c.has(1) && c.has(2), "W and R are required");
  c.expect(h >= 1, "hidden_size is ", h, ", accepted are numbers from 1");
  c.expect(a.clip >= 0, "clip is ", a.clip, ", accepted are numbers from 0");
  const Shape& x = c.shape(0);
  c.expect(x.size() == 3, "x ", c.text(x), " has rank ", x.size(), ", accepted is 3");
  c.expect(a.activations.size() == functions(C) * size_t(d), "there are ", a.activations.size(),
           " activations, accepted are ", functions(C) * size_t(d));
  rnn_activations(a.activations, a.activation_alpha, a.activation_beta);
  const int64_t rows = checked_mul(gates(C), h);
  expect_shape(c, 1, {d, rows, x[2]});
  expect_shape(c, 2, {d, rows, h});
  expect_shape(c, 3, {d, checked_mul(2, rows)});
  expect_shape(c, 4, {x[1]});
  expect_shape(c, 5, {d, x[1], h});
  expect_shape(c, 6, {d, x[1], h});
  expect_shape(c, 7, {d, checked_mul(3, h)});
  c.output(0, c.dtype(0), {x[0], d, x[1], h});
  for (size_t i = 1; i < c.output_count(); ++i) c.output(i, c.dtype(0), {d, x[1], h});
}

using Vec = std::vector<double>;

/// Weights and state of one direction; `step` advances the state of one sequence by one element of x.
struct Direction {
  const RnnAttrs& a;
  int64_t h, in, g;
  const double *w, *r, *b, *p;  // b and p may be null
  const RnnActivation* f;

  double bias(int64_t k) const { return b ? b[k] + b[g * h + k] : 0; }
  double recurrent(int64_t k, const double* state) const {
    double sum = 0;
    for (int64_t j = 0; j < h; ++j) sum += r[k * h + j] * state[j];
    return sum;
  }
  double from_input(int64_t k, const double* x) const {
    double sum = 0;
    for (int64_t j = 0; j < in; ++j) sum += w[k * in + j] * x[j];
    return sum;
  }
  double activate(size_t i, double v) const {
    if (a.clip > 0) v = std::fmin(std::fmax(v, -double(a.clip)), double(a.clip));
    return f[i](v);
  }
  double gate(int64_t k, const double* x, const Vec& state) const {
    return from_input(k, x) + recurrent(k, state.data()) + bias(k);
  }

  void step_rnn(const double* x, Vec& state, Vec&) const {
    Vec next(state.size());
    for (int64_t k = 0; k < h; ++k) next[size_t(k)] = activate(0, gate(k, x, state));
    state = std::move(next);
  }
  void step_gru(const double* x, Vec& state, Vec&) const {
    Vec z(state.size()), reset(state.size()), gated(state.size()), next(state.size());
    for (int64_t k = 0; k < h; ++k) {
      z[size_t(k)] = activate(0, gate(k, x, state));
      reset[size_t(k)] = activate(0, gate(h + k, x, state));
      gated[size_t(k)] = reset[size_t(k)] * state[size_t(k)];
    }
    for (int64_t k = 0; k < h; ++k) {
      const int64_t row = 2 * h + k;
      const double wb = b ? b[row] : 0, rb = b ? b[g * h + row] : 0;
      const double hidden = a.linear_before_reset ? reset[size_t(k)] * (recurrent(row, state.data()) + rb)
                                                  : recurrent(row, gated.data()) + rb;
      const double candidate = activate(1, from_input(row, x) + hidden + wb);
      next[size_t(k)] = (1 - z[size_t(k)]) * candidate + z[size_t(k)] * state[size_t(k)];
    }
    state = std::move(next);
  }
  void step_lstm(const double* x, Vec& state, Vec& cell) const {
    Vec next(state.size());
    for (int64_t k = 0; k < h; ++k) {
      double& memory = cell[size_t(k)];
      const double pi = p ? p[k] : 0, po = p ? p[h + k] : 0, pf = p ? p[2 * h + k] : 0;
      const double i = activate(0, gate(k, x, state) + pi * memory);
      const double forget = a.input_forget ? 1 - i : activate(0, gate(2 * h + k, x, state) + pf * memory);
      memory = forget * memory + i * activate(1, gate(3 * h + k, x, state));
      const double o = activate(0, gate(h + k, x, state) + po * memory);
      next[size_t(k)] = o * f[2](memory);
    }
    state = std::move(next);
  }
  template <Cell C>
  void step(const double* x, Vec& state, Vec& cell) const {
    if constexpr (C == Cell::kLstm)
      step_lstm(x, state, cell);
    else if constexpr (C == Cell::kGru)
      step_gru(x, state, cell);
    else
      step_rnn(x, state, cell);
  }
};

Vec doubles(const EvalContext& c, size_t i) { return c.has(i) ? c.input(i).to_doubles() : Vec(); }

template <Cell C>
void eval_rnn(EvalContext& c) {
  const RnnAttrs& a = c.attrs<RnnAttrs>();
  const Dims& xd = c.input(0).dims();
  const int64_t s = xd[0], batch = xd[1], in = xd[2], h = a.hidden_size, g = gates(C), d = directions(a);
  const Vec x = doubles(c, 0), w = doubles(c, 1), r = doubles(c, 2), b = doubles(c, 3), h0 = doubles(c, 5);
  const Vec c0 = doubles(c, 6), p = doubles(c, 7);
  const auto f = rnn_activations(a.activations, a.activation_alpha, a.activation_beta);
  const Dims state_dims{d, batch, h};
  Tensor y(c.input(0).dtype(), {s, d, batch, h}), y_h(c.input(0).dtype(), state_dims),
      y_c(c.input(0).dtype(), state_dims);
  for (int64_t k = 0; k < d; ++k) {
    const Direction direction{a,
                              h,
                              in,
                              g,
                              w.data() + k * g * h * in,
                              r.data() + k * g * h * h,
                              b.empty() ? nullptr : b.data() + k * 2 * g * h,
                              p.empty() ? nullptr : p.data() + k * 3 * h,
                              f.data() + size_t(k) * functions(C)};
    const bool backward = a.direction == RnnDirection::kReverse || k == 1;
    for (int64_t n = 0; n < batch; ++n) {
      const int64_t length = c.has(4) ? c.input(4).get_int(n) : s, at = (k * batch + n) * h;
      require(length >= 0 && length <= s, ErrorCode::kInvalidArgument, "sequence_lens[", n, "] is ", length,
              ", accepted are numbers from 0 to ", s);
      Vec state(size_t(h), 0), cell(size_t(h), 0);
      for (int64_t j = 0; j < h; ++j) {
        if (!h0.empty()) state[size_t(j)] = h0[size_t(at + j)];
        if (!c0.empty()) cell[size_t(j)] = c0[size_t(at + j)];
      }
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = backward ? length - 1 - i : i;
        direction.template step<C>(x.data() + (t * batch + n) * in, state, cell);
        for (int64_t j = 0; j < h; ++j) y.set(((t * d + k) * batch + n) * h + j, state[size_t(j)]);
      }
      for (int64_t j = 0; j < h; ++j) y_h.set(at + j, state[size_t(j)]), y_c.set(at + j, cell[size_t(j)]);
    }
  }
  const Tensor* results[] = {&y, &y_h, &y_c};
  for (size_t i = 0; i < c.outputs.size(); ++i)
    if (c.wants(i)) c.outputs[i] = *results[i];
}

template <Cell C>
RnnAttrs attrs_of(ImportContext& c) {
  RnnAttrs a;
  const Shape r = c.shape(c.required(2));
  a.hidden_size = c.attr_int("hidden_size", r.size() == 3 && r[2].is_const() ? r[2].constant() : 0);
  const std::string direction = c.attr_string("direction", "forward");
  const auto names = enum_names(RnnDirection());
  size_t k = 0;
  while (k < names.size() && names[k] != direction) ++k;
  if (k == names.size()) c.fail("direction is '", direction, "', accepted are forward, reverse, bidirectional");
  a.direction = RnnDirection(k);
  a.activations = c.attr_strings("activations");
  static const std::vector<std::string> defaults[] = {{"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
  if (a.activations.empty())
    for (int64_t i = 0; i < directions(a); ++i)
      a.activations.insert(a.activations.end(), defaults[size_t(C)].begin(), defaults[size_t(C)].end());
  a.activation_alpha = c.attr_floats("activation_alpha");
  a.activation_beta = c.attr_floats("activation_beta");
  a.clip = c.attr_float("clip", 0);
  a.linear_before_reset = c.attr_int("linear_before_reset", 0) != 0;
  a.input_forget = c.attr_int("input_forget", 0) != 0;
  return a;
}

// Layout 1 has the batch first: x, the initial states and all outputs are transposed.
template <Cell C>
void import_rnn(ImportContext& c) {
  const bool batch_first = c.attr_int("layout", 0) != 0;
  auto transpose = [&](ir::ValueId v, std::vector<int64_t> perm) {
    return batch_first && v != ir::kNone ? c.add("Transpose", {v}, TransposeAttrs{std::move(perm)}) : v;
  };
  auto optional = [&](size_t i) { return c.has(i) ? c.input(i) : ir::kNone; };
  std::vector<ir::ValueId> inputs{
      transpose(c.required(0), {1, 0, 2}), c.required(1), c.required(2), optional(3), optional(4),
      transpose(optional(5), {1, 0, 2})};
  if (C == Cell::kLstm) {
    inputs.push_back(transpose(optional(6), {1, 0, 2}));
    inputs.push_back(optional(7));
  }
  while (inputs.back() == ir::kNone) inputs.pop_back();
  const size_t outputs = std::min<size_t>(c.output_count(), C == Cell::kLstm ? 3 : 2);
  const auto y = c.add_n(c.node_op(), inputs, attrs_of<C>(c), outputs);
  for (size_t i = 0; i < outputs; ++i)
    c.output(i, transpose(y[i], i == 0 ? std::vector<int64_t>{2, 0, 1, 3} : std::vector<int64_t>{1, 0, 2}));
}

template <Cell C>
OpDef rnn_op(std::string_view name) {
  return {.name = name,
          .attrs = ir::schema_of<RnnAttrs>(),
          .min_inputs = 3,
          .max_inputs = C == Cell::kLstm ? size_t(8) : size_t(6),
          .infer = infer_rnn<C>,
          .eval = eval_rnn<C>};
}

}  // namespace

OpSet rnn() {
  return {{rnn_op<Cell::kRnn>("RNN"), rnn_op<Cell::kGru>("GRU"), rnn_op<Cell::kLstm>("LSTM")},
          {{"", "RNN", 7, import_rnn<Cell::kRnn>},
           {"", "GRU", 7, import_rnn<Cell::kGru>},
           {"", "LSTM", 7, import_rnn<Cell::kLstm>}}};
}

}  // namespace tenon::ops
