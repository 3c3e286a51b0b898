// Ranges for 8-bit values, from what a network computes on sample batches.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "builder/builder.h"
#include "runtime/engine.h"

namespace tenon::builder {

/// Counts of magnitudes in equal bins over [0, range). The range doubles, and bins merge in pairs, when a larger
/// magnitude comes, so that one pass over the data is enough.
class Histogram {
 public:
  static constexpr size_t kBins = 4096;
  void add(const float* values, int64_t count);
  float largest() const { return largest_; }
  double bin_width() const { return width_; }
  const std::vector<double>& bins() const { return bins_; }
  bool empty() const { return bins_.empty(); }

 private:
  void widen(float to);
  double width_ = 0;
  float largest_ = 0;
  std::vector<double> bins_;
};

/// The magnitude that the largest 8-bit number stands for.
/// Entropy: of all thresholds, the one whose rounded distribution differs least (Kullback-Leibler) from the clipped one
/// (S. Migacz, "8-bit Inference with TensorRT", GTC 2017). Largest: the largest magnitude. Quantile: the magnitude
/// below which that share of what lies under `cutoff` times the largest magnitude stays.
enum class CalibrationMethod { kEntropy, kLargest, kQuantile };
struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::kEntropy;
  double quantile = 0.9999, cutoff = 1;
};
double threshold(const Histogram& histogram, const CalibrationOptions& options);

/// Gives the addresses of the next batch's inputs, in the graph's order; false when there are no more.
using NextBatch = std::function<bool(std::vector<const void*>& inputs)>;

/// Runs `network` in f32 on every batch, each of the dims given, and counts the magnitudes of the f32 values that
/// `names` has. Values that are constant or not f32 have no histogram. Batches lie where `backend` (null: the CPU)
/// reads them.
std::map<std::string, Histogram> collect_histograms(const ir::Graph& network, const std::vector<std::string>& names,
                                                    const std::vector<ir::Dims>& dims, const NextBatch& next,
                                                    const runtime::EngineOptions& engine_options = {});

/// What a step of each 8-bit value stands for: threshold / 127. Values that are zero throughout are left out.
std::map<std::string, float> scales_of(const std::map<std::string, Histogram>& histograms,
                                       const CalibrationOptions& options);

}  // namespace tenon::builder
