#include "backends/cuda/kernels/gemm_plan.h"

#include <algorithm>
#include <cmath>

#include "backends/cuda/kernels/variants.h"

namespace tenon::cuda {
namespace {

constexpr double kRankCost = 0.03, kSmallRankCost = 0.06, kSplitRankCost = 0.02,
                 kTf32RankCost = 0.02;                      // a later variant is slower
constexpr double kEfficiency = 0.5, kTmaEfficiency = 0.65;  // of the nominal rate
constexpr int64_t kSmallRounds = 2, kSplitRounds = 3;       // blocks a multiprocessor: more tiles are not few

constexpr GemmVariant kOtherF32 = {GemmKind::kWgmmaF32, 0, 1};  // takes what the copy engine does not

constexpr double kF32Products = 6;  // of 16-bit operands in the time of one of f32

int64_t divided(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// Steps of 128 bytes.
int64_t steps_of(const GemmWork& w) { return divided(w.depth, w.f32 ? kGemmDepth / 2 : kGemmDepth); }

/// Expected microseconds with the copy engine: blocks go from tile to tile, limited by the multiply-adds or by what
/// they copy; between two tiles they finish one, unless groups of warps take turns.
double expected_tma_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const TmaTile t = kTmaTiles[v.number];
  const double area = double(t.rows) * t.columns;
  const int64_t tiles = divided(w.rows, t.rows) * divided(w.columns, t.columns) * w.matrices;
  const double macs_a_us = d.tflops_f16 * 1e6 / 2 / d.multiprocessors * 0.68;
  const double copied_a_us = 70e3, stored_a_us = 30e3;  // bytes, of a multiprocessor
  const double step =
      std::max(area * kGemmDepth / macs_a_us, double(t.rows + t.columns) * kGemmDepth * 2 / copied_a_us);
  const double steps = double(divided(w.depth, kGemmDepth)) * step;
  const double finish = area / (128 * 192) * (t.alternate ? 0.25 : 0.9), store = area * 2 / stored_a_us;
  const double each = std::max(steps + finish, t.alternate ? store : steps + 0.3 * store);
  const double total = 2.5 + double(divided(tiles, d.multiprocessors)) * each + 0.5 * store;
  if (v.cluster == 1) return total;
  return total * (tiles <= d.multiprocessors ? 1.25 : 1.06);  // few tiles wait for each other, and share little
}

/// The same of f32: both groups of warps finish a tile before they begin the next.
double expected_tma_f32_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  const bool tf32 = rounds(v.kind);
  const double area = double(t.rows) * t.columns;
  const int64_t tiles = divided(w.rows, t.rows) * divided(w.columns, t.columns) * w.matrices;
  const double macs_a_us = d.tflops_f16 * 1e6 / 4 / d.multiprocessors * (tf32 ? 0.65 : 0.75 / 3);
  const double copied_a_us = 70e3, depth = kGemmDepth / 2;
  const double step = std::max(area * depth / macs_a_us, double(t.rows + t.columns) * depth * 4 / copied_a_us);
  const double each = double(steps_of(w)) * step + area / (128 * 128) * 1.2;
  const double total = 2.5 + double(divided(tiles, d.multiprocessors)) * each;
  return v.cluster == 1 ? total : total * (tiles <= d.multiprocessors ? 1.25 : tf32 ? 1 : 1.06);
}

/// Expected microseconds for few tiles: k step after step, limited by what a block or all of them copy and by how long
/// a copy takes, and the sums of parts.
double expected_small_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  const int64_t blocks = divided(w.rows, t.rows) * divided(w.columns, t.columns) * v.cluster;
  const double bytes = double(t.rows + t.columns) * kGemmDepth * 2, one_a_us = 127e3, all_a_us = 7.5e6;
  const double step =
      std::max({bytes / one_a_us, bytes * double(blocks) / all_a_us, 1.0 / kSmallTiles[v.number].stages});
  const double join = v.cluster == 1 ? 0 : v.cluster == 2 ? 0.5 : 1.2;
  return 2.5 + double(divided(divided(w.depth, kGemmDepth), v.cluster)) * step +
         0.3 * double(divided(blocks, d.multiprocessors)) + join;
}

