// Which tiles and splits of the tensor-core product suit a problem, and packed weights.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/gemm_small.h"
#include "backends/cuda/device/gemm_split.h"
#include "backends/cuda/device/gemm_tensor_core.h"
#include "backends/cuda/device/gemm_tensor_core_f32.h"
#include "backends/cuda/device/gemm_tensor_core_tf32.h"
#include "backends/cuda/device/gemm_tma.h"
#include "backends/cuda/device/gemm_tma_f32.h"
#include "backends/cuda/device/gemm_wgmma.h"
#include "backends/cuda/device/gemm_wgmma_f32.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {

/// Which instructions multiply: those of every GPU since compute capability 8.0, or Hopper's, without and with its copy
/// engine, and the latter for few tiles; kSplit is for convolutions alone. kMma takes f32 too, those with F32 or Tf32
/// nothing else; the latter round it to TF32.
enum class GemmKind : uint8_t { kMma, kWgmma, kTma, kSmall, kWgmmaF32, kSplit, kTmaF32, kTmaTf32, kMmaTf32 };
struct GemmVariant {
  GemmKind kind;
  int number;   ///< of the kind's tiles: kGemmTiles, kWgmmaTiles, kTmaTiles, kSmallTiles and so on
  int cluster;  ///< blocks that share k; with the copy engine, that share what they read
  GemmTile tile() const;
};
/// Every tile with clusters of 1, 2, 4 and 8 blocks, or of 1 and 2 with the copy engine, or of 1, 2 and 4 for few
/// tiles.
inline constexpr int kSplitVariantCount = (kGemmTileCount + kWgmmaTileCount) * 4;
inline constexpr int kTmaVariantCount = kTmaTileCount * 2, kSmallVariantCount = kSmallTileCount * 3;
inline constexpr int kFirstSmallVariant = kSplitVariantCount + kTmaVariantCount;
inline constexpr int kWgmmaF32VariantCount = kWgmmaF32TileCount * 4;
inline constexpr int kFirstTmaF32Variant =
    kSplitVariantCount + kTmaVariantCount + kSmallVariantCount + kWgmmaF32VariantCount;
inline constexpr int kFirstTmaTf32Variant = kFirstTmaF32Variant + kTmaF32TileCount * 2;
inline constexpr int kFirstMmaTf32Variant = kFirstTmaTf32Variant + kTmaTf32TileCount * 2;
inline constexpr int kGemmVariantCount = kFirstMmaTf32Variant + kGemmTf32TileCount * 4;
/// And, for convolutions, those of kSplit with 1 to kMostSplits blocks.
inline constexpr int kConvVariantCount = kGemmVariantCount + kSplitTileCount * kMostSplits;
constexpr GemmVariant gemm_variant(int number) {
  const int tma = number - kSplitVariantCount, tile = number / 4, cluster = 1 << number % 4;
  const int small = tma - kTmaVariantCount, f32 = small - kSmallVariantCount;
  const int split = number - kGemmVariantCount;
  if (split >= 0) return {GemmKind::kSplit, split / kMostSplits, split % kMostSplits + 1};
  const int mma_tf32 = number - kFirstMmaTf32Variant, tma_tf32 = number - kFirstTmaTf32Variant;
  const int tma_f32 = number - kFirstTmaF32Variant;
  if (mma_tf32 >= 0) return {GemmKind::kMmaTf32, mma_tf32 / 4, 1 << mma_tf32 % 4};
  if (tma_tf32 >= 0) return {GemmKind::kTmaTf32, tma_tf32 / 2, 1 << tma_tf32 % 2};
  if (tma_f32 >= 0) return {GemmKind::kTmaF32, tma_f32 / 2, 1 << tma_f32 % 2};
  if (f32 >= 0) return {GemmKind::kWgmmaF32, f32 / 4, 1 << f32 % 4};
  if (small >= 0) return {GemmKind::kSmall, small / 3, 1 << small % 3};
  if (tma >= 0) return {GemmKind::kTma, tma / 2, 1 << tma % 2};
  if (tile >= kGemmTileCount) return {GemmKind::kWgmma, tile - kGemmTileCount, cluster};
  return {GemmKind::kMma, tile, cluster};
}

