#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec_math.h"

namespace tenon::isa::TENON_ISA {
namespace {

[[gnu::noinline]] Vf call(const CellFunction& f, Vf x) {
  const Vf zero{}, one = splat(1.f), a = splat(f.a), b = splat(f.b);
  switch (f.fn) {
    case CellFn::kRelu:
      return max_to(zero, x);
    case CellFn::kTanh:
      return tanh(x);
    case CellFn::kSigmoid:
      return sigmoid(x);
    case CellFn::kAffine:
      return fma(a, x, b);
    case CellFn::kLeakyRelu:
      return x < zero ? a * x : x;
    case CellFn::kThresholdedRelu:
      return x >= a ? x : zero;
    case CellFn::kScaledTanh:
      return a * tanh(b * x);
    case CellFn::kHardSigmoid:
      return clip(fma(a, x, b), zero, one);
    case CellFn::kElu:
      return x < zero ? a * expm1(x) : x;
    case CellFn::kSoftsign:
      return x / (one + abs(x));
    case CellFn::kSoftplus:
      return max_to(zero, x) + log1p_unit(exp(-abs(x)));
  }
  return x;
}

/// A gate's value, `more` being added to its argument.
TENON_INLINE Vf gate(const CellStep& s, const CellFunction& f, int64_t at, Vf more = Vf{}) {
  const Vf bound = splat(s.clip);
  return call(f, clip(load(s.x + at) + load(s.r + at) + more, -bound, bound));
}

void rnn(const CellStep& s, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) store(s.next + i, gate(s, s.f, i));
}

void lstm(const CellStep& s, int64_t count) {
  const float* p = s.peephole;
  for (int64_t i = 0; i < count; i += kLanes) {
    const auto from_cell = [&](int64_t k, Vf cell) { return p ? load(p + k * s.gate + i) * cell : Vf{}; };
    const Vf cell = load(s.cell + i);
    const Vf in = gate(s, s.f, i, from_cell(0, cell));
    const Vf forget = s.input_forget ? splat(1.f) - in : gate(s, s.f, 2 * s.gate + i, from_cell(2, cell));
    const Vf next = fma(forget, cell, in * gate(s, s.g, 3 * s.gate + i));
    store(s.cell + i, next);
    store(s.next + i, gate(s, s.f, s.gate + i, from_cell(1, next)) * call(s.h, next));
  }
}

TENON_INLINE Vf mixed(Vf update, Vf candidate, Vf state) { return fma(update, state - candidate, candidate); }

void gru(const CellStep& s, int64_t count) {
  const Vf bound = splat(s.clip);
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vf update = gate(s, s.f, i), reset = gate(s, s.f, s.gate + i);
    Vf hidden = load(s.r + 2 * s.gate + i);
    if (s.reset_bias) hidden += load(s.reset_bias + i);
    const Vf candidate = call(s.g, clip(fma(reset, hidden, load(s.x + 2 * s.gate + i)), -bound, bound));
    store(s.next + i, mixed(update, candidate, load(s.state + i)));
  }
}

void gru_gates(const CellStep& s, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vf update = gate(s, s.f, i), reset = gate(s, s.f, s.gate + i);
    store(s.r + i, update);
    store(s.next + i, reset * load(s.state + i));
  }
}

void gru_mix(const CellStep& s, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes)
    store(s.next + i, mixed(load(s.r + i), gate(s, s.g, 2 * s.gate + i), load(s.state + i)));
}

}  // namespace

void fill_rnn(RnnLoops& t) {
  t.rnn = rnn;
  t.lstm = lstm;
  t.gru = gru;
  t.gru_gates = gru_gates;
  t.gru_mix = gru_mix;
}

}  // namespace tenon::isa::TENON_ISA
