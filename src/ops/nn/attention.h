#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Scaled dot-product attention over heads.
///
/// Inputs: q [B, H, S, D], k [B, G, T, D], v [B, G, T, E] with H a multiple of G (query head h reads head h / (H / G));
/// mask (optional), bool or of q's type, broadcast to [B, H, S, T]: false and -inf keep a key out, a number is added to
/// the score; offset (optional, i64, one element or one a batch): how many keys come before the first query, 0 if
/// absent; lengths (optional, i64 [B]): keys from there on are padding. Outputs: y [B, H, S, E]; scores (optional) [B,
/// H, S, T] at the stage that `scores` names.
///
/// score = scale * q k (then softcap * tanh(score / softcap) if softcap > 0) + mask; y = softmax(score) v. A query at
/// position p = offset + row sees key j if j <= p when `causal`, and p - left_window <= j <= p + right_window where the
/// windows are not -1. A query that sees no key gives zeros.
struct AttentionAttrs {
  float scale = 0;  ///< 0: 1 / sqrt(D)
  float softcap = 0;
  bool causal = false;
  int64_t left_window = -1, right_window = -1;
  int64_t scores = 0;  ///< of output 1: 0 scaled products, 1 after softcap, 2 after the mask, 3 after softmax
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AttentionAttrs::scale>("scale"),
                                  ir::field<&AttentionAttrs::causal>("causal"),
                                  ir::field<&AttentionAttrs::softcap>("softcap"),
                                  ir::field<&AttentionAttrs::left_window>("left_window"),
                                  ir::field<&AttentionAttrs::right_window>("right_window"),
                                  ir::field<&AttentionAttrs::scores>("scores")};
    return f;
  }
};

/// RotaryEmbedding: x [B, H, S, D], or [B, S, H * D] with num_heads; cos and sin [B, S, R / 2], or [positions, R / 2]
/// with position_ids [B, S]. The first R = rotary_embedding_dim elements of each head (0: all) turn in pairs: element i
/// with i + R / 2, or neighbours when `interleaved`.
struct RotaryEmbeddingAttrs {
  bool interleaved = false;
  int64_t num_heads = 0, rotary_embedding_dim = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&RotaryEmbeddingAttrs::interleaved>("interleaved"),
                                  ir::field<&RotaryEmbeddingAttrs::num_heads>("num_heads"),
                                  ir::field<&RotaryEmbeddingAttrs::rotary_embedding_dim>("rotary_embedding_dim")};
    return f;
  }
};

}  // namespace tenon::ops
