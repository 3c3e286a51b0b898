#include "trtexec/options.h"

#include <cctype>
#include <charconv>
#include <functional>
#include <stdexcept>

namespace trtexec {
namespace {

[[noreturn]] void bad(const std::string& message) { throw std::invalid_argument(message); }

std::vector<std::string> split(std::string_view s, char at) {
  std::vector<std::string> parts;
  while (true) {
    const size_t n = s.find(at);
    parts.emplace_back(s.substr(0, n));
    if (n == std::string_view::npos) return parts;
    s.remove_prefix(n + 1);
  }
}

double number(const std::string& flag, std::string_view s) {
  double v = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size())
    bad("--" + flag + " takes a number, found '" + std::string(s) + "'");
  return v;
}

int integer(const std::string& flag, std::string_view s, int least = INT32_MIN) {
  const double v = number(flag, s);
  if (v != int(v) || v < least)
    bad("--" + flag + " takes a whole number from " + std::to_string(least) + ", found '" + std::string(s) + "'");
  return int(v);
}

/// Removes one pair of quotes around a name, as in 'input:0'.
std::string unquoted(std::string s) {
  if (s.size() >= 2 && (s[0] == '\'' || s[0] == '"') && s.back() == s[0]) return s.substr(1, s.size() - 2);
  return s;
}

Shapes shapes(const std::string& flag, const std::string& value) {
  Shapes out;
  for (const std::string& item : split(value, ',')) {
    const size_t colon = item.rfind(':');
    if (colon == std::string::npos) bad("--" + flag + " takes name:1x3x224x224[,…], found '" + item + "'");
    Dims dims;
    const std::string text = item.substr(colon + 1);
    if (text != "scalar")
      for (const std::string& d : split(text, 'x')) dims.push_back(integer(flag, d, 0));
    out[unquoted(item.substr(0, colon))] = dims;
  }
  return out;
}

double mebibytes(const std::string& flag, std::string s) {
  double scale = 1;
  if (!s.empty() && std::isalpha(static_cast<unsigned char>(s.back()))) {
    switch (s.back()) {
      case 'B':
      case 'b':
        scale = 1.0 / (1 << 20);
        break;
      case 'K':
      case 'k':
        scale = 1.0 / 1024;
        break;
      case 'M':
      case 'm':
        break;
      case 'G':
      case 'g':
        scale = 1024;
        break;
      default:
        bad("--" + flag + " takes sizes with B, K, M or G, found '" + s + "'");
    }
    s.pop_back();
  }
  return number(flag, s) * scale;
}

struct Flag {
  std::string_view name, value, help;  // value: what it takes, "" for a switch
  std::function<void(Options&, const std::string& flag, const std::string& value)> apply;
};

template <auto Member>
Flag on(std::string_view name, std::string_view help, bool to = true) {
  return {name, "", help, [to](Options& o, auto&, auto&) { o.*Member = to; }};
}
template <auto Member>
Flag set_text(std::string_view name, std::string_view takes, std::string_view help) {
  return {name, takes, help, [](Options& o, auto&, auto& v) { o.*Member = v; }};
}
template <auto Member>
Flag set_int(std::string_view name, std::string_view help, int least = 0) {
  return {name, "N", help, [least](Options& o, auto& f, auto& v) { o.*Member = integer(f, v, least); }};
}
template <auto Member>
Flag set_number(std::string_view name, std::string_view help) {
  return {name, "N", help, [](Options& o, auto& f, auto& v) { o.*Member = number(f, v); }};
}
template <auto Member>
Flag set_shapes(std::string_view name, std::string_view help) {
  return {name, "spec", help, [](Options& o, auto& f, auto& v) { o.*Member = shapes(f, v); }};
}
Flag ignored(std::string_view name, std::string_view takes, std::string_view why) {
  return {name, takes, why, [why](Options& o, auto& f, auto&) {
            o.notes.push_back("--" + f + " has no effect here: " + std::string(why));
          }};
}

std::vector<Flag> model_flags() {
  return {set_text<&Options::onnx>("onnx", "file", "ONNX model"),
          set_shapes<&Options::shapes>("shapes", "dims of dynamic inputs, name:1x3x224x224[,…]"),
          set_shapes<&Options::min_shapes>("minShapes", "smallest dims of the profile"),
          set_shapes<&Options::opt_shapes>("optShapes", "dims to optimise for"),
          set_shapes<&Options::max_shapes>("maxShapes", "largest dims of the profile"),
          set_int<&Options::batch>("batch", "batch size of an implicit-batch network", 1),
          ignored("maxBatch", "N", "a plan is not bound to a batch size"),
          ignored("explicitBatch", "", "networks from ONNX always have an explicit batch")};
}

std::vector<Flag> precision_flags() {
  return {on<&Options::fp16>("fp16", "let layers use f16"),
          on<&Options::bf16>("bf16", "let layers use bf16"),
          on<&Options::int8>("int8", "let layers use int8"),
          on<&Options::fp8>("fp8", "let layers use fp8"),
          on<&Options::int4>("int4", "let layers use int4"),
          on<&Options::best>("best", "let layers use every type"),
          on<&Options::tf32>("noTF32", "no TF32 in f32 layers", false),
          on<&Options::strongly_typed>("stronglyTyped", "types come from the graph alone"),
          set_text<&Options::calib>("calib", "file", "INT8 calibration cache"),
          set_text<&Options::precision_constraints>("precisionConstraints", "obey|prefer|none",
                                                    "how layer precisions bind"),
          set_text<&Options::layer_precisions>("layerPrecisions", "layer:type[,…]", "precision of single layers"),
          set_text<&Options::layer_output_types>("layerOutputTypes", "layer:type[,…]", "output types of single layers"),
          set_text<&Options::input_formats>("inputIOFormats", "type:format[,…]", "types and formats of inputs"),
          set_text<&Options::output_formats>("outputIOFormats", "type:format[,…]", "types and formats of outputs")};
}

void read_tactic_sources(Options& o, const std::string& flag, const std::string& value) {
  static const std::set<std::string> names{"CUBLAS", "CUBLAS_LT", "CUDNN", "EDGE_MASK_CONVOLUTIONS",
                                           "JIT_CONVOLUTIONS"};
  for (const auto& item : split(value, ',')) {
    if (item.empty() || (item[0] != '+' && item[0] != '-') || !names.count(item.substr(1)))
      bad("--" + flag + ": found '" + item +
          "', accepted are + or - before CUBLAS, CUBLAS_LT, CUDNN, EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS");
    o.tactic_sources[item.substr(1)] = item[0] == '+';
  }
}

std::vector<Flag> build_flags() {
  return {{"memPoolSize", "pool:size[,…]", "memory limits, sizes in MiB or with B, K, M, G",
           [](Options& o, auto& f, auto& v) {
             for (const auto& item : split(v, ',')) {
               const auto parts = split(item, ':');
               if (parts.size() != 2) bad("--" + f + " takes pool:size, found '" + item + "'");
               static const std::set<std::string> pools{"workspace",     "dlaSRAM",         "dlaLocalDRAM",
                                                        "dlaGlobalDRAM", "tacticSharedMem", "tacticDram"};
               if (!pools.count(parts[0]))
                 bad("--" + f + ": unknown pool '" + parts[0] +
                     "', accepted are workspace, dlaSRAM, dlaLocalDRAM, dlaGlobalDRAM, tacticSharedMem, tacticDram");
               o.pools[parts[0]] = mebibytes(f, parts[1]);
             }
           }},
          {"workspace", "MiB", "the workspace's memory limit",
           [](Options& o, auto& f, auto& v) { o.pools["workspace"] = mebibytes(f, v); }},
          set_int<&Options::optimization_level>("builderOptimizationLevel", "0 no timing … 5 exhaustive"),
          set_int<&Options::max_tactics>("maxTactics", "most kernels timed for a layer", -1),
          set_int<&Options::average_timing>("avgTiming", "repetitions a timing is averaged over", 1),
          ignored("minTiming", "N", "timings repeat until they are stable"),
          ignored("heuristic", "", "candidates are always ranked first"),
          set_text<&Options::timing_cache_file>("timingCacheFile", "file", "measured times, read and updated"),
          on<&Options::error_on_timing_cache_miss>("errorOnTimingCacheMiss",
                                                   "a time that is not in the cache fails the build"),
          ignored("noBuilderCache", "", "without --timingCacheFile no cache is kept"),
          ignored("noCompilationCache", "", "nothing is compiled"),
          {"tacticSources", "+|-source[,…]", "libraries that kernels may come from",
           [](Options& o, auto& f, auto& v) { read_tactic_sources(o, f, v); }},
          {"sparsity", "disable|enable|force", "kernels for weights with two zeros in each four",
           [](Options& o, auto& f, auto& v) {
             if (v != "disable" && v != "enable" && v != "force")
               bad("--" + f + " takes disable, enable or force, found '" + v + "'");
             if (v == "force") o.notes.push_back("--sparsity=force has no effect here: weights are left as they are");
             o.sparsity = v;
           }},
          {"profilingVerbosity", "layer_names_only|detailed|none", "what the engine tells of its layers",
           [](Options& o, auto& f, auto& v) {
             if (v != "layer_names_only" && v != "detailed" && v != "none" && v != "default" && v != "verbose")
               bad("--" + f + " takes layer_names_only, detailed or none, found '" + v + "'");
             o.profiling_verbosity = v == "default" ? "layer_names_only" : v == "verbose" ? "detailed" : v;
           }},
          ignored("preview", "spec", "preview features are on"),
          set_int<&Options::max_aux_streams>("maxAuxStreams", "auxiliary streams"),
          ignored("tilingOptimizationLevel", "N", "tiling follows the caches"),
          ignored("l2LimitForTiling", "N", "tiling follows the caches"),
          ignored("distributiveIndependence", "", "results never depend on the batch"),
          ignored("monitorMemory", "", "--verbose reports memory")};
}

std::vector<Flag> plan_flags() {
  return {
      on<&Options::refit>("refit", "weights may be replaced"),
      on<&Options::strip_weights>("stripWeights", "leave weights out of the plan"),
      on<&Options::strip_weights>("stripAllWeights", "leave weights out of the plan"),
      on<&Options::time_refit>("timeRefit", "time refitting"),
      on<&Options::dump_refit>("dumpRefit", "list refittable weights"),
      on<&Options::version_compatible>("versionCompatible", "every later version loads the plan (always so)"),
      on<&Options::version_compatible>("vc", "as --versionCompatible"),
      ignored("excludeLeanRuntime", "", "plans hold no runtime"),
      ignored("leanDLLPath", "file", "plans need no lean runtime"),
      ignored("useRuntime", "full|lean|dispatch", "one runtime serves all plans"),
      set_text<&Options::hardware_compatibility>("hardwareCompatibilityLevel", "none|ampere+|sameComputeCapability",
                                                 "plans load everywhere"),
      ignored("runtimePlatform", "name", "plans load everywhere"),
      on<&Options::get_plan_version_only>("getPlanVersionOnly", "print the version that made --loadEngine's plan"),
      on<&Options::allow_weight_streaming>("allowWeightStreaming", "weights may be streamed"),
      {"weightStreamingBudget", "N", "device memory for weights: bytes (B, K, M, G), N%, -1 automatic, -2 all of them",
       [](Options& o, auto& f, auto& v) {
         const bool percent = !v.empty() && v.back() == '%';
         const bool suffixed = !v.empty() && !percent && std::isalpha(static_cast<unsigned char>(v.back()));
         o.weight_streaming_percent = percent;
         o.weight_streaming_budget = percent    ? number(f, v.substr(0, v.size() - 1))
                                     : suffixed ? mebibytes(f, v) * (1 << 20)
                                                : number(f, v);
         if (o.weight_streaming_budget < (percent ? 0 : -2) || (percent && o.weight_streaming_budget > 100))
           bad("--" + f + " takes bytes, 0% to 100%, -1 or -2, found '" + v + "'");
       }},
      on<&Options::plugin_instance_norm>("pluginInstanceNorm", "instance normalization as a plugin"),
      on<&Options::plugin_instance_norm>("pi", "as --pluginInstanceNorm"),
      ignored("enablePluginOverride", "", "plugins are looked up by name"),
      ignored("uint8AsymmetricQuantizationDLA", "", "there is no DLA"),
      ignored("reportCapabilityDLA", "", "there is no DLA"),
      ignored("adjustForDLA", "", "there is no DLA"),
      {"plugins", "library", "plugin library to load", [](Options& o, auto&, auto& v) { o.plugins.push_back(v); }},
      {"staticPlugins", "library", "plugin library to load",
       [](Options& o, auto&, auto& v) { o.plugins.push_back(v); }},
      {"dynamicPlugins", "library", "plugin library to load",
       [](Options& o, auto&, auto& v) { o.plugins.push_back(v); }},
      ignored("setPluginsToSerialize", "library", "plans hold no code"),
      ignored("ignoreParsedPluginLibs", "", "plans hold no code"),
      set_text<&Options::save_engine>("saveEngine", "file", "write the plan"),
      set_text<&Options::load_engine>("loadEngine", "file", "run a plan"),
      ignored("asyncFileReader", "", "plans are mapped"),
      on<&Options::skip_inference>("skipInference", "stop after building"),
      on<&Options::skip_inference>("buildOnly", "as --skipInference")};
}

std::vector<Flag> inference_flags() {
  return {set_int<&Options::iterations>("iterations", "fewest inferences"),
          set_number<&Options::duration>("duration", "seconds to measure for"),
          set_number<&Options::warm_up_ms>("warmUp", "milliseconds before measuring"),
          set_number<&Options::sleep_ms>("sleepTime", "pause before the first inference, ms"),
          set_number<&Options::idle_ms>("idleTime", "pause between inferences, ms"),
          set_int<&Options::streams>("infStreams", "contexts that run side by side", 1),
          set_int<&Options::streams>("streams", "as --infStreams", 1),
          on<&Options::threads>("threads", "a thread for each stream"),
          {"loadInputs", "name:file[,…]", "raw input files",
           [](Options& o, auto& f, auto& v) {
             for (const auto& item : split(v, ',')) {
               const size_t colon = item.rfind(':');
               if (colon == std::string::npos) bad("--" + f + " takes name:file, found '" + item + "'");
               o.load_inputs[unquoted(item.substr(0, colon))] = item.substr(colon + 1);
             }
           }},
          set_int<&Options::profile>("useProfile", "optimization profile to run"),
          ignored("profile", "N", "shape options describe one profile"),
          on<&Options::data_transfers>("noDataTransfers", "leave out copies to and from the device", false),
          on<&Options::data_transfers>("includeDataTransfers", "count copies to and from the device"),
          on<&Options::spin_wait>("useSpinWait", "wait by polling"),
          on<&Options::spin_wait>("noSpinWait", "wait without polling", false),
          on<&Options::cuda_graph>("useCudaGraph", "replay a captured graph"),
          on<&Options::cuda_graph>("noCudaGraph", "no captured graph", false),
          on<&Options::separate_profile_run>("separateProfileRun", "profile layers in a run of its own"),
          ignored("useManagedMemory", "", "buffers are plain"),
          ignored("exposeDMA", "", "copies run in order"),
          ignored("persistentCacheRatio", "N", "the cache is not partitioned"),
          ignored("allocationStrategy", "static|profile|runtime", "memory follows the shapes in use"),
          on<&Options::time_deserialize>("timeDeserialize", "time loading the plan"),
          on<&Options::verbose>("verbose", "log everything"),
          set_int<&Options::average_runs>("avgRuns", "runs a printed average covers", 1)};
}

std::vector<Flag> report_flags() {
  return {{"percentile", "P[,…]", "latency percentiles",
           [](Options& o, auto& f, auto& v) {
             o.percentiles.clear();
             for (const auto& p : split(v, ',')) {
               o.percentiles.push_back(number(f, p));
               if (o.percentiles.back() < 0 || o.percentiles.back() > 100)
                 bad("--percentile takes numbers from 0 to 100, found '" + p + "'");
             }
           }},
          on<&Options::dump_output>("dumpOutput", "print outputs"),
          on<&Options::dump_raw_bindings>("dumpRawBindingsToFile", "write inputs and outputs to raw files"),
          on<&Options::dump_profile>("dumpProfile", "print each layer's time"),
          on<&Options::dump_layer_info>("dumpLayerInfo", "print layers"),
          on<&Options::dump_optimization_profile>("dumpOptimizationProfile", "print profiles"),
          set_text<&Options::export_times>("exportTimes", "file", "times as JSON"),
          set_text<&Options::export_output>("exportOutput", "file", "outputs as JSON"),
          set_text<&Options::export_profile>("exportProfile", "file", "layer times as JSON"),
          set_text<&Options::export_layer_info>("exportLayerInfo", "file", "layers as JSON"),
          set_text<&Options::mark_debug>("markDebug", "tensors", "tensors to watch"),
          set_int<&Options::device>("device", "GPU to use"),
          set_int<&Options::dla_core>("useDLACore", "DLA core to use"),
          on<&Options::allow_gpu_fallback>("allowGPUFallback", "layers may leave the DLA"),
          ignored("tempdir", "folder", "no temporary files are made"),
          ignored("tempfileControls", "spec", "no temporary files are made"),
          ignored("cpuOnly", "", "without a GPU engines run on the CPU"),
          on<&Options::help>("help", "print this"),
          on<&Options::help>("h", "print this")};
}

const std::vector<Flag>& flags() {
  static const std::vector<Flag> table = [] {
    std::vector<Flag> all;
    for (auto group : {model_flags, precision_flags, build_flags, plan_flags, inference_flags, report_flags})
      for (Flag& f : group()) all.push_back(std::move(f));
    return all;
  }();
  return table;
}

}  // namespace

