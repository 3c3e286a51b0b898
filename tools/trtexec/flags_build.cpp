// Options about the model and the build.
#include <cctype>

#include "trtexec/flag.h"

namespace trtexec {
namespace {

/// Shapes of the profile that --profile named last.
template <auto Which>
Flag profile_shapes(std::string_view name, std::string_view help) {
  return {name, "spec", help,
          [](Options& o, auto& f, auto& v) { o.profiles[o.described_profile].*Which = shapes(f, v); }};
}
template <auto Which>
Flag calibration_shapes(std::string_view name, std::string_view help) {
  return {name, "spec", help, [](Options& o, auto& f, auto& v) { o.calibration_shapes.*Which = shapes(f, v); }};
}

void set_pools(Options& o, const std::string& flag, const std::string& value) {
  for (const auto& item : split(value, ',')) {
    const auto parts = split(item, ':');
    if (parts.size() != 2) bad("--" + flag + " takes pool:size, found '" + item + "'");
    static const std::set<std::string> pools{"workspace",     "dlaSRAM",         "dlaLocalDRAM",
                                             "dlaGlobalDRAM", "tacticSharedMem", "tacticDram"};
    if (!pools.count(parts[0]))
      bad("--" + flag + ": unknown pool '" + parts[0] +
          "', accepted are workspace, dlaSRAM, dlaLocalDRAM, dlaGlobalDRAM, tacticSharedMem, tacticDram");
    o.pools[parts[0]] = mebibytes(flag, parts[1]);
  }
}

void set_verbosity(Options& o, const std::string& flag, const std::string& value) {
  const std::string& v = one_of(flag, value, "layer_names_only|detailed|none|default|verbose");
  o.profiling_verbosity = v == "default" ? "layer_names_only" : v == "verbose" ? "detailed" : v;
}

void set_sparsity(Options& o, const std::string& flag, const std::string& value) {
  o.sparsity = one_of(flag, value, "disable|enable|force");
  if (value == "force") o.notes.push_back("--sparsity=force has no effect here: weights are left as they are");
}

void set_streaming_budget(Options& o, const std::string& flag, const std::string& v) {
  const bool percent = !v.empty() && v.back() == '%';
  const bool suffixed = !v.empty() && !percent && std::isalpha(static_cast<unsigned char>(v.back()));
  o.weight_streaming_percent = percent;
  o.weight_streaming_budget = percent    ? number(flag, v.substr(0, v.size() - 1))
                              : suffixed ? mebibytes(flag, v) * (1 << 20)
                                         : number(flag, v);
  if (o.weight_streaming_budget < (percent ? 0 : -2) || (percent && o.weight_streaming_budget > 100))
    bad("--" + flag + " takes bytes, 0% to 100%, -1 or -2, found '" + v + "'");
}

constexpr std::string_view kOnnxOnly = "models of Caffe and UFF are not read; convert them to ONNX";
constexpr std::string_view kOneRoute = "a build has one route, in which kernels are timed";

}  // namespace

std::vector<Flag> model_flags() {
  return {set_text<&Options::onnx>("onnx", "file", "ONNX model"),
          set_shapes<&Options::shapes>("shapes", "dims of dynamic inputs, name:1x3x224x224[,…]"),
          {"profile", "N", "the profile that the following shape options are about",
           [](Options& o, auto& f, auto& v) {
             o.described_profile = size_t(integer(f, v));
             if (o.described_profile > 255) bad("--" + f + " takes 0 to 255, found '" + v + "'");
             if (o.profiles.size() <= o.described_profile) o.profiles.resize(o.described_profile + 1);
           }},
          profile_shapes<&ProfileShapes::min>("minShapes", "smallest dims of the profile"),
          profile_shapes<&ProfileShapes::opt>("optShapes", "dims to optimise for"),
          profile_shapes<&ProfileShapes::max>("maxShapes", "largest dims of the profile"),
          calibration_shapes<&ProfileShapes::min>("minShapesCalib", "smallest dims while calibrating"),
          calibration_shapes<&ProfileShapes::opt>("optShapesCalib", "dims to calibrate at"),
          calibration_shapes<&ProfileShapes::max>("maxShapesCalib", "largest dims while calibrating"),
          set_int<&Options::calibration_profile>("calibProfile", "the profile to calibrate in"),
          ignored("batch", "N", "networks from ONNX always have an explicit batch"),
          ignored("maxBatch", "N", "a plan is not bound to a batch size"),
          ignored("explicitBatch", "", "networks from ONNX always have an explicit batch"),
          ignored("output", "name[,…]", "networks from ONNX name their outputs"),
          refused("deploy", "file", kOnnxOnly),
          refused("model", "file", kOnnxOnly),
          refused("uff", "file", kOnnxOnly),
          refused("uffInput", "name,X,Y,Z", kOnnxOnly),
          refused("uffNHWC", "", kOnnxOnly)};
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
          set_word<&Options::precision_constraints>("precisionConstraints", "obey|prefer|none",
                                                    "how layer precisions bind"),
          set_text<&Options::layer_precisions>("layerPrecisions", "layer:type[,…]", "precision of single layers"),
          set_text<&Options::layer_output_types>("layerOutputTypes", "layer:type[,…]", "output types of single layers"),
          set_text<&Options::layer_device_types>("layerDeviceTypes", "layer:GPU|DLA[,…]", "devices of single layers"),
          ignored("decomposableAttentions", "layers", "every attention has a kernel"),
          set_text<&Options::input_formats>("inputIOFormats", "type:format[,…]", "types and formats of inputs"),
          set_text<&Options::output_formats>("outputIOFormats", "type:format[,…]", "types and formats of outputs"),
          on<&Options::direct_io>("directIO", "no conversions at inputs and outputs")};
}

