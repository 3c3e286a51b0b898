// LSTM, GRU and RNN. The products with x are taken ahead for a block of steps; a step then is a product with the state
// and one pass over its sums. Directions and rows of the batch are independent and run side by side; where there are
// too few of them, the units of a step are shared out.
#include "ops/rnn/rnn.h"

#include <cmath>
#include <cstring>

#include "backends/cpu/kernels/product.h"
#include "backends/cpu/kernels/rows.h"
#include "base/checked.h"
#include "ops/rnn/activation_fn.h"

namespace tenon::cpu {
namespace {

enum class Cell { kRnn, kGru, kLstm };
enum Input : size_t { kX, kW, kR, kBias, kLengths, kState, kCell, kPeephole };

constexpr int64_t kBlockBytes = 1 << 20;  // of products with x, a direction
constexpr double kSharedStep = 4e5;       // multiply-adds of a step worth sharing out
constexpr int64_t kFullRows = 64;         // rows that a product should have at least

struct Sizes {
  Cell cell;
  int64_t steps, batch, in, hidden, gates, directions;
  explicit Sizes(const Problem& p) {
    const auto& a = p.attrs<ops::RnnAttrs>();
    cell = p.node->op == "LSTM" ? Cell::kLstm : p.node->op == "GRU" ? Cell::kGru : Cell::kRnn;
    steps = p.inputs[kX].dims[0];
    batch = p.inputs[kX].dims[1];
    in = p.inputs[kX].dims[2];
    hidden = a.hidden_size;
    gates = cell == Cell::kLstm ? 4 : cell == Cell::kGru ? 3 : 1;
    directions = a.direction == ops::RnnDirection::kBidirectional ? 2 : 1;
  }
  double step_multiply_adds() const { return double(directions * batch * gates) * double(hidden) * double(hidden); }
};

isa::CellFunction cell_function(const ops::RnnActivation& f) {
  using ops::RnnFn;
  const auto of = [&](isa::CellFn fn) { return isa::CellFunction{fn, float(f.alpha), float(f.beta)}; };
  switch (f.kind) {
    case RnnFn::kRelu:
      return of(isa::CellFn::kRelu);
    case RnnFn::kTanh:
      return of(isa::CellFn::kTanh);
    case RnnFn::kSigmoid:
      return of(isa::CellFn::kSigmoid);
    case RnnFn::kAffine:
      return of(isa::CellFn::kAffine);
    case RnnFn::kLeakyRelu:
      return of(isa::CellFn::kLeakyRelu);
    case RnnFn::kThresholdedRelu:
      return of(isa::CellFn::kThresholdedRelu);
    case RnnFn::kScaledTanh:
      return of(isa::CellFn::kScaledTanh);
    case RnnFn::kHardSigmoid:
      return of(isa::CellFn::kHardSigmoid);
    case RnnFn::kElu:
      return of(isa::CellFn::kElu);
    case RnnFn::kSoftsign:
      return of(isa::CellFn::kSoftsign);
    case RnnFn::kSoftplus:
      return of(isa::CellFn::kSoftplus);
  }
  return {};
}

/// Everything is made for whole panels of units: what lies between `hidden` and `units` is computed and never read.
class Rnn final : public Kernel {
 public:
  explicit Rnn(const Problem& p)
      : isa_(isa::isa_table()),
        loops_(isa::loop_table()),
        s_(p),
        attrs_(p.attrs<ops::RnnAttrs>()),
        threads_(p.threads) {
    type_ = p.inputs[kX].dtype == ir::DType::kBF16 ? isa::Type::kBf16 : isa::Type::kF32;
    size_ = type_ == isa::Type::kBf16 ? 2 : 4;
    io_ = RowType(p.inputs[kX].dtype, loops_.pointwise);
    widens_ = !io_.f32 && type_ == isa::Type::kF32;
    panels_ = (s_.hidden + isa_.panel - 1) / isa_.panel;
    units_ = panels_ * isa_.panel;
    columns_ = s_.gates * units_;
    pitch_ = units_ * 4 % 4096 == 0 ? units_ + 16 : units_;
    block_ = std::max(kBlockBytes / (columns_ * 4), kFullRows);
    block_ = std::clamp<int64_t>(block_ / s_.batch, 1, s_.steps);
    two_parts_ = s_.cell == Cell::kGru && !attrs_.linear_before_reset;
    share_units_ = threads_ > s_.directions * s_.batch && s_.step_multiply_adds() >= kSharedStep;
    pack_weights(p);
    read_biases(p);
    for (const auto& f : ops::rnn_activations(attrs_.activations, attrs_.activation_alpha, attrs_.activation_beta))
      functions_.push_back(cell_function(f));
    has_state_ = p.has_input(kState);
    has_cell_ = p.has_input(kCell);
    has_lengths_ = p.has_input(kLengths);
    for (size_t i = 0; i < 3; ++i) wants_[i] = i < p.outputs.size() && p.outputs[i].dtype != ir::DType::kUndefined;
    lay_out();
  }

