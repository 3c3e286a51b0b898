#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Where the heads of an operand of attention are.
enum class HeadLayout : int64_t {
  kRows,   ///< [batch, sequence, heads * size]; rows may be pitched, as parts of one packed projection are
  kHeads,  ///< [batch, heads, sequence, size]
};
inline std::span<const std::string_view> enum_names(HeadLayout) {
  static constexpr std::string_view names[] = {"rows", "heads"};
  return names;
}

/// "FusedAttention": y = softmax(scale * q k^T + mask) v for every batch entry and head.
///
/// Inputs: q, k, v, and optionally a mask that broadcasts to [batch, heads, queries, keys]: floating-point and added,
/// or bool and true where a key is seen. k and v have `kv_heads` heads, a divisor of `heads`: neighbouring heads of q
/// share them. Output: y in the layout `y`, with v's head size. With `causal`, query i sees the keys up to i + keys -
/// queries. Every operand has the type of q.
struct FusedAttentionAttrs {
  int64_t heads = 1, kv_heads = 1;
  float scale = 1;
  bool causal = false;
  HeadLayout q = HeadLayout::kRows, k = HeadLayout::kRows, v = HeadLayout::kRows, y = HeadLayout::kRows;
  static std::span<const ir::Field> fields() {
    using A = FusedAttentionAttrs;
    static const ir::Field f[] = {ir::field<&A::heads>("heads"), ir::field<&A::kv_heads>("kv_heads"),
                                  ir::field<&A::scale>("scale"), ir::field<&A::causal>("causal"),
                                  ir::field<&A::q>("q"),         ir::field<&A::k>("k"),
                                  ir::field<&A::v>("v"),         ir::field<&A::y>("y")};
    return f;
  }
};

}  // namespace tenon::ops
