// LSTM, GRU and RNN as loops: one for each direction, over products of the inputs that are made for all steps at once.
#include "ops/rnn/activation_fn.h"
#include "ops/rnn/rnn.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

constexpr size_t kX = 0, kW = 1, kR = 2, kBias = 3, kLengths = 4, kHidden = 5, kCells = 6, kPeepholes = 7;

/// One direction. Gates stand behind each other in the columns of products: i, o, f, c of an LSTM; z, r, h of a GRU.
class Direction {
 public:
  Direction(ExpandContext& c, int64_t index)
      : c_(c),
        a_(c.attrs<RnnAttrs>()),
        d_(index),
        h_(a_.hidden_size),
        gates_(c.node().op == "LSTM"  ? 4
               : c.node().op == "GRU" ? 3
                                      : 1),
        backward_(a_.direction == RnnDirection::kReverse || index == 1),
        region_(c.new_region()),
        type_(c.dtype(c.input(kX))) {
    const size_t each = c.node().op == "LSTM" ? 3 : c.node().op == "GRU" ? 2 : 1;
    const auto all = rnn_activations(a_.activations, a_.activation_alpha, a_.activation_beta);
    functions_.assign(all.begin() + std::ptrdiff_t(each) * index, all.begin() + std::ptrdiff_t(each) * (index + 1));
  }

  /// Y [S, 1, B, H], Y_h and Y_c [1, B, H], those that are wanted.
  std::vector<ValueId> run() {
    const ValueId gates = inputs();
    count_ = steps();
    c_.boundary("trt.TripLimit", {count_}, {.region = region_, .kind = kCount}, 0);
    const ValueId x = c_.boundary("trt.Iterator", {gates}, {.region = region_, .axis = 0, .reverse = backward_}, 1)[0];
    const ValueId h = c_.recurrence(region_, initial(kHidden));
    const ValueId cell = gates_ == 4 ? c_.recurrence(region_, initial(kCells)) : ir::kNone;
    ValueId next_cell = ir::kNone, next = gates_ == 4   ? lstm(x, h, cell, next_cell)
                                          : gates_ == 3 ? gru(x, h)
                                                        : function(0, plus_state(x, h));
    ValueId y = next;
    if (c_.has(kLengths)) {
      const ValueId valid = inside();
      y = c_.select(valid, next, c_.number_like(next, 0));
      next = c_.select(valid, next, h);
      if (gates_ == 4) next_cell = c_.select(valid, next_cell, cell);
    }
    c_.set_next(h, next);
    if (gates_ == 4) c_.set_next(cell, next_cell);
    std::vector<ValueId> results(3, ir::kNone);
    if (c_.wants(0)) results[0] = c_.reshape(gathered(y), {0, 1, -1, h_});
    if (c_.wants(1)) results[1] = c_.reshape(last(h), {1, -1, h_});
    if (c_.wants(2)) results[2] = c_.reshape(last(cell), {1, -1, h_});
    return results;
  }

 private:
  /// Rows of this direction from `first` on, of weights [D, rows, …] or [D, rows], as `dims`; one may be -1.
  ValueId rows(size_t input, int64_t first, int64_t count, Ints dims) {
    if (c_.constant_input(input)) return c_.constant(known_rows(input, first, count, std::move(dims)));
    ValueId v = c_.input(input);
    if (c_.number(v, 0) != 1) v = c_.slice(v, 0, d_, 1);
    if (c_.number(v, 1) != count) v = c_.slice(v, 1, first, count);
    return c_.reshape(v, std::move(dims));
  }
  Tensor known_rows(size_t input, int64_t first, int64_t count, Ints dims) const {
    const Tensor* all = c_.constant_input(input);
    const int64_t total = all->dims()[1], columns = all->count() / all->dims()[0] / total;
    for (int64_t& d : dims)
      if (d == -1) d = columns;
    Tensor out(all->dtype(), std::move(dims));
    for (int64_t i = 0; i < count * columns; ++i) out.set(i, all->get((d_ * total + first) * columns + i));
    return out;
  }

  /// x W^T and the biases that do not depend on the state: [S, B, gates * H].
  ValueId inputs() {
    const ValueId weights = rows(kW, 0, gates_ * h_, {1, gates_ * h_, -1});
    const ValueId products = c_.matmul(c_.input(kX), weights, true);
    return c_.has(kBias) ? c_.elementwise("Add", products, biases()) : products;
  }

