// The options in force, as trtexec prints them before it begins.
#include <charconv>

#include "trtexec/options.h"

namespace trtexec {
namespace {

std::string join(const Shapes& s) {
  std::string out;
  for (const auto& [name, dims] : s) out += (out.empty() ? "" : ", ") + name + "=" + text(dims);
  return out.empty() ? "model" : out;
}

std::string precision(const Options& o) {
  std::string p = "FP32";
  if (o.fp16 || o.best) p += "+FP16";
  if (o.bf16 || o.best) p += "+BF16";
  if (o.int8 || o.best) p += "+INT8";
  if (o.fp8) p += "+FP8";
  if (o.int4) p += "+INT4";
  return o.strongly_typed ? "Strongly Typed" : p;
}

const char* yes(bool b) { return b ? "Enabled" : "Disabled"; }

std::string number_text(double v) {
  char buffer[40];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
}

std::string pools_text(const Options& o) {
  std::string pools;
  for (const auto& [pool, size] : o.pools)
    pools += (pools.empty() ? "" : ", ") + pool + ": " + number_text(size) + " MiB";
  return pools.empty() ? "workspace: default" : pools;
}

std::string profiles_text(const Options& o) {
  std::string out;
  const auto shapes = [&](const Shapes& given) { return join(given.empty() ? o.shapes : given); };
  for (const ProfileShapes& p : o.profiles)
    out += (out.empty() ? "min " : "; min ") + shapes(p.min) + ", opt " + shapes(p.opt) + ", max " + shapes(p.max);
  return out;
}

}  // namespace

std::vector<std::string> describe(const Options& o) {
  std::string percentiles;
  for (double p : o.percentiles) percentiles += (percentiles.empty() ? "" : ",") + number_text(p);
  return {"=== Model Options ===",
          "Format: " + std::string(o.onnx.empty() ? "*" : "ONNX"),
          "Model: " + o.onnx,
          "",
          "=== Build Options ===",
          "Memory Pools: " + pools_text(o),
          "avgTiming: " + std::to_string(std::max(o.average_timing, 8)),
          "Precision: " + precision(o),
          "Layer precisions: " + o.layer_precisions,
          "Calibration: " + o.calib,
          std::string("Refit: ") + yes(o.refit),
          std::string("Strip weights: ") + yes(o.strip_weights),
          std::string("Version Compatible: ") + yes(o.version_compatible),
          "Sparsity: " + o.sparsity,
          std::string("Direct I/O: ") + yes(o.direct_io),
          "Tactic sources: " + (o.tactic_sources.empty() ? "default" : o.tactic_sources),
          "Preview features: " + (o.preview.empty() ? "default" : o.preview),
          "Hardware compatibility: " + o.hardware_compatibility,
          "Debug tensors: " + o.mark_debug + (o.mark_unfused_debug ? " + those that fusions leave" : ""),
          "Refit from ONNX: " + o.refit_from_onnx,
          "Builder optimization level: " + std::to_string(o.optimization_level),
          "Timing cache file: " + o.timing_cache_file,
          "Save engine: " + o.save_engine,
          "Load engine: " + o.load_engine,
          "Profiling verbosity: " + o.profiling_verbosity,
          "Input build shapes: " + profiles_text(o),
          "",
          "=== System Options ===",
          "Device: " + std::to_string(o.device),
          "DLACore: " + (o.dla_core < 0 ? std::string() : std::to_string(o.dla_core)),
          "",
          "=== Inference Options ===",
          "Batch: Explicit",
          "Input inference shapes: " + join(o.shapes),
          "Iterations: " + std::to_string(o.iterations),
          "Duration: " + number_text(o.duration) + "s (+ " + number_text(o.warm_up_ms) + "ms warm up)",
          "Sleep time: " + number_text(o.sleep_ms) + "ms",
          "Idle time: " + number_text(o.idle_ms) + "ms",
          "Inference Streams: " + std::to_string(o.streams),
          std::string("Data transfers: ") + yes(o.data_transfers),
          "",
          "=== Reporting Options ===",
          std::string("Verbose: ") + yes(o.verbose),
          "Averages: " + std::to_string(o.average_runs) + " inferences",
          "Percentiles: " + percentiles,
          std::string("Dump output: ") + yes(o.dump_output),
          std::string("Profile: ") + yes(o.dump_profile),
          "Export timing to JSON file: " + o.export_times,
          "Export output to JSON file: " + o.export_output,
          "Export profile to JSON file: " + o.export_profile,
          ""};
}

}  // namespace trtexec
