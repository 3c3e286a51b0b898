// LSTM, GRU and RNN. The products with x are taken ahead for a block of steps; a step then is one kernel, or two for a
// GRU that resets before it multiplies. Sequence lengths that come at run time are the host's: it reports those that
// are out of range.
#include "ops/rnn/rnn.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/gemm_simt.h"
#include "backends/cuda/device/rnn.h"
#include "backends/cuda/elem.h"
#include "ops/rnn/activation_fn.h"

namespace tenon::cuda {
namespace {

enum Input : size_t { kX, kW, kR, kBias, kLengths, kState, kCell, kPeephole };

constexpr int64_t kBlockBytes = 64 << 20;   // of products with x, a direction
constexpr int64_t kBlockRows = 65535 * 32;  // that a grid of the smallest tiles reaches
constexpr double kStepUs = 2.5;             // of a kernel in a recording

int64_t rounded(int64_t bytes) { return (bytes + 255) / 256 * 256; }

struct Sizes {
  int64_t steps, batch, in, hidden, gates, directions;
  RnnPart part;
  explicit Sizes(const Problem& p) {
    const auto& a = p.attrs<ops::RnnAttrs>();
    steps = p.inputs[kX].dims[0];
    batch = p.inputs[kX].dims[1];
    in = p.inputs[kX].dims[2];
    hidden = a.hidden_size;
    gates = p.node->op == "LSTM" ? 4 : p.node->op == "GRU" ? 3 : 1;
    directions = a.direction == ops::RnnDirection::kBidirectional ? 2 : 1;
    part = gates == 4              ? RnnPart::kLstm
           : gates == 1            ? RnnPart::kRnn
           : a.linear_before_reset ? RnnPart::kGruLinear
                                   : RnnPart::kGruGates;
  }
  int64_t columns() const { return gates * hidden; }
  int64_t padded_columns() const { return (columns() + 7) / 8 * 8; }
  int64_t state() const { return directions * batch * hidden; }
};

std::vector<std::byte> bytes_of(const std::vector<float>& v) {
  const auto bytes = std::as_bytes(std::span(v));
  return {bytes.begin(), bytes.end()};
}

class Rnn final : public Kernel {
 public:
  explicit Rnn(const Problem& p) : s_(p), attrs_(p.attrs<ops::RnnAttrs>()), type_(elem_of(p.inputs[kX].dtype)) {
    has_state_ = p.has_input(kState);
    has_cell_ = p.has_input(kCell);
    has_lengths_ = p.has_input(kLengths);
    prepare_biases(p);
    const int64_t most = std::min(kBlockBytes / (s_.columns() * 4), kBlockRows) / s_.batch;
    block_ = std::clamp<int64_t>(most, 1, s_.steps);
    const auto f = ops::rnn_activations(attrs_.activations, attrs_.activation_alpha, attrs_.activation_beta);
    const size_t functions = f.size() / size_t(s_.directions);
    for (size_t i = 0; i < f.size(); ++i)
      step_.f[i / functions][i % functions] = {int(f[i].kind), float(f[i].alpha), float(f[i].beta)};
    step_.batch = int(s_.batch);
    step_.hidden = int(s_.hidden);
    step_.directions = int(s_.directions);
    step_.gates = int(s_.gates);
    step_.clip = attrs_.clip;
    step_.input_forget = attrs_.input_forget;
    step_.x_direction = block_ * s_.batch * s_.columns();
    for (size_t i = 0; i < 3; ++i) wants_[i] = i < p.outputs.size() && p.outputs[i].dtype != ir::DType::kUndefined;
    x_bytes_ = rounded(s_.directions * step_.x_direction * 4);
    state_bytes_ = rounded(s_.state() * 4);
  }
  /// Sums of x, two states that take turns, the cell or the update gate, the state after the reset.
  int64_t workspace_bytes() const override { return x_bytes_ + 4 * state_bytes_; }
  bool reads_constant(size_t input) const override { return input != kBias && input != kPeephole; }