std::vector<Flag> build_flags() {
  return {
      {"memPoolSize", "pool:size[,…]", "memory limits, sizes in MiB or with B, K, M, G", set_pools},
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
      on<&Options::no_builder_cache>("noBuilderCache", "no times of layers before are taken for equal ones"),
      on<&Options::no_compilation_cache>("noCompilationCache", "compiled code is not kept"),
      set_text<&Options::tactic_sources>("tacticSources", "+name|-name[,…]", "libraries that kernels come from"),
      {"sparsity", "disable|enable|force", "kernels for weights with two zeros in each four", set_sparsity},
      {"profilingVerbosity", "layer_names_only|detailed|none", "what the engine tells of its layers", set_verbosity},
      set_text<&Options::preview>("preview", "+feature|-feature[,…]", "preview features"),
      set_int<&Options::max_aux_streams>("maxAuxStreams", "auxiliary streams"),
      set_int<&Options::tiling_level>("tilingOptimizationLevel", "0 none … 3 full"),
      set_int<&Options::l2_limit>("l2LimitForTiling", "bytes of the cache that tiles may take"),
      on<&Options::distributive_independence>("distributiveIndependence", "results do not depend on the batch"),
      on<&Options::monitor_memory>("monitorMemory", "report the build's memory"),
      set_text<&Options::remote_tuning>("remoteAutoTuningConfig", "spec", "a machine to time kernels on"),
      ignored("dumpKernelText", "file", "kernels are part of the library"),
      ignored("tuneBuildRoutes", "spec", kOneRoute),
      ignored("tuneBuildRouteFile", "file", kOneRoute),
      ignored_word("tuningSearch", "fast|full|mixed", kOneRoute),
      ignored("tuningCacheFile", "file", kOneRoute),
      ignored("tuningTimeOut", "seconds", kOneRoute),
      ignored("saveAllEngines", "", kOneRoute),
      ignored("dryRun", "", kOneRoute),
      ignored("continue", "", kOneRoute),
      ignored("helpBuildRoute", "", kOneRoute),
      ignored("setBuildRoute", "spec", kOneRoute)};
}

std::vector<Flag> plan_flags() {
  return {
      on<&Options::refit>("refit", "weights may be replaced"),
      on<&Options::strip_weights>("stripWeights", "leave weights out of the plan"),
      on<&Options::strip_weights>("stripAllWeights", "leave weights out of the plan"),
      set_text<&Options::refit_from_onnx>("refitFromOnnx", "file", "give --loadEngine's plan the weights of a model"),
      on<&Options::time_refit>("timeRefit", "time refitting"),
      on<&Options::dump_refit>("dumpRefit", "list refittable weights"),
      on<&Options::version_compatible>("versionCompatible", "every later version loads the plan (always so)"),
      on<&Options::version_compatible>("vc", "as --versionCompatible"),
      on<&Options::exclude_lean_runtime>("excludeLeanRuntime", "plans hold no runtime (always so)"),
      ignored("leanDLLPath", "file", "plans need no lean runtime"),
      ignored_word("useRuntime", "full|lean|dispatch", "one runtime serves all plans"),
      set_word<&Options::hardware_compatibility>("hardwareCompatibilityLevel", "none|ampere+|sameComputeCapability",
                                                 "plans load everywhere"),
      set_word<&Options::runtime_platform>("runtimePlatform", "sameAsBuild|windowsAMD64", "where the plan will run"),
      on<&Options::get_plan_version_only>("getPlanVersionOnly", "print the version of --loadEngine's plan"),
      on<&Options::allow_weight_streaming>("allowWeightStreaming", "weights may be streamed"),
      {"weightStreamingBudget", "N", "device memory for weights: bytes (B, K, M, G), N%, -1 automatic, -2 all of them",
       set_streaming_budget},
      on<&Options::plugin_instance_norm>("pluginInstanceNorm", "instance normalization as a plugin"),
      on<&Options::plugin_instance_norm>("pi", "as --pluginInstanceNorm"),
      on<&Options::plugin_override>("enablePluginOverride", "plugins go before the parser's own operators"),
      ignored("uint8AsymmetricQuantizationDLA", "", "there is no DLA"),
      ignored("reportCapabilityDLA", "", "there is no DLA"),
      ignored("adjustForDLA", "", "there is no DLA"),
      append<&Options::plugins>("plugins", "library", "plugin library to load"),
      append<&Options::plugins>("staticPlugins", "library", "plugin library to load"),
      append<&Options::plugins>("dynamicPlugins", "library", "plugin library to load"),
      append<&Options::plugins_to_serialize>("setPluginsToSerialize", "library", "plugin library to keep in the plan"),
      ignored("ignoreParsedPluginLibs", "", "plans hold the libraries of --setPluginsToSerialize alone"),
      refused("safetyPlugins", "library", "there is no certified runtime"),
      on<&Options::safe>("safe", "an engine for the certified runtime"),
      refused("consistency", "", "there is no certified runtime whose engines could be checked"),
      on<&Options::dla_standalone>("buildDLAStandalone", "an engine for a DLA alone"),
      set_text<&Options::save_engine>("saveEngine", "file", "write the plan"),
      set_text<&Options::load_engine>("loadEngine", "file", "run a plan"),
      ignored("asyncFileReader", "", "plans are read at once"),
      on<&Options::skip_inference>("skipInference", "stop after building"),
      on<&Options::skip_inference>("buildOnly", "as --skipInference")};
}

}  // namespace trtexec
