// FusedAttention: on tensor cores with tiles of 16 to 128 queries, and for everything else a warp a query.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/attention.h"
#include "backends/cuda/elem.h"
#include "backends/strides.h"
#include "ops/fused/fused_attention.h"

namespace tenon::cuda {
namespace {

using ir::DType;
using ops::HeadLayout;

constexpr size_t kMask = 3;

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

/// Everything but the addresses.
AttentionParams make_params(const Problem& p) {
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
  if (p.has_input(kMask)) {
    const ir::Dims m = broadcast_strides(p.inputs[kMask], {r.batch, r.heads, r.queries, r.keys});
    r.mask_type = mask_type(p.inputs[kMask].dtype);
    r.mask_batch = m[0], r.mask_head = m[1], r.mask_query = m[2], r.mask_key = m[3];
  }
  return r;
}

class Attention final : public Kernel {
 public:
  /// Without a tile: the kernel that needs no tensor cores.
  Attention(const Problem& p, std::optional<AttentionTile> tile)
      : params_(make_params(p)), type_(elem_of(p.inputs[0].dtype)), tile_(tile) {}
  void run(const RunArgs& args) const override {
    AttentionParams p = params_;
    p.q = args.inputs[0];
    p.k = args.inputs[1];
    p.v = args.inputs[2];
    p.y = args.outputs[0];
    if (p.mask_type != MaskType::kNone) p.mask = args.inputs[kMask];
    constexpr uintptr_t kAlignment = 16;
    const std::array<const void*, 4> operands{p.q, p.k, p.v, p.y};
    const bool aligned = std::all_of(operands.begin(), operands.end(), [](const void* address) {
      return reinterpret_cast<uintptr_t>(address) % kAlignment == 0;
    });
    if (tile_ && aligned)
      TENON_CUDA(attention_mma(type_, *tile_, p, stream_of(args)));
    else
      TENON_CUDA(attention_simt(type_, p, stream_of(args)));
  }

 private:
  AttentionParams params_;
  Elem type_;
  std::optional<AttentionTile> tile_;
};

std::string check_operands(const Problem& p) {
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  const DType type = p.inputs[0].dtype;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (!is_elem(type)) return cat("operands are ", type, ", accepted are f32, f16 and bf16");
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.inputs[2], &p.outputs[0]}) {
    if (d->dtype != type) return "operands differ in type";
    if (d->count() == 0) return "an operand is empty";
  }
  if (p.has_input(kMask)) {
    if (mask_type(p.inputs[kMask].dtype) == MaskType::kNone) return cat("the mask is ", p.inputs[kMask].dtype);
    if (!p.inputs[kMask].dense()) return "the mask must be dense";
  }
  const AttentionShapes s(p);
  if (a.causal && s.q.length > s.k.length) return "a causal query has no key";
  if (s.v.size > kMaxSimtSize || s.q.size > kMaxSimtSize)
    return cat("heads of ", s.q.size, " and ", s.v.size, " elements, accepted are up to ", kMaxSimtSize);
  if (s.k.length > kMax || s.q.length > kMax / 2 || p.inputs[0].dims[0] * a.heads > kMax / s.q.length)
    return cat(p.inputs[0].dims[0], " x ", a.heads, " heads of ", s.q.length, " queries and ", s.k.length, " keys");
  return {};
}

double pairs(const Problem& p) {
  const AttentionShapes s(p);
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  return double(p.inputs[0].dims[0]) * double(a.heads) * double(s.q.length) * double(s.k.length);
}

Support supports_simt(const Problem& p) {
  if (std::string reason = check_operands(p); !reason.empty()) return Support::no(reason);
  const AttentionShapes s(p);
  constexpr double kPairsAMicrosecond = 60;  // of one multiprocessor, heads of 64
  const double weight = double(s.q.size + s.v.size) / 128;
  return Support::yes(estimate_us(p, 0, 1) + pairs(p) * weight / (kPairsAMicrosecond * info_of(p).multiprocessors));
}

template <AttentionTile kTile>
Support supports_mma(const Problem& p) {
  if (std::string reason = check_operands(p); !reason.empty()) return Support::no(reason);
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  const DType type = p.inputs[0].dtype;
  if (type == DType::kF32) return Support::no("operands are f32, tensor cores take f16 and bf16");
  constexpr int kAmpere = 80;
  if (info_of(p).sm < kAmpere) return Support::no("compute capability ", info_of(p).sm, ", needed is ", kAmpere);
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  if (p.has_input(kMask) && p.inputs[kMask].dtype != type && p.inputs[kMask].dtype != DType::kF32 &&
      p.inputs[kMask].dtype != DType::kBool)
    return Support::no("the mask is ", p.inputs[kMask].dtype, ", the operands are ", type);
  const AttentionShapes s(p);
  if (s.q.size > kMaxMmaSize || s.v.size > kMaxMmaSize)
    return Support::no("heads of ", s.q.size, " and ", s.v.size, " elements, accepted are up to ", kMaxMmaSize);
  for (const Heads* h : {&s.q, &s.k, &s.v, &s.y})
    if (h->size % 8 != 0 || h->at.row % 8 != 0)
      return Support::no("rows of ", h->size, " elements, ", h->at.row, " apart, are not made of 16-byte pieces");
  constexpr AttentionTileShape tile = shape_of(kTile);
  const int shared = attention_shared_bytes(tile, padded_head_size(int(std::max(s.q.size, s.v.size))));
  if (shared > info_of(p).shared_bytes)
    return Support::no("a block needs ", shared, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  // Blocks that fit run at once; each takes its steps one after the other.
  constexpr int kBlocksAMultiprocessor[] = {4, 3, 3, 2};
  constexpr double kStepUs[] = {0.35, 0.5, 0.35, 0.6};
  constexpr auto n = size_t(kTile);
  const double blocks =
      double(p.inputs[0].dims[0]) * double(a.heads) * double((s.q.length + tile.rows() - 1) / tile.rows());
  const double waves = std::max(1.0, blocks / (kBlocksAMultiprocessor[n] * info_of(p).multiprocessors));
  const double steps = std::max(1.0, double(s.k.length) / tile.step());
  return Support::yes(estimate_us(p, 0, 1) + waves * steps * kStepUs[n]);
}

template <AttentionTile kTile>
std::unique_ptr<Kernel> prepare_mma(const Problem& p) {
  return std::make_unique<Attention>(p, kTile);
}
std::unique_ptr<Kernel> prepare_simt(const Problem& p) { return std::make_unique<Attention>(p, std::nullopt); }

}  // namespace

std::vector<KernelDef> attention() {
  constexpr uint32_t kPitched = 7 | 1u << 16;
  using Tile = AttentionTile;
  return {{"attention_mma_16", "FusedAttention", supports_mma<Tile::kRows16>, prepare_mma<Tile::kRows16>, kPitched},
          {"attention_mma_32", "FusedAttention", supports_mma<Tile::kRows32>, prepare_mma<Tile::kRows32>, kPitched},
          {"attention_mma_64", "FusedAttention", supports_mma<Tile::kRows64>, prepare_mma<Tile::kRows64>, kPitched},
          {"attention_mma_128", "FusedAttention", supports_mma<Tile::kRows128>, prepare_mma<Tile::kRows128>, kPitched},
          {"attention_simt", "FusedAttention", supports_simt, prepare_simt, kPitched}};
}

}  // namespace tenon::cuda
