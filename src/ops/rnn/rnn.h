#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class RnnDirection : int64_t { kForward, kReverse, kBidirectional };
std::span<const std::string_view> enum_names(RnnDirection);

/// LSTM, GRU and RNN with ONNX's inputs and outputs in layout 0 (sequence first).
///
/// Inputs: x [S, B, I], W [D, gates * H, I], R [D, gates * H, H], then optionally B [D, 2 * gates * H], sequence_lens
/// [B] (i32), initial_h [D, B, H], and for LSTM initial_c [D, B, H] and P [D, 3 * H]; D is 2 for both directions,
/// else 1. Outputs, each optional: Y [S, D, B, H], Y_h [D, B, H], and for LSTM Y_c [D, B, H]. Positions past a
/// sequence's length are 0 in Y. `activations` has one name a gate function and direction: RNN f; GRU f, g; LSTM f, g,
/// h.
struct RnnAttrs {
  int64_t hidden_size = 0;
  RnnDirection direction = RnnDirection::kForward;
  std::vector<std::string> activations = {};
  std::vector<float> activation_alpha = {}, activation_beta = {};  ///< taken in order by the activations that have them
  float clip = 0;                    ///< bound of the arguments of gates and candidates, 0 for none
  bool linear_before_reset = false;  ///< GRU
  bool input_forget = false;         ///< LSTM: the forget gate is 1 - the input gate
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&RnnAttrs::hidden_size>("hidden_size"),
                                  ir::field<&RnnAttrs::direction>("direction"),
                                  ir::field<&RnnAttrs::activations>("activations"),
                                  ir::field<&RnnAttrs::activation_alpha>("activation_alpha"),
                                  ir::field<&RnnAttrs::activation_beta>("activation_beta"),
                                  ir::field<&RnnAttrs::clip>("clip"),
                                  ir::field<&RnnAttrs::linear_before_reset>("linear_before_reset"),
                                  ir::field<&RnnAttrs::input_forget>("input_forget")};
    return f;
  }
};

}  // namespace tenon::ops
