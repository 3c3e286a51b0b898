// FusedAttention: on tensor cores with tiles of 16 to 128 queries, and for everything else a warp a query.
#include <algorithm>
#include <array>
#include <optional>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/attention_f32.h"
#include "backends/cuda/device/attention_short.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/attention_problem.h"

namespace tenon::cuda {
namespace {

using ir::DType;

bool aligned(const AttentionParams& p) {
  constexpr uintptr_t kAlignment = 16;
  const std::array<const void*, 4> operands{p.q, p.k, p.v, p.y};
  return std::all_of(operands.begin(), operands.end(),
                     [](const void* address) { return reinterpret_cast<uintptr_t>(address) % kAlignment == 0; });
}

class AttentionBase : public Kernel {
 public:
  explicit AttentionBase(const Problem& p) : params_(attention_params(p)), type_(elem_of(p.inputs[0].dtype)) {}

 protected:
  AttentionParams bind(const RunArgs& args) const {
    AttentionParams p = params_;
    p.q = args.inputs[0];
    p.k = args.inputs[1];
    p.v = args.inputs[2];
    p.y = args.outputs[0];
    if (p.mask_type != MaskType::kNone) p.mask = args.inputs[kAttentionMask];
    return p;
  }
  AttentionParams params_;
  Elem type_;
};

class Attention final : public AttentionBase {
 public:
  /// Without a tile: the kernel that needs no tensor cores.
  Attention(const Problem& p, std::optional<AttentionTile> tile) : AttentionBase(p), tile_(tile) {}
  void run(const RunArgs& args) const override {
    const AttentionParams p = bind(args);
    if (tile_ && aligned(p))
      TENON_CUDA(attention_mma(type_, *tile_, p, stream_of(args)));
    else
      TENON_CUDA(attention_simt(type_, p, stream_of(args)));
  }

 private:
  std::optional<AttentionTile> tile_;
};

/// Hopper's kernel for keys that a block holds at once.
template <int kTile>
class AttentionShort final : public AttentionBase {
 public:
  explicit AttentionShort(const Problem& p) : AttentionBase(p) {}
  void run(const RunArgs& args) const override {
    const AttentionParams p = bind(args);
    if (aligned(p))
      TENON_CUDA(attention_short(type_, kTile, p, stream_of(args)));
    else
      TENON_CUDA(attention_simt(type_, p, stream_of(args)));
  }
};

/// Hopper's kernel for f32.
class AttentionF32 final : public AttentionBase {
 public:
  explicit AttentionF32(const Problem& p) : AttentionBase(p), blocks_(info_of(p).multiprocessors) {}
  void run(const RunArgs& args) const override {
    const AttentionParams p = bind(args);
    if (aligned(p))
      TENON_CUDA(attention_f32(p, blocks_, stream_of(args)));
    else
      TENON_CUDA(attention_simt(type_, p, stream_of(args)));
  }