  void run(const RunArgs& args) const override {
    auto* const base = static_cast<std::byte*>(args.workspace);
    const auto area = [&](int i) { return reinterpret_cast<float*>(base + x_bytes_ + i * state_bytes_); };
    const cudaStream_t stream = stream_of(args);
    const bool lstm = s_.part == RnnPart::kLstm;
    TENON_CUDA(rnn_read_state(has_state_ ? args.inputs[kState] : nullptr, area(0), s_.state(), type_, stream));
    if (lstm) TENON_CUDA(rnn_read_state(has_cell_ ? args.inputs[kCell] : nullptr, area(2), s_.state(), type_, stream));
    RnnStep step = step_;
    step.r = args.inputs[kR];
    step.reset_bias = static_cast<const float*>(reset_bias_.get());
    step.peephole = static_cast<const float*>(peephole_.get());
    step.lengths = has_lengths_ ? static_cast<const int*>(args.inputs[kLengths]) : nullptr;
    step.cell = step.update = area(2);
    step.after_reset = area(3);
    step.y = wants_[0] ? args.outputs[0] : nullptr;
    for (int64_t begin = 0; begin < s_.steps; begin += block_) {
      const int64_t end = std::min(s_.steps, begin + block_);
      for (int64_t d = 0; d < s_.directions; ++d) project(args, d, begin, end, reinterpret_cast<float*>(base));
      for (int64_t i = begin; i < end; ++i) {
        advance(step, i, begin, end, reinterpret_cast<const float*>(base), area(int(i % 2)), area(int(1 - i % 2)),
                stream);
      }
    }
    if (wants_[1]) TENON_CUDA(rnn_write_state(area(int(s_.steps % 2)), args.outputs[1], s_.state(), type_, stream));
    if (lstm && wants_[2]) TENON_CUDA(rnn_write_state(area(2), args.outputs[2], s_.state(), type_, stream));
  }

 private:
  bool backward(int64_t d) const { return attrs_.direction == ops::RnnDirection::kReverse || d == 1; }
  /// Steps [begin, end) are times [begin, end), or as many from the other end.
  int64_t first_time(int64_t d, int64_t begin, int64_t end) const { return backward(d) ? s_.steps - end : begin; }

  /// Both halves of B added, but for the candidate of a GRU that resets a product and its bias.
  void prepare_biases(const Problem& p) {
    const Sizes s = s_;
    if (p.has_input(kBias)) {
      const bool linear = s.part == RnnPart::kGruLinear;
      bias_ =
          packed_constant(p, kBias, cat("rnn/", s.gates, linear ? "/linear" : ""), [s, linear](const ir::Tensor& t) {
            std::vector<float> sums(size_t(s.directions * s.padded_columns()), 0.f);
            for (int64_t d = 0; d < s.directions; ++d)
              for (int64_t i = 0; i < s.columns(); ++i) {
                const int64_t at = d * 2 * s.columns() + i;
                const bool apart = linear && i >= 2 * s.hidden;
                sums[size_t(d * s.padded_columns() + i)] =
                    float(t.get(at)) + (apart ? 0.f : float(t.get(at + s.columns())));
              }
            return bytes_of(sums);
          });
      if (linear)
        reset_bias_ = packed_constant(p, kBias, "rnn/reset", [s](const ir::Tensor& t) {
          std::vector<float> reset;
          for (int64_t d = 0; d < s.directions; ++d)
            for (int64_t k = 0; k < s.hidden; ++k)
              reset.push_back(float(t.get((2 * d + 1) * s.columns() + 2 * s.hidden + k)));
          return bytes_of(reset);
        });
    }
    if (p.has_input(kPeephole))
      peephole_ = packed_constant(p, kPeephole, "rnn/peephole", [](const ir::Tensor& t) {
        std::vector<float> all;
        for (int64_t i = 0; i < t.count(); ++i) all.push_back(float(t.get(i)));
        return bytes_of(all);
      });
  }