/// Expected microseconds of kSplit, fitted to an H200's: limited by what a multiprocessor copies, by the products, or
/// by what the second-level cache gives to all; then blocks exchange their sums.
double expected_split_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  const int64_t blocks = divided(w.rows, t.rows) * divided(w.columns, t.columns) * v.cluster;
  const double steps = double(divided(divided(w.depth, kGemmDepth), v.cluster));
  const double bytes = double(t.rows + t.columns) * kGemmDepth * 2;
  const double copied = double(divided(blocks, d.multiprocessors)) * steps * bytes / 75e3;
  const double multiplied = steps * (0.04 + t.columns * 0.0006), shared = double(blocks) * steps * bytes / 6.5e6;
  return 1.5 + t.columns * 0.008 + std::max({copied, multiplied, shared}) +
         (v.cluster > 1 ? 0.3 + 0.06 * v.cluster : 0);
}

/// Expected microseconds: rounds of blocks, each filling its stages and then taking step after step, limited by the
/// multiprocessor's multiply-adds or by its share of the second-level cache's bandwidth.
double expected_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  if (v.kind == GemmKind::kTma) return expected_tma_us(d, w, v);
  if (v.kind == GemmKind::kTmaF32 || v.kind == GemmKind::kTmaTf32) return expected_tma_f32_us(d, w, v);
  if (v.kind == GemmKind::kSmall) return expected_small_us(d, w, v);
  if (v.kind == GemmKind::kSplit) return expected_split_us(d, w, v);
  const GemmTile t = v.tile();
  const int64_t tiles = divided(w.rows, t.rows) * divided(w.columns, t.columns) * w.matrices;
  const int64_t share = divided(steps_of(w), v.cluster);
  const int64_t blocks = divided(tiles * v.cluster, d.multiprocessors);
  const bool wgmma = v.kind == GemmKind::kWgmma || v.kind == GemmKind::kWgmmaF32;
  const int64_t large = v.kind == GemmKind::kWgmma ? 128 * 256 : 128 * 128, area = int64_t(t.rows) * t.columns;
  const int64_t resident = area >= large ? 1 : area >= large / 4 ? 2 : 3;
  const int64_t together = std::min(blocks, resident), rounds = divided(blocks, resident);
  const double whole = wgmma ? 0.8 : 0.55;
  const double part = v.kind == GemmKind::kMmaTf32 ? whole / 2 : w.f32 ? whole * 0.6 / (kF32Products / 2) : whole;
  const double macs_a_us = d.tflops_f16 * 1e6 / 2 / d.multiprocessors * part;
  const double bytes_a_us = 45e3;
  const double step = std::max(double(t.rows) * t.columns * kGemmDepth / macs_a_us,
                               (double(t.rows) * w.a_traffic + t.columns) * kGemmDepth * 2 / bytes_a_us);
  const double ready = std::max(0.15, step * double(together));
  return double(rounds) * (1.0 + double(share) * ready) + (v.cluster > 1 ? 0.6 + 0.1 * v.cluster : 0);
}

/// Which of kGemmTiles a variant of kMma or kMmaTf32 has.
int gemm_tile(const GemmVariant& v) { return v.kind == GemmKind::kMma ? v.number : kGemmTf32Tiles[v.number]; }
/// Bytes of shared memory that a block takes; 0 for kinds that are made for one GPU's.
int64_t shared_bytes(const GemmVariant& v) {
  const bool mma = v.kind == GemmKind::kMma || v.kind == GemmKind::kMmaTf32;
  return mma ? gemm_shared_bytes(v.tile(), kGemmStages[gemm_tile(v)]) : 0;
}

bool possible(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  if (!takes(v.kind, w.f32)) return false;
  if (v.kind == GemmKind::kTma) return d.sm == 90 && !w.by_columns;
  if (v.kind == GemmKind::kTmaF32 || v.kind == GemmKind::kTmaTf32) return d.sm == 90 && w.packed;
  if (v.kind == GemmKind::kSmall) {
    const int64_t blocks = divided(w.rows, t.rows) * divided(w.columns, t.columns) * v.cluster;
    return d.sm == 90 && !w.by_columns && w.matrices == 1 && divided(w.depth, kGemmDepth) >= v.cluster &&
           blocks <= kSmallRounds * d.multiprocessors;
  }
  if (v.kind == GemmKind::kSplit) {
    const int64_t steps = divided(w.depth, kGemmDepth);
    const int64_t blocks = divided(w.rows, t.rows) * divided(w.columns, t.columns) * v.cluster;
    return d.sm == 90 && !w.by_columns && w.matrices == 1 && steps >= v.cluster &&
           blocks <= kSplitRounds * d.multiprocessors &&
           gemm_split_memory(v.number, v.cluster, steps, d.shared_bytes).stages > 0;
  }
  if (v.cluster > 1 && (d.sm < 90 || steps_of(w) < 2 * v.cluster)) return false;
  if (v.kind != GemmKind::kMma && v.kind != GemmKind::kMmaTf32 && (d.sm != 90 || w.by_columns)) return false;
  if (shared_bytes(v) > d.shared_bytes) return false;
  return divided(w.rows, t.rows) <= 65535 && w.matrices * v.cluster <= 65535;
}