 private:
  int blocks_;
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
  const bool f32 = type == DType::kF32;
  constexpr int kAmpere = 80;
  if (info_of(p).sm < kAmpere) return Support::no("compute capability ", info_of(p).sm, ", needed is ", kAmpere);
  const AttentionParams a = attention_params(p);
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  const MaskType own = f32 ? MaskType::kF32 : type == DType::kF16 ? MaskType::kF16 : MaskType::kBF16;
  for (MaskType other : {MaskType::kF16, MaskType::kBF16})
    if (a.mask_type == other && other != own)
      return Support::no("the mask is ", p.inputs[kAttentionMask].dtype, ", the operands are ", type);
  const int size = std::max(a.size, a.value_size);
  if (size > kMaxMmaSize) return Support::no("heads of ", size, " elements, accepted are up to ", kMaxMmaSize);
  if (std::string reason = check_16_byte_rows(a); !reason.empty()) return Support::no(reason);
  const AttentionTileShape tile = shape_of(kTile, padded_head_size(size), f32);
  const int shared = attention_shared_bytes(tile, padded_head_size(size), f32);
  if (shared > info_of(p).shared_bytes)
    return Support::no("a block needs ", shared, " bytes of shared memory, there are ", info_of(p).shared_bytes);
  // Blocks that fit run at once; each takes its steps one after the other.
  constexpr int kBlocksAMultiprocessor[] = {4, 3, 3, 2};
  constexpr double kStepUs[] = {0.35, 0.5, 0.35, 0.6};
  constexpr auto n = size_t(kTile);
  const double blocks = double(a.batch) * a.heads * ((a.queries + tile.rows() - 1) / tile.rows());
  const double waves = std::max(1.0, blocks / (kBlocksAMultiprocessor[n] * info_of(p).multiprocessors));
  const double steps = std::max(1.0, double(a.keys) / tile.step());
  return Support::yes(estimate_us(p, 0, 1) + waves * steps * kStepUs[n] * (f32 ? 3 : 1));
}

Support supports_f32(const Problem& p) {
  if (std::string reason = check_attention(p); !reason.empty()) return Support::no(reason);
  if (p.inputs[0].dtype != DType::kF32) return Support::no("operands are ", p.inputs[0].dtype, ", accepted is f32");
  constexpr int kHopper = 90;
  if (info_of(p).sm != kHopper) return Support::no("compute capability ", info_of(p).sm, ", needed is ", kHopper);
  const AttentionParams a = attention_params(p);
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  if (a.mask_type == MaskType::kF16 || a.mask_type == MaskType::kBF16)
    return Support::no("the mask is ", p.inputs[kAttentionMask].dtype, ", accepted are f32 and bool");
  const int size = std::max(a.size, a.value_size);
  if (size > kWideF32Size) return Support::no("heads of ", size, " elements, accepted are up to ", kWideF32Size);
  if (std::string reason = check_16_byte_rows(a); !reason.empty()) return Support::no(reason);
  const double tiles = double(a.batch) * a.heads * ((a.queries + kWideF32Queries - 1) / kWideF32Queries);
  if (tiles >= double(1 << 30)) return Support::no("too many queries");
  const double rounds = std::max(1.0, tiles / info_of(p).multiprocessors), steps = double(a.keys) / kWideF32Keys;
  constexpr double kStepUs = 1.9, kTileUs = 1.5;
  return Support::yes(estimate_us(p, 0, 1) + rounds * (kTileUs + kStepUs * steps));
}

template <int kTile>
Support supports_short(const Problem& p) {
  if (std::string reason = check_attention(p); !reason.empty()) return Support::no(reason);
  if (p.inputs[0].dtype == DType::kF32) return Support::no("operands are f32, tensor cores take f16 and bf16");
  constexpr int kHopper = 90;
  if (info_of(p).sm != kHopper) return Support::no("compute capability ", info_of(p).sm, ", needed is ", kHopper);
  const AttentionParams a = attention_params(p);
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  if (a.causal || a.mask_type != MaskType::kNone) return Support::no("some keys are hidden");
  if (a.size != kShortHeadSize || a.value_size != kShortHeadSize)
    return Support::no("heads of ", a.size, " and ", a.value_size, " elements, accepted are ", kShortHeadSize);
  if (std::string reason = check_16_byte_rows(a); !reason.empty()) return Support::no(reason);
  constexpr ShortTile tile = kShortTiles[kTile];
  if (a.keys > tile.all()) return Support::no(a.keys, " keys, accepted are up to ", tile.all());
  constexpr int kMostGrid = 65535;
  if (a.batch > kMostGrid || a.heads > kMostGrid) return Support::no("too many heads for one launch");
  const double blocks = double(a.batch) * a.heads * ((a.queries + kShortQueries - 1) / kShortQueries);
  const double rounds = std::max(1.0, blocks / info_of(p).multiprocessors);
  return Support::yes(estimate_us(p, 0, 1) + rounds * (1 + 0.001 * tile.all()));
}

template <AttentionTile kTile>
std::unique_ptr<Kernel> prepare_mma(const Problem& p) {
  return std::make_unique<Attention>(p, kTile);
}
template <int kTile>
std::unique_ptr<Kernel> prepare_short(const Problem& p) {
  return std::make_unique<AttentionShort<kTile>>(p);
}
std::unique_ptr<Kernel> prepare_f32(const Problem& p) { return std::make_unique<AttentionF32>(p); }
std::unique_ptr<Kernel> prepare_simt(const Problem& p) { return std::make_unique<Attention>(p, std::nullopt); }

}  // namespace

std::vector<KernelDef> attention() {
  constexpr uint32_t kPitched = 7 | 1u << 16;
  using Tile = AttentionTile;
  return {{"attention_mma_16", "FusedAttention", supports_mma<Tile::kRows16>, prepare_mma<Tile::kRows16>, kPitched},
          {"attention_mma_32", "FusedAttention", supports_mma<Tile::kRows32>, prepare_mma<Tile::kRows32>, kPitched},
          {"attention_mma_64", "FusedAttention", supports_mma<Tile::kRows64>, prepare_mma<Tile::kRows64>, kPitched},
          {"attention_mma_128", "FusedAttention", supports_mma<Tile::kRows128>, prepare_mma<Tile::kRows128>, kPitched},
          {"attention_f32", "FusedAttention", supports_f32, prepare_f32, kPitched},
          {"attention_short_128", "FusedAttention", supports_short<0>, prepare_short<0>, kPitched},
          {"attention_short_256", "FusedAttention", supports_short<1>, prepare_short<1>, kPitched},
          {"attention_short_384", "FusedAttention", supports_short<2>, prepare_short<2>, kPitched},
          {"attention_short_512", "FusedAttention", supports_short<3>, prepare_short<3>, kPitched},
          {"attention_simt", "FusedAttention", supports_simt, prepare_simt, kPitched}};
}

}  // namespace tenon::cuda