  /// The sum of both biases, [1, 1, gates * H]; the state's own of a GRU's candidate may wait for its reset.
  ValueId biases() {
    const int64_t all = gates_ * h_, plain = gates_ == 3 && a_.linear_before_reset ? 2 * h_ : all;
    if (c_.constant_input(kBias)) {
      Tensor sum = known_rows(kBias, 0, all, {1, 1, all});
      const Tensor of_state = known_rows(kBias, all, all, {all});
      for (int64_t i = 0; i < plain; ++i) sum.set(i, sum.get(i) + of_state.get(i));
      return c_.constant(std::move(sum));
    }
    const ValueId sum =
        c_.elementwise("Add", rows(kBias, 0, plain, {1, 1, plain}), rows(kBias, all, plain, {1, 1, plain}));
    return plain == all ? sum : c_.concat({sum, rows(kBias, plain, all - plain, {1, 1, all - plain})}, 2);
  }

  ValueId steps() {
    const ir::Dim length = c_.shape(c_.input(kX))[0];
    if (length.is_const()) return c_.constant(Tensor::scalar_i64(length.constant()));
    return c_.layer("trt.Gather", {c_.layer("trt.Shape", {c_.input(kX)}), c_.constant(Tensor::scalar_i64(0))},
                    {{"gather_axis", int64_t{0}}});
  }

  /// [B, H] of this direction; zeros where none is given.
  ValueId initial(size_t input) {
    if (c_.has(input)) {
      const ValueId own =
          a_.direction == RnnDirection::kBidirectional ? c_.slice(c_.input(input), 0, d_, 1) : c_.input(input);
      return c_.reshape(own, {-1, h_});
    }
    const ir::Dim batch = c_.shape(c_.input(kX))[1];
    if (batch.is_const()) return c_.constant(Tensor(type_, {batch.constant(), h_}));
    const ValueId dims = c_.concat({c_.picked(c_.dims_of(c_.input(kX)), {1}), c_.ints({h_})}, 0);
    const ValueId zeros = c_.layer("trt.Fill", {dims}, {{"alpha", 0.0F}, {"beta", 0.0F}, {"dimensions", Ints{1, 1}}});
    return c_.converted(zeros, type_);
  }

  ValueId plus_state(ValueId x, ValueId h) {
    return c_.elementwise("Add", x, c_.matmul(h, rows(kR, 0, gates_ * h_, {gates_ * h_, h_}), true));
  }
  ValueId gate(ValueId all, int64_t k) { return c_.slice(all, 1, k * h_, h_); }
  ValueId peephole(ValueId sum, ValueId cell, int64_t k) {
    if (!c_.has(kPeepholes)) return sum;
    return c_.elementwise("Add", sum, c_.elementwise("Mul", cell, rows(kPeepholes, k * h_, h_, {1, h_})));
  }

  /// Function `i` of its argument within the clip.
  ValueId function(size_t i, ValueId x, bool clipped = true) {
    if (a_.clip > 0 && clipped) x = c_.activation(x, kClipKind, -a_.clip, a_.clip);
    const RnnActivation& f = functions_[i];
    const auto alpha = static_cast<float>(f.alpha), beta = static_cast<float>(f.beta);
    switch (f.kind) {
      case RnnFn::kRelu:
        return c_.activation(x, kReluKind);
      case RnnFn::kTanh:
        return c_.activation(x, kTanh);
      case RnnFn::kSigmoid:
        return c_.activation(x, kSigmoid);
      case RnnFn::kLeakyRelu:
        return c_.activation(x, kLeakyReluKind, alpha);
      case RnnFn::kElu:
        return c_.activation(x, kEluKind, alpha);
      case RnnFn::kSoftsign:
        return c_.activation(x, kSoftsignKind);
      case RnnFn::kSoftplus:
        return c_.activation(x, kSoftplus, 1, 1);
      case RnnFn::kHardSigmoid:
        return c_.activation(x, kHardSigmoid, alpha, beta);
      case RnnFn::kScaledTanh:
        return c_.activation(x, kScaledTanhKind, alpha, beta);
      case RnnFn::kThresholdedRelu:
        return c_.activation(x, kThresholdedKind, alpha);
      case RnnFn::kAffine:
        return c_.elementwise("Add", c_.elementwise("Mul", x, c_.number_like(x, f.alpha)), c_.number_like(x, f.beta));
    }
    fail(ErrorCode::kInternal, "an activation without a layer");
  }

