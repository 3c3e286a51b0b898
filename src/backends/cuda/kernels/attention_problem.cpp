#include "backends/cuda/kernels/attention_problem.h"

#include <limits>

#include "backends/cuda/elem.h"
#include "backends/strides.h"
#include "ops/fused/fused_attention.h"

namespace tenon::cuda {
namespace {

using ir::DType;
using ops::HeadLayout;

/// An operand as [batch, head, row] with `size` contiguous elements.
struct Heads {
  HeadStrides at;
  int64_t size = 0, length = 0;
  Heads(const TensorDesc& d, HeadLayout layout, int64_t heads) {
    const bool rows = layout == HeadLayout::kRows;
    at.row = d.pitch;
    length = d.dims[rows ? 1 : 2];
    size = rows ? d.dims[2] / heads : d.dims[3];
    at.head = rows ? size : length * at.row;
    at.batch = rows ? length * at.row : heads * length * at.row;
  }
};

MaskType mask_type(DType t) {
  switch (t) {
    case DType::kF32:
      return MaskType::kF32;
    case DType::kF16:
      return MaskType::kF16;
    case DType::kBF16:
      return MaskType::kBF16;
    case DType::kBool:
      return MaskType::kBool;
    default:
      return MaskType::kNone;
  }
}

struct AttentionShapes {
  Heads q, k, v, y;
  explicit AttentionShapes(const Problem& p) : AttentionShapes(p, p.attrs<ops::FusedAttentionAttrs>()) {}

 private:
  AttentionShapes(const Problem& p, const ops::FusedAttentionAttrs& a)
      : q(p.inputs[0], a.q, a.heads),
        k(p.inputs[1], a.k, a.kv_heads),
        v(p.inputs[2], a.v, a.kv_heads),
        y(p.outputs[0], a.y, a.heads) {}
};

}  // namespace

AttentionParams attention_params(const Problem& p) {
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  const AttentionShapes s(p);
  AttentionParams r{};
  r.q_at = s.q.at;
  r.k_at = s.k.at;
  r.v_at = s.v.at;
  r.y_at = s.y.at;
  r.batch = int(p.inputs[0].dims[0]);
  r.heads = int(a.heads);
  r.heads_a_key_head = int(a.heads / a.kv_heads);
  r.queries = int(s.q.length);
  r.keys = int(s.k.length);
  r.size = int(s.q.size);
  r.value_size = int(s.v.size);
  r.scale = a.scale;
  r.causal = a.causal;
  if (p.has_input(kAttentionMask)) {
    const ir::Dims m = broadcast_strides(p.inputs[kAttentionMask], {r.batch, r.heads, r.queries, r.keys});
    r.mask_type = mask_type(p.inputs[kAttentionMask].dtype);
    r.mask_batch = m[0], r.mask_head = m[1], r.mask_query = m[2], r.mask_key = m[3];
  }
  return r;
}

std::string check_attention(const Problem& p) {
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  const DType type = p.inputs[0].dtype;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (!is_elem(type)) return cat("operands are ", type, ", accepted are f32, f16 and bf16");
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.inputs[2], &p.outputs[0]}) {
    if (d->dtype != type) return "operands differ in type";
    if (d->count() == 0) return "an operand is empty";
  }
  if (p.has_input(kAttentionMask)) {
    if (mask_type(p.inputs[kAttentionMask].dtype) == MaskType::kNone)
      return cat("the mask is ", p.inputs[kAttentionMask].dtype);
    if (!p.inputs[kAttentionMask].dense()) return "the mask must be dense";
  }
  const AttentionShapes s(p);
  if (a.causal && s.q.length > s.k.length) return "a causal query has no key";
  if (s.v.size > kMaxSimtSize || s.q.size > kMaxSimtSize)
    return cat("heads of ", s.q.size, " and ", s.v.size, " elements, accepted are up to ", kMaxSimtSize);
  if (s.k.length > kMax || s.q.length > kMax / 2 || p.inputs[0].dims[0] * a.heads > kMax / s.q.length)
    return cat(p.inputs[0].dims[0], " x ", a.heads, " heads of ", s.q.length, " queries and ", s.k.length, " keys");
  return {};
}

std::string check_16_byte_rows(const AttentionParams& a) {
  for (int64_t n : {int64_t(a.size), int64_t(a.value_size), a.q_at.row, a.k_at.row, a.v_at.row, a.y_at.row})
    if (n % 8 != 0) return cat("rows or distances of ", n, " elements are not made of 16-byte pieces");
  return {};
}

double attention_flops(const AttentionParams& a) {
  return 2.0 * a.batch * a.heads * double(a.queries) * a.keys * (a.size + a.value_size);
}

}  // namespace tenon::cuda