  /// The products with x of a block of steps of one direction.
  void project(const RunArgs& args, int64_t d, int64_t begin, int64_t end, float* sums) const {
    const int64_t size = type_ == Elem::kF32 ? 4 : 2, columns = s_.columns();
    SimtGemmArgs g;
    g.a = static_cast<const std::byte*>(args.inputs[kX]) + first_time(d, begin, end) * s_.batch * s_.in * size;
    g.a_image = s_.in;
    g.channels = Divisor(uint32_t(s_.in));
    g.b = static_cast<const std::byte*>(args.inputs[kW]) + d * columns * s_.in * size;
    g.b_column = s_.in;
    g.y = sums + d * step_.x_direction;
    g.y_is_sums = true;
    g.y_image = columns;
    g.rows = int((end - begin) * s_.batch);
    g.columns = int(columns);
    g.depth = int(s_.in);
    if (bias_) g.epilogue.bias = static_cast<const float*>(bias_.get()) + d * s_.padded_columns();
    const int tile = g.rows >= 512 && g.columns >= 512 ? 0 : g.rows >= 64 && g.columns >= 64 ? 1 : 2;
    TENON_CUDA(gemm_simt(g, type_, tile, stream_of(args)));
  }

  void advance(RnnStep& step, int64_t i, int64_t begin, int64_t end, const float* sums, const float* state, float* next,
               cudaStream_t stream) const {
    for (int64_t d = 0; d < s_.directions; ++d) step.time[d] = int(backward(d) ? s_.steps - 1 - i : i);
    // Rows of both directions begin at a block's first time.
    const int64_t row = step.time[0] - first_time(0, begin, end);
    step.x_sums = sums + row * s_.batch * s_.columns();
    if (s_.directions == 2) {
      const int64_t other = step.time[1] - first_time(1, begin, end);
      step.x_direction = step_.x_direction + (other - row) * s_.batch * s_.columns();
    }
    step.state = state;
    step.next = next;
    TENON_CUDA(rnn_step(step, s_.part, type_, stream));
    if (s_.part == RnnPart::kGruGates) TENON_CUDA(rnn_step(step, RnnPart::kGruMix, type_, stream));
  }

  Sizes s_;
  ops::RnnAttrs attrs_;
  Elem type_;
  RnnStep step_;
  bool has_state_ = false, has_cell_ = false, has_lengths_ = false, wants_[3] = {};
  std::shared_ptr<const void> bias_, reset_bias_, peephole_;
  int64_t block_ = 1, x_bytes_ = 0, state_bytes_ = 0;
};

Support supports(const Problem& p) {
  const ir::DType type = p.inputs[kX].dtype;
  if (!is_elem(type)) return Support::no("x has the type ", type, ", accepted are f32, f16 and bf16");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    if (!p.has_input(i)) continue;
    const TensorDesc& d = p.inputs[i];
    if (d.count() == 0) return Support::no("an operand is empty");
    const bool vector = i == kBias || i == kPeephole;
    if (vector && !p.constants[i]) return Support::no("operand ", i, " is not constant");
    if (vector ? !is_elem(d.dtype) : d.dtype != (i == kLengths ? ir::DType::kI32 : type))
      return Support::no("operand ", i, " has the type ", d.dtype);
    if (i == kLengths && !p.constants[i]) return Support::no("sequence_lens are not constant; the host checks them");
  }
  const Sizes s(p);
  constexpr int64_t kMost = int64_t(1) << 31;
  if (s.steps * s.batch >= kMost || s.columns() >= kMost || s.in >= kMost || s.batch > 4 * 65535)
    return Support::no(s.steps, " steps of ", s.batch, " sequences");
  const double kernels = double(s.steps) * (s.part == RnnPart::kGruGates ? 2 : 1);
  const double flops = 2 * double(s.steps * s.batch * s.directions) * double(s.columns()) * double(s.in + s.hidden);
  return Support::yes(kernels * kStepUs + estimate_us(p, flops, 0.3));
}

}  // namespace

std::vector<KernelDef> rnn() {
  const auto prepare = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Rnn>(p); };
  return {{"lstm_steps", "LSTM", supports, prepare},
          {"gru_steps", "GRU", supports, prepare},
          {"rnn_steps", "RNN", supports, prepare}};
}

}  // namespace tenon::cuda