  ValueId lstm(ValueId x, ValueId h, ValueId cell, ValueId& next_cell) {
    const ValueId sums = plus_state(x, h);
    const ValueId input = function(0, peephole(gate(sums, 0), cell, 0));
    const ValueId forget = a_.input_forget ? c_.elementwise("Sub", c_.number_like(input, 1), input)
                                           : function(0, peephole(gate(sums, 2), cell, 2));
    const ValueId candidate = function(1, gate(sums, 3));
    const ValueId kept = c_.elementwise("Mul", forget, cell);
    next_cell = c_.elementwise("Add", kept, c_.elementwise("Mul", input, candidate));
    const ValueId output = function(0, peephole(gate(sums, 1), next_cell, 1));
    return c_.elementwise("Mul", output, function(2, next_cell, false));
  }

  ValueId gru(ValueId x, ValueId h) {
    const ValueId state = c_.matmul(h, rows(kR, 0, 2 * h_, {2 * h_, h_}), true);
    const ValueId sums = c_.elementwise("Add", c_.slice(x, 1, 0, 2 * h_), state);
    const ValueId update = function(0, gate(sums, 0)), reset = function(0, gate(sums, 1));
    const ValueId weights = rows(kR, 2 * h_, h_, {h_, h_});
    ValueId hidden;
    if (a_.linear_before_reset) {
      hidden = c_.matmul(h, weights, true);
      if (c_.has(kBias)) hidden = c_.elementwise("Add", hidden, rows(kBias, 5 * h_, h_, {1, h_}));
      hidden = c_.elementwise("Mul", reset, hidden);
    } else {
      hidden = c_.matmul(c_.elementwise("Mul", reset, h), weights, true);
    }
    const ValueId candidate = function(1, c_.elementwise("Add", gate(x, 2), hidden));
    const ValueId kept = c_.elementwise("Mul", update, h);
    const ValueId fresh = c_.elementwise("Sub", c_.number_like(update, 1), update);
    return c_.elementwise("Add", c_.elementwise("Mul", fresh, candidate), kept);
  }

  /// Whether the step lies within each sequence's length, [B, 1].
  ValueId inside() {
    const ValueId lengths = c_.reshape(c_.converted(c_.input(kLengths), DType::kI32), {-1, 1});
    const ValueId one = c_.number_of_rank(DType::kI32, 2, 1);
    ValueId first = c_.number_of_rank(DType::kI32, 2, 0);
    if (backward_) first = c_.elementwise("Sub", c_.reshape(c_.converted(count_, DType::kI32), {1, 1}), one);
    const ValueId step = c_.recurrence(region_, first);
    c_.set_next(step, c_.elementwise(backward_ ? "Sub" : "Add", step, one));
    return c_.elementwise("Less", step, lengths);
  }

  ValueId gathered(ValueId y) {
    const BoundaryAttrs attrs{.region = region_, .kind = backward_ ? kReverse : kConcatenate, .axis = 0};
    return c_.boundary("trt.LoopOutput", {y, count_}, attrs, 1)[0];
  }
  ValueId last(ValueId state) {
    return c_.boundary("trt.LoopOutput", {state}, {.region = region_, .kind = kLastValue}, 1)[0];
  }

  ExpandContext& c_;
  const RnnAttrs& a_;
  const int64_t d_, h_, gates_;
  const bool backward_;
  const int64_t region_;
  const DType type_;
  std::vector<RnnActivation> functions_;
  ValueId count_ = ir::kNone;
};

void expand_recurrent(ExpandContext& c) {
  const int64_t directions = c.attrs<RnnAttrs>().direction == RnnDirection::kBidirectional ? 2 : 1;
  std::vector<std::vector<ValueId>> parts(3);
  for (int64_t d = 0; d < directions; ++d) {
    const std::vector<ValueId> made = Direction(c, d).run();
    for (size_t i = 0; i < parts.size(); ++i)
      if (made[i] != ir::kNone) parts[i].push_back(made[i]);
  }
  for (size_t i = 0; i < c.outputs.size(); ++i)
    if (!parts[i].empty()) c.output(i, c.concat(parts[i], i == 0 ? 1 : 0));
}

}  // namespace

std::vector<ExpandRule> expand_recurrent_rules() {
  return {{"LSTM", expand_recurrent, true}, {"GRU", expand_recurrent, true}, {"RNN", expand_recurrent, true}};
}

}  // namespace tenon::ops::trt
