#include "backends/cuda/kernels/gemm_plan.h"

#include <algorithm>

#include "backends/cuda/kernels/variants.h"

namespace tenon::cuda {
namespace {

constexpr double kRankCost = 0.03;  // a later variant is expected to be slower

int64_t divided(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Expected microseconds: rounds of blocks, each filling its stages and then taking step after step, limited by the
/// multiprocessor's multiply-adds or by its share of the second-level cache's bandwidth.
double expected_us(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  const int64_t tiles = divided(w.rows, t.rows) * divided(w.columns, t.columns) * w.matrices;
  const int64_t steps = divided(w.depth, kGemmDepth), share = divided(steps, v.splits);
  const int64_t blocks = divided(tiles * v.splits, d.multiprocessors);
  const int64_t large = v.wgmma ? 128 * 256 : 128 * 128, area = int64_t(t.rows) * t.columns;
  const int64_t resident = area >= large ? 1 : area >= large / 4 ? 2 : 3;
  const int64_t together = std::min(blocks, resident), rounds = divided(blocks, resident);
  const double macs_a_us = d.tflops_f16 * 1e6 / 2 / d.multiprocessors * (v.wgmma ? 0.8 : 0.55);
  const double bytes_a_us = 45e3;
  const double step = std::max(double(t.rows) * t.columns * kGemmDepth / macs_a_us,
                               (double(t.rows) * w.a_traffic + t.columns) * kGemmDepth * 2 / bytes_a_us);
  const double ready = std::max(0.15, step * double(together));
  return double(rounds) * (1.0 + double(share) * ready) + (v.splits > 1 ? 0.6 + 0.1 * v.splits : 0);
}

bool possible(const DeviceInfo& d, const GemmWork& w, const GemmVariant& v) {
  const GemmTile t = v.tile();
  if (v.splits > 1 && (d.sm < 90 || divided(w.depth, kGemmDepth) < 2 * v.splits)) return false;
  if (v.wgmma && (d.sm != 90 || w.by_columns)) return false;
  return divided(w.rows, t.rows) <= 65535 && w.matrices * v.splits <= 65535;
}

}  // namespace

std::string rank_variant(const Problem& p, const GemmWork& work, int number, double& cost_us) {
  const DeviceInfo& d = info_of(p);
  if (d.sm < 80) return "compute capability below 8.0";
  const GemmVariant v = gemm_variant(number);
  if (!possible(d, work, v))
    return cat(work.rows, "x", work.columns, "x", work.depth, " is not for this tile in ", v.splits, " parts");
  const double mine = expected_us(d, work, v);
  int rank = 0;
  for (int i = 0; i < kGemmVariantCount; ++i) {
    if (!possible(d, work, gemm_variant(i))) continue;
    const double other = expected_us(d, work, gemm_variant(i));
    rank += other < mine || (other == mine && i < number);
  }
  const double flops = 2.0 * double(work.rows) * double(work.columns) * double(work.depth) * double(work.matrices);
  cost_us = estimate_us(p, flops, 0.5) * (1 + kRankCost * rank);
  return {};
}

std::string_view variant_name(std::string_view stem, const GemmVariant& v) {
  const GemmTile t = v.tile();
  return variant_name(cat(stem, v.wgmma ? "_wgmma_" : "_", t.rows, "x", t.columns, "_"), size_t(v.splits));
}

}  // namespace tenon::cuda
