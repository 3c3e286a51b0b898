#include "builder/calibrate.h"

#include <algorithm>
#include <cmath>

#include "backends/device.h"
#include "backends/host_memory.h"
#include "base/checked.h"

namespace tenon::builder {
namespace {

constexpr size_t kLevels = 128;   ///< magnitudes that an 8-bit number of one sign can have
constexpr size_t kRanked = 2048;  ///< bins that the entropy method looks at

/// Kullback-Leibler divergence of the first `count` bins, what lies above added to the last one, from their rendering
/// in kLevels steps.
double divergence(const std::vector<double>& bins, const std::vector<double>& above, size_t count) {
  const double total = above[0], clipped = above[count];
  double sum = 0;
  for (size_t level = 0; level < kLevels; ++level) {
    const size_t begin = level * count / kLevels, end = (level + 1) * count / kLevels;
    double mass = 0;
    size_t used = 0;
    for (size_t i = begin; i < end; ++i) mass += bins[i], used += bins[i] > 0;
    for (size_t i = begin; i < end; ++i) {
      const double p = (bins[i] + (i + 1 == count ? clipped : 0)) / total;
      if (p <= 0) continue;
      // An outlier's bin that the rendering leaves empty gets a token mass, so that the divergence stays finite.
      const double q = std::max(bins[i] > 0 ? mass / double(used) / (total - clipped) : 0, 1e-12);
      sum += p * std::log(p / q);
    }
  }
  return sum;
}

double entropy_threshold(const Histogram& h) {
  // Pairs of the finest bins until the largest magnitude is in the last of at most kRanked.
  std::vector<double> bins = h.bins();
  double width = h.bin_width();
  size_t used = std::min(bins.size(), size_t(double(h.largest()) / width) + 1);
  while (used > kRanked) {
    for (size_t i = 0; i < bins.size() / 2; ++i) bins[i] = bins[2 * i] + bins[2 * i + 1];
    bins.resize(bins.size() / 2);
    width *= 2;
    used = (used + 1) / 2;
  }
  bins.resize(used);
  bins[0] = 0;  // exact zeros and what rounds to them anyway say nothing about the range
  std::vector<double> above(used + 1, 0.0);
  for (size_t i = used; i-- > 0;) above[i] = above[i + 1] + bins[i];
  if (above[0] <= 0 || used <= kLevels) return double(h.largest());
  size_t best = used;
  double least = INFINITY;
  const size_t stride = std::max<size_t>(1, used / 512);
  for (size_t count = kLevels; count <= used; count += stride) {
    if (above[count] >= above[0]) continue;
    const double d = divergence(bins, above, count);
    if (d < least) least = d, best = count;
  }
  return std::min(double(best) * width, double(h.largest()));
}

double quantile_threshold(const Histogram& h, const CalibrationOptions& o) {
  require(o.quantile > 0 && o.quantile <= 1 && o.cutoff > 0 && o.cutoff <= 1, ErrorCode::kInvalidArgument, "quantile ",
          o.quantile, " and cutoff ", o.cutoff, ", accepted are numbers above 0 and up to 1");
  const double limit = o.cutoff * double(h.largest());
  double total = 0, below = 0;
  for (size_t i = 0; i < h.bins().size() && double(i) * h.bin_width() <= limit; ++i) total += h.bins()[i];
  for (size_t i = 0; i < h.bins().size(); ++i) {
    below += h.bins()[i];
    if (below >= o.quantile * total) return std::min(double(i + 1) * h.bin_width(), limit);
  }
  return limit;
}

/// A batch's input in host memory.
ir::Tensor to_host(const Backend& backend, const void* from, ir::DType type, const ir::Dims& dims) {
  const auto bytes = size_t(ir::storage_bytes(type, checked_product(dims)));
  const Device* device = backend.device();
  if (!device) {
    require(
        host_reaches(from), ErrorCode::kInvalidArgument,
        "a calibration batch is device memory; the engine is built for the processor, host or managed memory is due");
    return {type, dims, nullptr, std::span(static_cast<const std::byte*>(from), bytes)};
  }
  ir::Tensor copy(type, dims);
  device->copy(copy.mutable_data(), from, bytes, device->own_stream());
  device->synchronize(device->own_stream());
  return copy;
}

}  // namespace

void Histogram::widen(float to) {
  if (bins_.empty()) {
    bins_.assign(kBins, 0.0);
    width_ = double(to) / double(kBins);
  }
  while (double(to) > width_ * double(kBins)) {
    for (size_t i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0.0);
    width_ *= 2;
  }
}

void Histogram::add(const float* values, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float m = std::abs(values[i]);
    if (m > most && std::isfinite(m)) most = m;
  }
  largest_ = std::max(largest_, most);
  if (largest_ <= 0) return;
  widen(std::max(largest_, 1e-30f));
  const double per_width = 1 / width_;
  for (int64_t i = 0; i < count; ++i) {
    const float m = std::abs(values[i]);
    if (std::isfinite(m)) bins_[std::min(size_t(double(m) * per_width), kBins - 1)] += 1;
  }
}

