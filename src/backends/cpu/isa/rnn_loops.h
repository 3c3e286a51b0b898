// One step of a recurrent cell over a run of units, its products being done. Lengths are whole panels of an IsaTable.
#pragma once
#include <cstdint>

namespace tenon::isa {

enum class CellFn : int32_t {
  kRelu,
  kTanh,
  kSigmoid,
  kAffine,           ///< a x + b
  kLeakyRelu,        ///< x >= 0 ? x : a x
  kThresholdedRelu,  ///< x >= a ? x : 0
  kScaledTanh,       ///< a tanh(b x)
  kHardSigmoid,      ///< min(max(a x + b, 0), 1)
  kElu,              ///< x >= 0 ? x : a (exp(x) - 1)
  kSoftsign,         ///< x / (1 + |x|)
  kSoftplus,         ///< log(1 + exp(x))
};
struct CellFunction {
  CellFn fn = CellFn::kTanh;
  float a = 0, b = 0;
};

/// The argument of gate k is x[k * gate] + r[k * gate], held within [-clip, clip]. Gates have ONNX's order.
struct CellStep {
  const float* x = nullptr;  ///< products of the input, with all biases but `reset_bias`
  float* r = nullptr;        ///< products of the state
  int64_t gate = 0;
  const float* peephole = nullptr;    ///< LSTM: of the gates i, o, f, `gate` apart; or null
  const float* reset_bias = nullptr;  ///< GRU that is linear before reset: added to the candidate's r; or null
  const float* state = nullptr;
  float* next = nullptr;  ///< the new state
  float* cell = nullptr;  ///< LSTM: changed in place
  float clip = 0;
  bool input_forget = false;  ///< LSTM: the forget gate is 1 - the input gate
  CellFunction f, g, h;
};

struct RnnLoops {
  void (*rnn)(const CellStep&, int64_t count);
  void (*lstm)(const CellStep&, int64_t count);
  /// GRU, linear before reset.
  void (*gru)(const CellStep&, int64_t count);
  /// Other GRU, in two parts: the update gate replaces r[0], next = reset gate * state;
  void (*gru_gates)(const CellStep&, int64_t count);
  /// then r[2 * gate] is the product of that.
  void (*gru_mix)(const CellStep&, int64_t count);
};

}  // namespace tenon::isa