std::string text(const Dims& dims) {
  std::string out;
  for (size_t i = 0; i < dims.size(); ++i) out += (i ? "x" : "") + std::to_string(dims[i]);
  return out;
}

Options parse(const std::vector<std::string>& arguments) {
  Options o;
  for (const std::string& argument : arguments) {
    if (argument.size() < 2 || argument[0] != '-') bad("unexpected argument '" + argument + "'; options start with --");
    const std::string body = argument.substr(argument[1] == '-' ? 2 : 1);
    const size_t equals = body.find('=');
    const std::string name = body.substr(0, equals), value = equals == std::string::npos ? "" : body.substr(equals + 1);
    const Flag* found = nullptr;
    for (const Flag& f : flags())
      if (f.name == name) found = &f;
    if (!found) bad("unknown option --" + name + "; --help lists the accepted ones");
    if (!found->value.empty() && equals == std::string::npos)
      bad("--" + name + " takes a value: --" + name + "=" + std::string(found->value));
    found->apply(o, name, value);
  }
  if (o.optimization_level > 5) bad("--builderOptimizationLevel takes 0 to 5");
  if (!o.help && o.onnx.empty() == o.load_engine.empty()) bad("give one of --onnx=file and --loadEngine=file");
  return o;
}

std::string usage() {
  std::string out = "usage: trtexec --onnx=model.onnx | --loadEngine=model.plan [options]\n\n";
  for (const Flag& f : flags()) {
    std::string left = "  --" + std::string(f.name) + (f.value.empty() ? "" : "=" + std::string(f.value));
    left.resize(std::max<size_t>(left.size() + 2, 44), ' ');
    out += left + std::string(f.help) + "\n";
  }
  return out;
}

}  // namespace trtexec
