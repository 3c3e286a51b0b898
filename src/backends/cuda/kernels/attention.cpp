// FusedAttention: on tensor cores with tiles of 16 to 128 queries, and for everything else a warp a query.
#include <algorithm>
#include <array>
#include <optional>

#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/attention_problem.h"

namespace tenon::cuda {
namespace {

using ir::DType;

class Attention final : public Kernel {
 public:
  /// Without a tile: the kernel that needs no tensor cores.
  Attention(const Problem& p, std::optional<AttentionTile> tile)
      : params_(attention_params(p)), type_(elem_of(p.inputs[0].dtype)), tile_(tile) {}
  void run(const RunArgs& args) const override {
    AttentionParams p = params_;
    p.q = args.inputs[0];
    p.k = args.inputs[1];
    p.v = args.inputs[2];
    p.y = args.outputs[0];
    if (p.mask_type != MaskType::kNone) p.mask = args.inputs[kAttentionMask];
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

Support supports_simt(const Problem& p) {
  if (std::string reason = check_attention(p); !reason.empty()) return Support::no(reason);
  const AttentionParams a = attention_params(p);
  constexpr double kMultiplyAdds = 8000;  // a microsecond and multiprocessor
  return Support::yes(estimate_us(p, 0, 1) + attention_flops(a) / 2 / (kMultiplyAdds * info_of(p).multiprocessors));
}

template <AttentionTile kTile>
Support supports_mma(const Problem& p) {
  if (std::string reason = check_attention(p); !reason.empty()) return Support::no(reason);
  const DType type = p.inputs[0].dtype;
  if (type == DType::kF32) return Support::no("operands are f32, tensor cores take f16 and bf16");
  constexpr int kAmpere = 80;
  if (info_of(p).sm < kAmpere) return Support::no("compute capability ", info_of(p).sm, ", needed is ", kAmpere);
  const AttentionParams a = attention_params(p);
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  const MaskType own = type == DType::kF16 ? MaskType::kF16 : MaskType::kBF16;
  for (MaskType other : {MaskType::kF16, MaskType::kBF16})
    if (a.mask_type == other && other != own)
      return Support::no("the mask is ", p.inputs[kAttentionMask].dtype, ", the operands are ", type);
  const int size = std::max(a.size, a.value_size);
  if (size > kMaxMmaSize) return Support::no("heads of ", size, " elements, accepted are up to ", kMaxMmaSize);
  if (std::string reason = check_16_byte_rows(a); !reason.empty()) return Support::no(reason);
  const AttentionTileShape tile = shape_of(kTile, padded_head_size(size));
  const int shared = attention_shared_bytes(tile, padded_head_size(size));
  if (shared > info_of(p).shared_bytes)
    return Support::no("a block needs ", shared, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  // Blocks that fit run at once; each takes its steps one after the other.
  constexpr int kBlocksAMultiprocessor[] = {4, 3, 3, 2};
  constexpr double kStepUs[] = {0.35, 0.5, 0.35, 0.6};
  constexpr auto n = size_t(kTile);
  const double blocks = double(a.batch) * a.heads * ((a.queries + tile.rows() - 1) / tile.rows());
  const double waves = std::max(1.0, blocks / (kBlocksAMultiprocessor[n] * info_of(p).multiprocessors));
  const double steps = std::max(1.0, double(a.keys) / tile.step());
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
