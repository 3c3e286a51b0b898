// trtexec's command line: every option of TensorRT's trtexec, 7 to 11. What has no meaning here is accepted and said;
// what cannot be done is refused.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace trtexec {

using Dims = std::vector<int64_t>;
using Shapes = std::map<std::string, Dims>;        ///< by input name
using Files = std::map<std::string, std::string>;  ///< by tensor name

struct ProfileShapes {
  Shapes min, opt, max;
};
/// Inputs, and what the outputs should be for them.
struct ReferencePair {
  Files inputs, outputs;
};

struct Options {
  // Model
  std::string onnx;
  // Build
  Shapes shapes;
  std::vector<ProfileShapes> profiles = std::vector<ProfileShapes>(1);
  size_t described_profile = 0;  ///< the one that shape options are about, while parsing
  ProfileShapes calibration_shapes;
  int calibration_profile = 0;
  bool fp16 = false, bf16 = false, int8 = false, fp8 = false, int4 = false, best = false, tf32 = true,
       strongly_typed = false;
  std::string calib, precision_constraints = "none", layer_precisions, layer_output_types, layer_device_types;
  std::map<std::string, double> pools;  ///< MiB by pool name
  int optimization_level = 3, average_timing = -1, max_tactics = -1, max_aux_streams = -1;
  int tiling_level = -1, l2_limit = -1;
  std::string timing_cache_file, profiling_verbosity = "layer_names_only", input_formats, output_formats;
  std::string tactic_sources, preview, runtime_platform, remote_tuning;
  std::vector<std::string> plugins, plugins_to_serialize;
  bool refit = false, strip_weights = false, version_compatible = false, error_on_timing_cache_miss = false;
  bool exclude_lean_runtime = false, no_builder_cache = false, no_compilation_cache = false;
  bool distributive_independence = false, monitor_memory = false, safe = false, dla_standalone = false;
  bool allow_weight_streaming = false, direct_io = false, plugin_instance_norm = false, plugin_override = false;
  double weight_streaming_budget = -2;  ///< bytes, or percent of what can be streamed; -1: automatic, -2: all of it
  bool weight_streaming_percent = false;
  std::string save_engine, load_engine, sparsity = "disable", hardware_compatibility = "none";
  std::string mark_debug, refit_from_onnx;
  bool mark_unfused_debug = false;
  bool skip_inference = false, get_plan_version_only = false, time_refit = false;
  // System
  int device = 0, dla_core = -1;
  bool allow_gpu_fallback = false;
  std::string tempdir, tempfile_controls;
  // Inference
  int iterations = 10, streams = 1, average_runs = 10, profile = 0;
  double duration = 3, warm_up_ms = 200, sleep_ms = 0, idle_ms = 0;
  bool data_transfers = true, time_deserialize = false;
  std::string allocation = "static";
  // Accuracy
  std::vector<ReferencePair> pairs = std::vector<ReferencePair>(1);  ///< the first one's inputs are timed
  size_t described_pair = 0;
  std::string accuracy_algorithm = "l2";
  double absolute_tolerance = 1e-5, relative_tolerance = 1e-3, accuracy_threshold = 1e-2;
  // Debugging
  Files save_debug;
  std::string save_all_debug;
  // Reporting
  bool verbose = false, dump_output = false, dump_profile = false, dump_layer_info = false, dump_raw_bindings = false;
  bool dump_refit = false, dump_optimization_profile = false;
  std::vector<double> percentiles{90, 95, 99};
  std::string export_times, export_output, export_profile, export_layer_info;
  bool help = false;

  std::vector<std::string> notes;  ///< about options accepted without effect
};

/// Throws std::invalid_argument naming the option and what is accepted.
Options parse(const std::vector<std::string>& arguments);
/// The sections "=== Model Options ===" to "=== Reporting Options ===" as lines.
std::vector<std::string> describe(const Options& options);
std::string usage();

/// "1x3x224x224"; "" for a scalar.
std::string text(const Dims& dims);

}  // namespace trtexec