  int64_t workspace_bytes() const override { return space_; }

  void run(const RunArgs& args) const override {
    check_lengths(args);
    for (int64_t k = 0; k < s_.directions; ++k) start(args, k);
    for (int64_t begin = 0; begin < s_.steps; begin += block_) {
      const int64_t end = std::min(s_.steps, begin + block_);
      project(args, begin, end);
      advance(args, begin, end);
    }
    for (int64_t k = 0; k < s_.directions; ++k) finish(args, k);
  }

 private:
  /// A range of rows of the batch and of panels of units.
  struct Part {
    int64_t n0, n1, p0, p1;
  };

  // --- preparing ---

  /// [gates * hidden][k] of direction `d` with the rows of each gate filled up to `units_`.
  std::vector<float> arranged(const ir::Tensor& f32, int64_t d, int64_t gates, int64_t k) const {
    std::vector<float> out(size_t(gates * units_ * k), 0.f);
    const float* from = f32.as<float>() + d * gates * s_.hidden * k;
    for (int64_t g = 0; g < gates; ++g)
      std::copy_n(from + g * s_.hidden * k, s_.hidden * k, out.begin() + g * units_ * k);
    return out;
  }
  void pack_weights(const Problem& p) {
    const auto pack_one = [&](size_t input, int64_t k, int64_t& bytes) {
      bytes = round_up(isa_.packed_bytes(type_, 1, k, columns_));
      const std::string format = cat("rnn/", isa_.name, type_ == isa::Type::kF32 ? "/f32/" : "/bf16/", s_.gates);
      return packed(p, *p.constants[input], format, bytes * s_.directions, [&](void* to) {
        const ir::Tensor values = as_f32(*p.constants[input]);
        for (int64_t d = 0; d < s_.directions; ++d) {
          const std::vector<float> rows = arranged(values, d, s_.gates, k);
          isa::Pack pack;
          pack.source = rows.data();
          pack.k = k;
          pack.n = columns_;
          pack.sk = 1;
          pack.sn = k;
          pack.type = type_;
          isa_.pack(pack, static_cast<char*>(to) + d * bytes, 0, s_.gates * panels_);
        }
      });
    };
    w_ = pack_one(kW, s_.in, w_bytes_);
    r_ = pack_one(kR, s_.hidden, r_bytes_);
  }
  void read_biases(const Problem& p) {
    const bool separate = s_.cell == Cell::kGru && attrs_.linear_before_reset;
    bias_.assign(size_t(s_.directions * columns_), 0.f);
    reset_bias_.assign(size_t(s_.directions * units_), 0.f);
    if (p.has_input(kBias)) {
      const ir::Tensor all = as_f32(*p.constants[kBias]);
      for (int64_t d = 0; d < s_.directions; ++d) {
        const std::vector<float> w = arranged(all, 2 * d, s_.gates, 1), r = arranged(all, 2 * d + 1, s_.gates, 1);
        for (int64_t i = 0; i < columns_; ++i) {
          const bool reset = separate && i >= 2 * units_;
          bias_[size_t(d * columns_ + i)] = reset ? w[size_t(i)] : w[size_t(i)] + r[size_t(i)];
          if (reset) reset_bias_[size_t(d * units_ + i - 2 * units_)] = r[size_t(i)];
        }
      }
    }
    if (p.has_input(kPeephole)) {
      const ir::Tensor all = as_f32(*p.constants[kPeephole]);
      for (int64_t d = 0; d < s_.directions; ++d) {
        const std::vector<float> one = arranged(all, d, 3, 1);
        peephole_.insert(peephole_.end(), one.begin(), one.end());
      }
    }
  }
  void lay_out() {
    const auto take = [&](int64_t bytes) {
      const int64_t at = space_;
      space_ = checked_add(space_, round_up(bytes));
      return at;
    };
    const int64_t rows = block_ * s_.batch;
    x_ = take(widens_ ? s_.directions * rows * s_.in * 4 : 0);
    x_sums_ = take(s_.directions * rows * columns_ * 4);
    state_bytes_ = round_up(s_.batch * pitch_ * 4);
    states_ = take(3 * s_.directions * state_bytes_);
    narrow_ = take(type_ == isa::Type::kBf16 ? 3 * s_.directions * state_bytes_ : 0);
    cells_ = take(s_.cell == Cell::kLstm ? s_.directions * state_bytes_ : 0);
    sums_ = take(s_.directions * s_.batch * columns_ * 4);
    isa::Gemm with_x = product(s_.in, s_.in), with_state = product(s_.hidden, pitch_);
    scratch_bytes_ = round_up(std::max(isa_.gemm_scratch(with_x), isa_.gemm_scratch(with_state)));
    scratch_ = take(scratch_bytes_ * threads_);
    grid_ = make_grid(isa_, rows, s_.gates * panels_, rows * s_.in * size_, w_bytes_, threads_, s_.directions);
  }
  isa::Gemm product(int64_t k, int64_t lda) const {
    isa::Gemm g;
    g.lda = lda;
    g.ldy = columns_;
    g.n = columns_;
    g.k = k;
    g.type = type_;
    return g;
  }