std::string refuse_tma(const GemmArgs& g, bool conv, const ProductEpilogue& epilogue) {
  if (!epilogue.in_kernel() || !gemm_tma_does(epilogue.form())) return "the epilogue is not one of this kernel's";
  GemmArgs all = g;
  all.epilogue = epilogue.form();
  if (!gemm_tma_takes(all, conv)) return "the copy engine does not take these rows or windows";
  return {};
}

std::string refuse_tma_f32(const GemmArgs& g, bool conv, const ProductEpilogue& epilogue) {
  GemmArgs all = g;
  if (epilogue.in_kernel())
    all.epilogue = epilogue.form();
  else
    all.y_pitch = g.sums_pitch;
  if (!gemm_tma_f32_takes(all, conv)) return "the copy engine does not take these rows or windows";
  return {};
}

}  // namespace

std::string rank_variant(const Problem& p, const GemmWork& work, int number, double& cost_us) {
  const DeviceInfo& d = info_of(p);
  if (d.sm < 80) return "compute capability below 8.0";
  const GemmVariant v = gemm_variant(number);
  if (shared_bytes(v) > d.shared_bytes)
    return cat(shared_bytes(v), " bytes of shared memory, there are ", d.shared_bytes);
  if (!possible(d, work, v))
    return cat(work.rows, "x", work.columns, "x", work.depth, " is not for this tile in clusters of ", v.cluster);
  const double mine = expected_us(d, work, v);
  // Kinds are ranked apart, so that some of each are timed.
  const auto class_of = [](GemmKind k) {
    if (rounds(k)) return GemmKind::kTmaTf32;
    return k == GemmKind::kWgmma || k == GemmKind::kWgmmaF32 ? GemmKind::kMma : k;
  };
  const bool tma = class_of(v.kind) != GemmKind::kMma;
  const double step = v.kind == GemmKind::kSmall   ? kSmallRankCost
                      : v.kind == GemmKind::kSplit ? kSplitRankCost
                      : rounds(v.kind)             ? kTf32RankCost
                                                   : kRankCost;
  int rank = 0;
  for (int i = 0; i < kConvVariantCount; ++i) {
    const GemmVariant other = gemm_variant(i);
    if (class_of(other.kind) != class_of(v.kind) || !possible(d, work, other)) continue;
    const double us = expected_us(d, work, other);
    rank += us < mine || (us == mine && i < number);
  }
  const double flops = 2.0 * double(work.rows) * double(work.columns) * double(work.depth) * double(work.matrices);
  const double part = tma ? kTmaEfficiency : kEfficiency;
  const double products = rounds(v.kind) ? kF32Products / 3 : kF32Products;
  const double efficiency = work.f32 ? part * d.tflops_f16 / d.tflops_f32 / products : part;
  cost_us = estimate_us(p, flops, efficiency) * (1 + step * rank);
  return {};
}

GemmTile GemmVariant::tile() const {
  if (kind == GemmKind::kSplit) return kSplitTiles[number];
  if (kind == GemmKind::kSmall) return {kSmallRows, kSmallTiles[number].columns};
  if (kind == GemmKind::kTma) return {kTmaTiles[number].rows, kTmaTiles[number].columns};
  if (kind == GemmKind::kWgmmaF32) return kWgmmaF32Tiles[number];
  if (kind == GemmKind::kTmaF32) return kTmaF32Tiles[number];
  if (kind == GemmKind::kTmaTf32) return kTmaTf32Tiles[number];
  return kind == GemmKind::kWgmma ? kWgmmaTiles[number] : kGemmTiles[gemm_tile(*this)];
}

std::string refuse_small(const GemmArgs& g, const ProductEpilogue& epilogue) {
  if (!epilogue.in_kernel() || !gemm_small_does(epilogue.form())) return "the epilogue is not one of this kernel's";
  GemmArgs all = g;
  all.epilogue = epilogue.form();
  if (!gemm_small_takes(all)) return "the copy engine does not take these rows";
  return {};
}

std::string refuse_split(const GemmArgs& g, bool conv, bool scaled, const ProductEpilogue& epilogue) {
  if (std::string reason = epilogue.refuse_early_bias(); !reason.empty()) return reason;
  if (!epilogue.in_kernel() || !gemm_split_does(epilogue.form(), scaled))
    return "the epilogue is not one of this kernel's";
  GemmArgs all = g;
  all.epilogue = epilogue.form();
  if (!gemm_tma_takes(all, conv)) return "the copy engine does not take these rows or windows";
  return {};
}