double threshold(const Histogram& histogram, const CalibrationOptions& options) {
  if (histogram.empty()) return 0;
  switch (options.method) {
    case CalibrationMethod::kEntropy:
      return entropy_threshold(histogram);
    case CalibrationMethod::kQuantile:
      return quantile_threshold(histogram, options);
    case CalibrationMethod::kLargest:
      break;
  }
  return double(histogram.largest());
}

/// Whether a node of the graph makes a value: one that folding left without its node does not come back.
static bool is_made(const ir::Graph& graph, ir::ValueId v) {
  const ir::NodeId n = graph.value(v).producer;
  if (n == ir::kNone || n >= graph.node_count() || !graph.node(n).alive) return false;
  const auto& outputs = graph.node(n).outputs;
  return std::find(outputs.begin(), outputs.end(), v) != outputs.end();
}

std::map<std::string, Histogram> collect_histograms(const ir::Graph& network, const std::vector<std::string>& names,
                                                    const std::vector<ir::Dims>& dims, const NextBatch& next,
                                                    const runtime::EngineOptions& engine_options) {
  ir::Graph observed = network.clone();
  observed.outputs.clear();
  std::vector<size_t> input_of;  // observed inputs
  std::map<std::string, Histogram> histograms;
  for (const std::string& name : names) {
    const ir::ValueId v = observed.find(name);
    if (v == ir::kNone || observed.constant(v) || observed.value(v).dtype != ir::DType::kF32) continue;
    if (observed.is_input(v))
      input_of.push_back(
          size_t(std::find(observed.inputs.begin(), observed.inputs.end(), v) - observed.inputs.begin()));
    else if (is_made(observed, v))
      observed.outputs.push_back(v);
  }
  require(!observed.outputs.empty(), ErrorCode::kInvalidModel, "the network has no f32 value to calibrate");
  BuildOptions options;
  options.level = 0;
  plan::Profile profile;
  for (const ir::Dims& d : dims) profile.inputs.push_back({d, d, d});
  options.profiles = {profile};
  options.backend = engine_options.backend;
  options.threads = engine_options.threads;
  auto engine = runtime::Engine::create(build(observed, options), engine_options);
  auto context = engine->create_context();
  std::vector<const void*> addresses(dims.size(), nullptr);
  while (next(addresses)) {
    std::vector<ir::Tensor> inputs;
    for (size_t i = 0; i < dims.size(); ++i) {
      const runtime::IoInfo& io = engine->io()[i];
      require(addresses[i] != nullptr, ErrorCode::kInvalidArgument, "the calibration batch has no data for input '",
              io.name, "'");
      inputs.push_back(to_host(engine->backend(), addresses[i], io.dtype, dims[i]));
    }
    const auto outputs = context->run(inputs);
    for (size_t i : input_of) histograms[engine->io()[i].name].add(inputs[i].as<float>(), inputs[i].count());
    for (size_t i = 0; i < outputs.size(); ++i)
      histograms[engine->io()[dims.size() + i].name].add(outputs[i].as<float>(), outputs[i].count());
  }
  return histograms;
}

std::map<std::string, float> scales_of(const std::map<std::string, Histogram>& histograms,
                                       const CalibrationOptions& options) {
  std::map<std::string, float> scales;
  for (const auto& [name, histogram] : histograms) {
    const double t = threshold(histogram, options);
    if (t > 0) scales[name] = float(t / 127);
  }
  return scales;
}

}  // namespace tenon::builder