  // --- running ---

  template <class T>
  static T* at(const RunArgs& args, int64_t offset) {
    return reinterpret_cast<T*>(static_cast<char*>(args.workspace) + offset);
  }
  bool backward(int64_t k) const { return attrs_.direction == ops::RnnDirection::kReverse || k == 1; }
  /// State `which` of direction k: 0 and 1 take turns, 2 is the state after the reset gate.
  float* state(const RunArgs& args, int64_t k, int64_t which) const {
    return at<float>(args, states_ + (k * 3 + which) * state_bytes_);
  }
  uint16_t* narrow_state(const RunArgs& args, int64_t k, int64_t which) const {
    return at<uint16_t>(args, narrow_ + (k * 3 + which) * state_bytes_);
  }
  float* cell(const RunArgs& args, int64_t k) const { return at<float>(args, cells_ + k * state_bytes_); }

  void check_lengths(const RunArgs& args) const {
    if (!has_lengths_) return;
    const auto* lengths = static_cast<const int32_t*>(args.inputs[kLengths]);
    for (int64_t n = 0; n < s_.batch; ++n)
      require(lengths[n] >= 0 && lengths[n] <= s_.steps, ErrorCode::kInvalidArgument, "sequence_lens[", n, "] is ",
              lengths[n], ", accepted are numbers from 0 to ", s_.steps);
  }
  bool active(const RunArgs& args, int64_t n, int64_t t) const {
    return !has_lengths_ || t < static_cast<const int32_t*>(args.inputs[kLengths])[n];
  }
  void to_narrow(const RunArgs& args, int64_t k, int64_t which, int64_t offset, int64_t count) const {
    if (type_ == isa::Type::kBf16)
      isa_.to_bf16(state(args, k, which) + offset, narrow_state(args, k, which) + offset, count);
  }