cudaError_t run_variant(const GemmVariant& v, const GemmArgs& g, Elem type, GemmOperands operands, const DeviceInfo& d,
                        cudaStream_t stream) {
  const bool conv = operands == GemmOperands::kConv;
  if (v.kind == GemmKind::kTma && gemm_tma_takes(g, conv))
    return gemm_tma(g, type, conv, v.number, v.cluster, d.multiprocessors, stream);
  if (v.kind == GemmKind::kSmall && gemm_small_takes(g)) return gemm_small(g, type, v.number, v.cluster, stream);
  if (v.kind == GemmKind::kSplit && gemm_tma_takes(g, conv))
    return gemm_split(g, type, conv, v.number, v.cluster, d.shared_bytes, stream);
  if (v.kind == GemmKind::kTmaF32 && gemm_tma_f32_takes(g, conv))
    return gemm_tma_f32(g, conv, v.number, v.cluster, d.multiprocessors, stream);
  if (v.kind == GemmKind::kTmaTf32 && gemm_tma_f32_takes(g, conv))
    return gemm_tma_tf32(g, conv, v.number, v.cluster, d.multiprocessors, stream);
  const bool by_rows = operands == GemmOperands::kRows;
  if (rounds(v.kind)) {
    const auto run = conv      ? gemm_tensor_core_conv_tf32
                     : by_rows ? gemm_tensor_core_by_rows_tf32
                               : gemm_tensor_core_by_columns_tf32;
    const bool other = v.kind == GemmKind::kTmaTf32;
    return run(g, other ? 0 : v.number, other ? 1 : v.cluster, stream);
  }
  if (v.kind == GemmKind::kMma) {
    if (type == Elem::kF32) {
      const auto run = conv      ? gemm_tensor_core_conv_f32
                       : by_rows ? gemm_tensor_core_by_rows_f32
                                 : gemm_tensor_core_by_columns_f32;
      return run(g, v.number, v.cluster, stream);
    }
    const auto run = conv ? gemm_tensor_core_conv : by_rows ? gemm_tensor_core_by_rows : gemm_tensor_core_by_columns;
    return run(g, type, v.number, v.cluster, stream);
  }
  // Operands at addresses that the copy engine does not take go another way.
  if (v.kind == GemmKind::kWgmmaF32 || v.kind == GemmKind::kTmaF32) {
    const auto run = conv ? gemm_wgmma_f32_conv : gemm_wgmma_f32_by_rows;
    const bool other = v.kind == GemmKind::kTmaF32;
    return run(g, other ? kOtherF32.number : v.number, other ? kOtherF32.cluster : v.cluster, stream);
  }
  const bool other = v.kind != GemmKind::kWgmma;
  const auto run = conv ? gemm_wgmma_conv : gemm_wgmma_by_rows;
  return run(g, type, other ? kWgmma128x128 : v.number, other ? 1 : v.cluster, stream);
}

std::string refuse_kind(GemmKind kind, const GemmArgs& g, bool conv, const ProductEpilogue& epilogue) {
  if (kind == GemmKind::kTma) return refuse_tma(g, conv, epilogue);
  if (kind == GemmKind::kSmall) return refuse_small(g, epilogue);
  if (kind == GemmKind::kSplit) return refuse_split(g, conv, false, epilogue);
  return refuse_tma_f32(g, conv, epilogue);
}

GemmVariant variant_for(GemmVariant v, const ir::Tensor& weights) {
  if (v.kind != GemmKind::kTmaF32) return v;
  const float* const all = weights.as<float>();
  const bool finite = std::all_of(all, all + weights.count(), [](float w) { return std::isfinite(w); });
  return finite ? v : kOtherF32;
}

std::string_view variant_name(std::string_view stem, const GemmVariant& v) {
  const GemmTile t = v.tile();
  constexpr const char* kKinds[] = {"_",       "_wgmma_",   "_tma",       "_small_", "_wgmma_f32_",
                                    "_split_", "_tma_f32_", "_tma_tf32_", "_tf32_"};  // in the order of GemmKind
  const char* const kind = kKinds[int(v.kind)];
  const std::string tile = v.kind == GemmKind::kTma ? cat(v.number, "_") : std::string();
  return variant_name(cat(stem, kind, tile, t.rows, "x", t.columns, "_"), size_t(v.cluster));
}

}  // namespace tenon::cuda
