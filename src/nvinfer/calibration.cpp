#include "nvinfer/calibration.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "backends/backend.h"
#include "base/interrupt.h"
#include "builder/calibrate.h"
#include "builder/progress.h"
#include "nvinfer/client.h"
#include "nvinfer/plugin_op.h"

#if TRT_UNTIL(10)
namespace tenon::nvinfer {
namespace {

using Scales = std::map<std::string, float>;
using Histograms = std::map<std::string, builder::Histogram>;

const char* name_of(CalibrationAlgoType algorithm) {
  switch (algorithm) {
    case CalibrationAlgoType::kLEGACY_CALIBRATION:
      return "LegacyCalibration";
    case CalibrationAlgoType::kENTROPY_CALIBRATION:
      return "EntropyCalibration";
    case CalibrationAlgoType::kENTROPY_CALIBRATION_2:
      return "EntropyCalibration2";
    case CalibrationAlgoType::kMINMAX_CALIBRATION:
      return "MinMaxCalibration";
  }
  fail(ErrorCode::kInvalidArgument, "the calibrator's algorithm ", static_cast<int>(algorithm), " is unknown");
}

builder::CalibrationOptions options_of(IInt8Calibrator& calibrator, CalibrationAlgoType algorithm) {
  builder::CalibrationOptions options;
  if (algorithm == CalibrationAlgoType::kMINMAX_CALIBRATION) options.method = builder::CalibrationMethod::kLargest;
  if (algorithm == CalibrationAlgoType::kLEGACY_CALIBRATION) {
#if NV_TENSORRT_MAJOR >= 10
    const std::string_view kind = calibrator.getInterfaceInfo().kind;
    require(kind == "IInt8LegacyCalibrator", ErrorCode::kInvalidArgument,
            "the calibrator answers kLEGACY_CALIBRATION, but is an ", kind, " and not an IInt8LegacyCalibrator");
#endif
    auto& legacy = static_cast<IInt8LegacyCalibrator&>(calibrator);
    options = {builder::CalibrationMethod::kQuantile, legacy.getQuantile(), legacy.getRegressionCutoff()};
  }
  return options;
}

/// Dims to calibrate at: the calibration profile's optimum, else the first profile's, else the network's own.
std::vector<ir::Dims> dims_of_batch(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                                    int32_t batch) {
  std::vector<ir::Dims> dims;
  if (network.implicit()) {
    for (ir::ValueId v : graph.inputs) {
      dims.push_back(dims_of(graph.value(v).shape));
      if (dims.back().at(0) < 0) dims.back()[0] = batch;
    }
    return dims;
  }
  OptimizationProfile none((Reports(network.reports())));
  const OptimizationProfile* chosen = config.calibration_profile();
  if (!chosen) chosen = config.profiles().empty() ? &none : config.profiles()[0].get();
  for (const plan::Range& r : chosen->ranges(graph).inputs) dims.push_back(r.opt);
  return dims;
}

builder::NextBatch batches_of(IInt8Calibrator& calibrator, const ir::Graph& graph) {
  return [&calibrator, &graph](std::vector<const void*>& inputs) {
    std::vector<const char*> names;
    for (ir::ValueId v : graph.inputs) names.push_back(graph.value(v).name.c_str());
    std::vector<void*> bindings(names.size(), nullptr);
    if (!calibrator.getBatch(bindings.data(), names.data(), static_cast<int32_t>(names.size()))) return false;
    inputs.assign(bindings.begin(), bindings.end());
    return true;
  };
}

Scales run_calibrator(IInt8Calibrator& calibrator, const Network& network, const BuilderConfig& config,
                      const ir::Graph& lowered, const CalibrationBuild& build, const Reports& reports) {
  const CalibrationAlgoType algorithm = calibrator.getAlgorithm();
  size_t length = 0;
  if (const void* cache = calibrator.readCalibrationCache(length); cache && length > 0) {
    reports.log(ILogger::Severity::kINFO, cat("Reading the calibration cache of ", length, " bytes"));
    return parse_calibration({static_cast<const char*>(cache), length});
  }
  std::vector<std::string> names;
  for (ir::ValueId v = 0; v < network.graph().value_count(); ++v) names.push_back(network.graph().value(v).name);
  const int32_t batch = calibrator.getBatchSize();
  require(!network.implicit() || batch >= 1, ErrorCode::kInvalidArgument, "the calibrator's batch size is ", batch);
  ir::Graph graph = lowered.clone();
  settle_plugins(graph, *build.options.backend, build.options.profiles, build.max_batch, true, {});
  initialize_plugins(graph);
  builder::Phases phases(build.options.progress);
  const Interruptible interruptible(phases.cancelled());
  const builder::Phases::Scope phase(phases, "Calibrate network", 1);  // nobody knows the number of batches
  int64_t count = 0;
  auto next = [&, give = batches_of(calibrator, graph)](std::vector<const void*>& inputs) {
    phases.check();
    return give(inputs) && ++count;
  };
  const Histograms histograms = builder::collect_histograms(graph, names, dims_of_batch(network, config, graph, batch),
                                                            next, {build.options.backend, build.options.threads});
  require(count > 0, ErrorCode::kInvalidArgument, "the calibrator gave no batch and no cache");
  const Scales scales = builder::scales_of(histograms, options_of(calibrator, algorithm));
  reports.log(ILogger::Severity::kINFO, cat("Calibrated ", scales.size(), " tensors over ", count, " batches"));
  const std::string text = print_calibration(algorithm, scales);
  calibrator.writeCalibrationCache(text.data(), text.size());
  return scales;
}

bool has_explicit_quantization(const ir::Graph& graph) {
  for (ir::NodeId n = 0; n < graph.node_count(); ++n)
    if (graph.node(n).alive && graph.node(n).op == "QuantizeLinear") return true;
  return false;
}

}  // namespace

std::string print_calibration(CalibrationAlgoType algorithm, const Scales& scales) {
  std::string text = cat("TRT-", library_version(), "-", name_of(algorithm), "\n");
  for (const auto& [name, scale] : scales) {
    char bits[16];
    std::snprintf(bits, sizeof bits, "%08x", std::bit_cast<uint32_t>(scale));
    text += cat(name, ": ", static_cast<const char*>(bits), "\n");
  }
  return text;
}

Scales parse_calibration(std::string_view text) {
  Scales scales;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    while (!line.empty() && (line.back() == '\r' || line.back() == '\0')) line.pop_back();
    if (number == 1) {
      require(line.rfind("TRT-", 0) == 0, ErrorCode::kCorruptFile,
              "a calibration cache begins with 'TRT-', this with '", line.substr(0, 32), "'");
      continue;
    }
    if (line.empty()) continue;
    const size_t colon = line.rfind(": ");
    uint32_t bits = 0;
    const char* end = line.data() + line.size();
    const auto number_at = colon == std::string::npos ? end : line.data() + colon + 2;
    const auto [stop, error] = std::from_chars(number_at, end, bits, 16);
    require(error == std::errc() && stop == end, ErrorCode::kCorruptFile, "line ", number,
            " of the calibration cache is '", line.substr(0, 64), "', accepted is '<tensor>: <hex number>'");
    const float scale = std::bit_cast<float>(bits);
    require(std::isfinite(scale) && scale >= 0, ErrorCode::kCorruptFile, "line ", number,
            " of the calibration cache gives '", line.substr(0, std::min<size_t>(colon, 64)), "' the scale ", scale);
    scales[line.substr(0, colon)] = scale;
  }
  return scales;
}

Scales int8_scales(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                   const CalibrationBuild& build, const Reports& reports) {
  Scales scales;
  const bool explicit_rounding = has_explicit_quantization(graph);
  if (IInt8Calibrator* calibrator = config.getInt8Calibrator()) {
    if (explicit_rounding)
      reports.log(ILogger::Severity::kWARNING,
                  "IBuilderConfig::setInt8Calibrator: the network has quantize layers, so the calibrator is not run");
    else
      scales = run_calibrator(*calibrator, network, config, graph, build, reports);
  }
  for (const auto& [name, scale] : network.int8_scales()) scales[name] = scale;
  if (scales.empty() && !explicit_rounding)
    reports.log(ILogger::Severity::kWARNING,
                "kINT8 has no effect: there is neither a calibrator nor a dynamic range nor a quantize layer");
  return scales;
}

}  // namespace tenon::nvinfer
#endif