  void start(const RunArgs& args, int64_t k) const {
    const auto fill = [&](float* to, size_t input, bool given) {
      std::memset(to, 0, size_t(state_bytes_));
      for (int64_t n = 0; given && n < s_.batch; ++n) {
        float* row = to + n * pitch_;
        const char* from = static_cast<const char*>(args.inputs[input]) + (k * s_.batch + n) * s_.hidden * io_.size;
        const float* values = io_.in(from, row, s_.hidden);
        if (values != row) std::memcpy(row, values, size_t(s_.hidden) * 4);
      }
    };
    fill(state(args, k, 0), kState, has_state_);
    to_narrow(args, k, 0, 0, s_.batch * pitch_);
    if (s_.cell == Cell::kLstm) fill(cell(args, k), kCell, has_cell_);
  }
  void finish(const RunArgs& args, int64_t k) const {
    const auto put = [&](const float* from, size_t output) {
      if (!wants_[output]) return;
      for (int64_t n = 0; n < s_.batch; ++n)
        store(from + n * pitch_, args.outputs[output], (k * s_.batch + n) * s_.hidden, s_.hidden);
    };
    put(state(args, k, s_.steps % 2), 1);
    if (s_.cell == Cell::kLstm) put(cell(args, k), 2);
  }
  void store(const float* from, void* to, int64_t offset, int64_t count) const {
    char* bytes = static_cast<char*>(to) + offset * io_.size;
    if (io_.f32)
      std::memcpy(bytes, from, size_t(count) * 4);
    else
      io_.store(from, bytes, count);
  }

  /// Steps [begin, end) of the scan are times [begin, end), or as many from the other end.
  int64_t first_time(int64_t k, int64_t begin, int64_t end) const { return backward(k) ? s_.steps - end : begin; }

  /// The products with x of a block of steps.
  void project(const RunArgs& args, int64_t begin, int64_t end) const {
    Grid grid = grid_;
    grid.rows = (end - begin) * s_.batch;
    const auto rows_of = [&](int64_t k) {
      return static_cast<const char*>(args.inputs[kX]) + first_time(k, begin, end) * s_.batch * s_.in * io_.size;
    };
    if (widens_)
      run_tasks(args, threads_, s_.directions, [&](int64_t k, int) {
        io_.load(rows_of(k), at<float>(args, x_) + k * grid_.rows * s_.in, grid.rows * s_.in);
      });
    run_tasks(args, threads_, s_.directions * grid.count(), [&](int64_t task, int slot) {
      const int64_t k = task / grid.count(), cut = task % grid.count();
      const int64_t m0 = grid.row(cut % grid.row_cuts), m1 = grid.row(cut % grid.row_cuts + 1);
      const int64_t panel_cut = cut / grid.row_cuts;
      isa::Gemm g = product(s_.in, s_.in);
      g.a = rows_of(k);
      if (widens_) g.a = at<float>(args, x_) + k * grid_.rows * s_.in;
      g.m = grid.rows;
      g.b = static_cast<const char*>(w_.get()) + k * w_bytes_;
      g.y = at<float>(args, x_sums_) + k * grid_.rows * columns_;
      g.post.bias = bias_.data() + k * columns_;
      isa_.gemm(g, m0, m1, grid.panel(panel_cut), grid.panel(panel_cut + 1),
                at<char>(args, scratch_ + slot * scratch_bytes_));
    });
  }