/// What a product does, for estimates.
struct GemmWork {
  int64_t rows, columns, depth;  ///< of one matrix of one group
  int64_t matrices = 1;          ///< batch times groups
  bool by_columns = false;       ///< b is stored with its columns fastest
  double a_traffic = 1;          ///< part of a's tiles that comes from beyond the first-level cache
  bool f32 = false;              ///< operands of four bytes
  bool packed = true;            ///< b is constant and packed
};

/// Whether a kind rounds f32 operands to TF32.
constexpr bool rounds(GemmKind k) { return k == GemmKind::kTmaTf32 || k == GemmKind::kMmaTf32; }
/// Whether a kind takes f32 operands, or those of 16 bits.
constexpr bool takes(GemmKind k, bool f32) {
  return k == GemmKind::kMma || (k == GemmKind::kWgmmaF32 || k == GemmKind::kTmaF32 || rounds(k)) == f32;
}

/// Whether variant `number` is possible: the reason why not, or an empty string and its estimated time. The estimate is
/// that of a good kernel for the first of the variants, and a little more for each that is expected to be slower.
std::string rank_variant(const Problem& p, const GemmWork& work, int number, double& cost_us);

/// Whether kernels of a kind read through the copy engine, which does not take every operand.
constexpr bool uses_copy_engine(GemmKind k) {
  return k != GemmKind::kMma && k != GemmKind::kWgmma && k != GemmKind::kWgmmaF32 && k != GemmKind::kMmaTf32;
}
/// Why a kind that uses the copy engine does not do `g`, whose addresses need not be set, with this epilogue; or an
/// empty string. kSmall takes plain matrices.
std::string refuse_kind(GemmKind kind, const GemmArgs& g, bool conv, const ProductEpilogue& epilogue);
/// The same of the kernel for few tiles.
std::string refuse_small(const GemmArgs& g, const ProductEpilogue& epilogue);
/// The same of the kernel for convolutions of few tiles; `scaled` asks for gemm_split_scaled.
std::string refuse_split(const GemmArgs& g, bool conv, bool scaled, const ProductEpilogue& epilogue);

/// How k is found in a GemmArgs' operands: gemm_tensor_core_conv, gemm_tensor_core_by_rows,
/// gemm_tensor_core_by_columns.
enum class GemmOperands : uint8_t { kConv, kRows, kColumns };
cudaError_t run_variant(const GemmVariant& v, const GemmArgs& g, Elem type, GemmOperands operands, const DeviceInfo& d,
                        cudaStream_t stream);

/// The variant, or, where it does not take packed weights that are infinite or no numbers and these are, one that does.
GemmVariant variant_for(GemmVariant v, const ir::Tensor& weights);

/// "<stem>_<rows>x<columns>_<cluster>", with the kind after the stem where it is not kMma, and the number of kTma's
/// tile; lives as long as the process.
std::string_view variant_name(std::string_view stem, const GemmVariant& v);

/// f32 to the nearest TF32 number, away from zero where two are.
constexpr uint32_t rounded_to_tf32(uint32_t bits) {
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

/// Constant operand `input` with rows of k, each k rounded up to kGemmDepth, k fastest: element (column, k) is number
/// at(column, k) of the tensor, or 0 where that is negative. f32 is rounded to TF32 where asked for.
template <class At>
std::shared_ptr<const void> packed_rows(const Problem& p, size_t input, const std::string& format, int64_t columns,
                                        int64_t depth, const At& at, bool tf32 = false) {
  const int64_t pitch = (depth + kGemmDepth - 1) / kGemmDepth * kGemmDepth;
  return packed_constant(p, input, tf32 ? format + " in TF32" : format, [&](const ir::Tensor& t) {
    const auto copy = [&]<class T>(T) {
      std::vector<std::byte> bytes(size_t(columns * pitch) * sizeof(T));
      T* const to = reinterpret_cast<T*>(bytes.data());
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t k = 0; k < depth; ++k)
          if (const int64_t from = at(c, k); from >= 0) to[c * pitch + k] = t.as<T>()[from];
      if (tf32 && sizeof(T) == 4)
        for (int64_t i = 0; i < columns * pitch; ++i) to[i] = T(rounded_to_tf32(uint32_t(to[i])));
      return bytes;
    };
    return t.dtype() == ir::DType::kF32 ? copy(uint32_t()) : copy(uint16_t());
  });
}
constexpr int64_t packed_pitch(int64_t depth) { return (depth + kGemmDepth - 1) / kGemmDepth * kGemmDepth; }

}  // namespace tenon::cuda
