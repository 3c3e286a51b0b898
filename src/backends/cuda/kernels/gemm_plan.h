// Which tiles and splits of the tensor-core product suit a problem, and packed weights.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/gemm_small.h"
#include "backends/cuda/device/gemm_split.h"
#include "backends/cuda/device/gemm_tensor_core.h"
#include "backends/cuda/device/gemm_tma.h"
#include "backends/cuda/device/gemm_wgmma.h"
#include "backends/cuda/device/gemm_wgmma_f32.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {

/// Which instructions multiply: those of every GPU since compute capability 8.0, or Hopper's, without and with its copy
/// engine, and the latter for few tiles; kSplit is for convolutions alone. kMma takes f32 too, kWgmmaF32 nothing else.
enum class GemmKind : uint8_t { kMma, kWgmma, kTma, kSmall, kWgmmaF32, kSplit };
struct GemmVariant {
  GemmKind kind;
  int number;   ///< of kGemmTiles, kWgmmaTiles, kTmaTiles, kSmallTiles, kWgmmaF32Tiles or kSplitTiles
  int cluster;  ///< blocks that share k; of kTma, that share what they read
  GemmTile tile() const;
};
/// Every tile with clusters of 1, 2, 4 and 8 blocks, or of 1 and 2 with the copy engine, or of 1, 2 and 4 for few
/// tiles.
inline constexpr int kSplitVariantCount = (kGemmTileCount + kWgmmaTileCount) * 4;
inline constexpr int kTmaVariantCount = kTmaTileCount * 2, kSmallVariantCount = kSmallTileCount * 3;
inline constexpr int kFirstSmallVariant = kSplitVariantCount + kTmaVariantCount;
inline constexpr int kWgmmaF32VariantCount = kWgmmaF32TileCount * 4;
inline constexpr int kGemmVariantCount =
    kSplitVariantCount + kTmaVariantCount + kSmallVariantCount + kWgmmaF32VariantCount;
/// And, for convolutions, those of kSplit with 1 to kMostSplits blocks.
inline constexpr int kConvVariantCount = kGemmVariantCount + kSplitTileCount * kMostSplits;
constexpr GemmVariant gemm_variant(int number) {
  const int tma = number - kSplitVariantCount, tile = number / 4, cluster = 1 << number % 4;
  const int small = tma - kTmaVariantCount, f32 = small - kSmallVariantCount;
  const int split = number - kGemmVariantCount;
  if (split >= 0) return {GemmKind::kSplit, split / kMostSplits, split % kMostSplits + 1};
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
};

/// Whether a kind takes f32 operands, or those of 16 bits.
constexpr bool takes(GemmKind k, bool f32) { return k == GemmKind::kMma || (k == GemmKind::kWgmmaF32) == f32; }

/// Whether variant `number` is possible: the reason why not, or an empty string and its estimated time. The estimate is
/// that of a good kernel for the first of the variants, and a little more for each that is expected to be slower.
std::string rank_variant(const Problem& p, const GemmWork& work, int number, double& cost_us);

/// Why the kernel with the copy engine does not do `g`, whose addresses need not be set, with this epilogue; or an
/// empty string.
std::string refuse_tma(const GemmArgs& g, bool conv, const ProductEpilogue& epilogue);
/// The same of the kernel for few tiles, which takes plain matrices.
std::string refuse_small(const GemmArgs& g, const ProductEpilogue& epilogue);
/// The same of the kernel for convolutions of few tiles; `scaled` asks for gemm_split_scaled.
std::string refuse_split(const GemmArgs& g, bool conv, bool scaled, const ProductEpilogue& epilogue);

/// How k is found in a GemmArgs' operands: gemm_tensor_core_conv, gemm_tensor_core_by_rows,
/// gemm_tensor_core_by_columns.
enum class GemmOperands : uint8_t { kConv, kRows, kColumns };
cudaError_t run_variant(const GemmVariant& v, const GemmArgs& g, Elem type, GemmOperands operands, const DeviceInfo& d,
                        cudaStream_t stream);

/// "<stem>_<rows>x<columns>_<cluster>", with "_wgmma", "_tma", "_small", "_wgmma_f32" or "_split" after the stem for
/// those, and the number of the tile with the copy engine; lives as long as the process.
std::string_view variant_name(std::string_view stem, const GemmVariant& v);

/// Constant operand `input` with rows of k, each k rounded up to kGemmDepth, k fastest: element (column, k) is number
/// at(column, k) of the tensor, or 0 where that is negative.
template <class At>
std::shared_ptr<const void> packed_rows(const Problem& p, size_t input, const std::string& format, int64_t columns,
                                        int64_t depth, const At& at) {
  const int64_t pitch = (depth + kGemmDepth - 1) / kGemmDepth * kGemmDepth;
  return packed_constant(p, input, format, [&](const ir::Tensor& t) {
    const auto copy = [&]<class T>(T) {
      std::vector<std::byte> bytes(size_t(columns * pitch) * sizeof(T));
      T* const to = reinterpret_cast<T*>(bytes.data());
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t k = 0; k < depth; ++k)
          if (const int64_t from = at(c, k); from >= 0) to[c * pitch + k] = t.as<T>()[from];
      return bytes;
    };
    return t.dtype() == ir::DType::kF32 ? copy(uint32_t()) : copy(uint16_t());
  });
}
constexpr int64_t packed_pitch(int64_t depth) { return (depth + kGemmDepth - 1) / kGemmDepth * kGemmDepth; }

}  // namespace tenon::cuda