  void advance(const RunArgs& args, int64_t begin, int64_t end) const {
    if (!share_units_) {
      const int64_t cuts = std::min(s_.batch, (threads_ + s_.directions - 1) / s_.directions);
      run_tasks(args, threads_, s_.directions * cuts, [&](int64_t task, int slot) {
        const int64_t k = task / cuts, cut = task % cuts;
        const Part part{s_.batch * cut / cuts, s_.batch * (cut + 1) / cuts, 0, panels_};
        for (int64_t i = begin; i < end; ++i) {
          step(args, k, i, begin, end, 0, part, slot);
          if (two_parts_) step(args, k, i, begin, end, 1, part, slot);
        }
      });
      return;
    }
    const int64_t cuts = std::min<int64_t>(panels_, threads_);
    for (int64_t i = begin; i < end; ++i)
      for (int64_t phase = 0; phase <= int64_t(two_parts_); ++phase)
        run_tasks(args, threads_, s_.directions * cuts, [&](int64_t task, int slot) {
          const int64_t k = task / cuts, cut = task % cuts;
          step(args, k, i, begin, end, phase, {0, s_.batch, panels_ * cut / cuts, panels_ * (cut + 1) / cuts}, slot);
        });
  }

  /// Step i of direction k for a part of the rows and units; phase 1 is the second part of a GRU's step.
  void step(const RunArgs& args, int64_t k, int64_t i, int64_t begin, int64_t end, int64_t phase, const Part& part,
            int slot) const {
    const int64_t t = backward(k) ? s_.steps - 1 - i : i, now = i % 2, next = 1 - now;
    multiply(args, k, phase == 1 ? 2 : now, phase, part, slot);
    const int64_t u0 = part.p0 * isa_.panel, u1 = part.p1 * isa_.panel, into = two_parts_ && phase == 0 ? 2 : next;
    isa::CellStep c = cell_step(k);
    for (int64_t n = part.n0; n < part.n1; ++n) {
      const int64_t row = (t - first_time(k, begin, end)) * s_.batch + n, at_unit = n * pitch_ + u0;
      c.x = at<float>(args, x_sums_) + (k * grid_.rows + row) * columns_ + u0;
      c.r = at<float>(args, sums_) + (k * s_.batch + n) * columns_ + u0;
      c.state = state(args, k, now) + at_unit;
      c.next = state(args, k, into) + at_unit;
      c.cell = s_.cell == Cell::kLstm ? cell(args, k) + at_unit : nullptr;
      if (!peephole_.empty()) c.peephole = peephole_.data() + k * 3 * units_ + u0;
      if (!reset_bias_.empty()) c.reset_bias = reset_bias_.data() + k * units_ + u0;
      const bool on = active(args, n, t);
      if (on)
        compute(c, phase, u1 - u0);
      else
        std::memcpy(c.next, c.state, size_t(u1 - u0) * 4);
      to_narrow(args, k, into, at_unit, u1 - u0);
      if (into != 2 && wants_[0]) put_y(args, k, t, n, u0, std::min(u1, s_.hidden), on ? c.next : nullptr);
    }
  }
  void multiply(const RunArgs& args, int64_t k, int64_t which, int64_t phase, const Part& part, int slot) const {
    isa::Gemm g = product(s_.hidden, pitch_);
    if (type_ == isa::Type::kBf16)
      g.a = narrow_state(args, k, which);
    else
      g.a = state(args, k, which);
    g.m = s_.batch;
    g.b = static_cast<const char*>(r_.get()) + k * r_bytes_;
    g.y = at<float>(args, sums_) + k * s_.batch * columns_;
    const int64_t g0 = phase == 1 ? 2 : 0, g1 = two_parts_ && phase == 0 ? 2 : s_.gates;
    char* scratch = at<char>(args, scratch_ + slot * scratch_bytes_);
    if (part.p0 == 0 && part.p1 == panels_) return isa_.gemm(g, part.n0, part.n1, g0 * panels_, g1 * panels_, scratch);
    for (int64_t gate = g0; gate < g1; ++gate)
      isa_.gemm(g, part.n0, part.n1, gate * panels_ + part.p0, gate * panels_ + part.p1, scratch);
  }
  isa::CellStep cell_step(int64_t k) const {
    isa::CellStep c;
    c.gate = units_;
    c.clip = attrs_.clip > 0 ? attrs_.clip : INFINITY;
    c.input_forget = attrs_.input_forget;
    const size_t count = functions_.size() / size_t(s_.directions);
    const isa::CellFunction* f = functions_.data() + size_t(k) * count;
    c.f = f[0];
    if (count > 1) c.g = f[1];
    if (count > 2) c.h = f[2];
    return c;
  }
  void compute(const isa::CellStep& c, int64_t phase, int64_t count) const {
    const isa::RnnLoops& loops = loops_.rnn;
    if (s_.cell == Cell::kLstm) return loops.lstm(c, count);
    if (s_.cell == Cell::kRnn) return loops.rnn(c, count);
    if (!two_parts_) return loops.gru(c, count);
    return phase == 0 ? loops.gru_gates(c, count) : loops.gru_mix(c, count);
  }
  /// Row n of Y at time t, units [u0, u1): the new state, or zeros past the sequence's end.
  void put_y(const RunArgs& args, int64_t k, int64_t t, int64_t n, int64_t u0, int64_t u1, const float* values) const {
    const int64_t offset = ((t * s_.directions + k) * s_.batch + n) * s_.hidden + u0;
    if (values)
      store(values, args.outputs[0], offset, u1 - u0);
    else
      std::memset(static_cast<char*>(args.outputs[0]) + offset * io_.size, 0, size_t((u1 - u0) * io_.size));
  }

