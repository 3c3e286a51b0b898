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

std::string sources_text(const Options& o) {
  std::string text;
  for (const auto& [source, on] : o.tactic_sources)
    text += (text.empty() ? "" : ", ") + source + (on ? " [ON]" : " [OFF]");
  return text.empty() ? "default" : text;
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
          "Tactic sources: " + sources_text(o),
          "Builder optimization level: " + std::to_string(o.optimization_level),
          "Timing cache file: " + o.timing_cache_file,
          "Save engine: " + o.save_engine,
          "Load engine: " + o.load_engine,
          "Profiling verbosity: " + o.profiling_verbosity,
          "Input build shapes: min " + join(o.min_shapes.empty() ? o.shapes : o.min_shapes) + "; opt " +
              join(o.opt_shapes.empty() ? o.shapes : o.opt_shapes) + "; max " +
              join(o.max_shapes.empty() ? o.shapes : o.max_shapes),
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
          std::string("Multithreading: ") + yes(o.threads),
          std::string("CUDA Graph: ") + yes(o.cuda_graph),
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