  const isa::IsaTable& isa_;
  const isa::LoopTable& loops_;
  Sizes s_;
  ops::RnnAttrs attrs_;
  int threads_;
  isa::Type type_;
  RowType io_;  ///< of x, the states and the outputs
  int64_t size_, panels_, units_, columns_, pitch_, block_;
  bool widens_, two_parts_, share_units_, has_state_, has_cell_, has_lengths_, wants_[3];
  std::shared_ptr<const void> w_, r_;
  int64_t w_bytes_ = 0, r_bytes_ = 0;
  std::vector<float> bias_, reset_bias_, peephole_;
  std::vector<isa::CellFunction> functions_;
  Grid grid_;
  int64_t x_ = 0, x_sums_ = 0, states_ = 0, narrow_ = 0, cells_ = 0, sums_ = 0, scratch_ = 0;
  int64_t state_bytes_ = 0, scratch_bytes_ = 0, space_ = 0;
};

Support supports(const Problem& p) {
  const ir::DType type = p.inputs[kX].dtype;
  if (!float_type(type)) return Support::no("x has the type ", ir::name(type), ", accepted are f32, bf16 and f16");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    if (!p.has_input(i)) continue;
    if (p.inputs[i].count() == 0) return Support::no("an operand is empty");
    const bool weights = i == kW || i == kR, constant = weights || i == kBias || i == kPeephole;
    if (constant && !p.constants[i]) return Support::no("operand ", i, " is not constant");
    if (constant ? !float_type(p.inputs[i].dtype) : p.inputs[i].dtype != (i == kLengths ? ir::DType::kI32 : type))
      return Support::no("operand ", i, " has the type ", ir::name(p.inputs[i].dtype));
  }
  const Sizes s(p);
  const isa::IsaTable& t = isa::isa_table();
  const isa::Type arithmetic = type == ir::DType::kBF16 ? isa::Type::kBf16 : isa::Type::kF32;
  const double with_x = double(s.steps * s.batch * s.gates * s.directions) * double(s.hidden) * double(s.in);
  return Support::yes(estimate_us(t, arithmetic, with_x, 0, p.threads) +
                      double(s.steps) * estimate_us(t, arithmetic, s.step_multiply_adds() * 2, 0, 1));
}

}  // namespace

std::vector<KernelDef> rnn() {
  std::vector<KernelDef> defs;
  const auto prepare = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Rnn>(p); };
  defs.push_back({"lstm_packed", "LSTM", supports, prepare});
  defs.push_back({"gru_packed", "GRU", supports, prepare});
  defs.push_back({"rnn_packed", "RNN", supports, prepare});
  return defs;
}

}  // namespace tenon::cpu
