#include "trtexec/configure.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "trtexec/values.h"
#include "trtexec/words.h"

namespace trtexec {
namespace {

using namespace nvinfer1;

/// The shape given for `name`, also by a name with '*' at its end.
const trtexec::Dims* find(const Shapes& shapes, const std::string& name) {
  if (auto it = shapes.find(name); it != shapes.end()) return &it->second;
  for (const auto& [pattern, dims] : shapes)
    if (!pattern.empty() && pattern.back() == '*' &&
        name.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0)
      return &dims;
  return nullptr;
}

void check_names(const Shapes& shapes, const INetworkDefinition& network) {
  for (const auto& [name, dims] : shapes) {
    bool found = name.find('*') != std::string::npos;
    for (int32_t i = 0; i < network.getNbInputs(); ++i) found = found || name == network.getInput(i)->getName();
    if (!found) throw std::runtime_error("cannot find an input called '" + name + "' in the network");
  }
}

/// The shapes that a profile has for each dynamic input; false if there is none.
bool fill_profile(const ProfileShapes& given, const Shapes& run, const INetworkDefinition& network,
                  IOptimizationProfile& profile, Log& log) {
  for (const Shapes* s : {&given.min, &given.opt, &given.max, &run}) check_names(*s, network);
  bool dynamic = false;
  for (int32_t i = 0; i < network.getNbInputs(); ++i) {
    const ITensor& input = *network.getInput(i);
    const std::string name = input.getName();
    const nvinfer1::Dims dims = input.getDimensions();
    if (std::none_of(dims.d, dims.d + dims.nbDims, [](int64_t d) { return d < 0; })) continue;
    dynamic = true;
    nvinfer1::Dims fallback = dims;
    for (int32_t k = 0; k < dims.nbDims; ++k) fallback.d[k] = std::max<int64_t>(dims.d[k], 1);
    const trtexec::Dims *fixed = find(run, name), *opt = find(given.opt, name);
    const trtexec::Dims *low = find(given.min, name), *high = find(given.max, name);
    const trtexec::Dims* any = opt ? opt : fixed ? fixed : high ? high : low;
    if (!any)
      log.warning("Dynamic dimensions required for input: " + name +
                  ", but no shapes were provided. Automatically overriding shape to 1.");
    auto pick = [&](const trtexec::Dims* shape) { return shape ? to_dims(*shape) : any ? to_dims(*any) : fallback; };
    if (!profile.setDimensions(name.c_str(), OptProfileSelector::kMIN, pick(low)) ||
        !profile.setDimensions(name.c_str(), OptProfileSelector::kOPT, pick(opt ? opt : fixed)) ||
        !profile.setDimensions(name.c_str(), OptProfileSelector::kMAX, pick(high)))
      throw std::runtime_error("the shapes of input '" + name + "' do not make a valid profile");
  }
  return dynamic;
}

std::vector<std::string> list(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream entries(text);
  for (std::string word; std::getline(entries, word, ',');) words.push_back(word);
  return words;
}

/// Calls `set` with the meaning of each "+word" or "-word".
template <class T, class Set>
void switches(const std::string& text, const std::map<std::string, T>& words, const char* what, Set set) {
  for (const std::string& word : list(text)) {
    if (word.empty() || (word[0] != '+' && word[0] != '-'))
      throw std::runtime_error(std::string("a ") + what + " is switched by + or -, found '" + word + "'");
    set(known(words, word.substr(1), what), word[0] == '+');
  }
}

void set_flags(const Options& o, IBuilderConfig& config) {
  auto flag = [&](bool on, BuilderFlag f) { on ? config.setFlag(f) : config.clearFlag(f); };
  if (!o.strongly_typed) {
    flag(o.fp16 || o.best, BuilderFlag::kFP16);
    flag(o.bf16 || o.best, BuilderFlag::kBF16);
    flag(o.int8 || o.best, BuilderFlag::kINT8);
    flag(o.fp8, BuilderFlag::kFP8);
    flag(o.int4, BuilderFlag::kINT4);
    flag(o.precision_constraints == "obey", BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
    flag(o.precision_constraints == "prefer", BuilderFlag::kPREFER_PRECISION_CONSTRAINTS);
  }
  flag(o.tf32, BuilderFlag::kTF32);
  for (const auto& [on, f] : {std::pair{o.refit, BuilderFlag::kREFIT},
                              {o.strip_weights, BuilderFlag::kSTRIP_PLAN},
                              {o.version_compatible, BuilderFlag::kVERSION_COMPATIBLE},
                              {o.exclude_lean_runtime, BuilderFlag::kEXCLUDE_LEAN_RUNTIME},
                              {o.allow_weight_streaming, BuilderFlag::kWEIGHT_STREAMING},
                              {o.error_on_timing_cache_miss, BuilderFlag::kERROR_ON_TIMING_CACHE_MISS},
                              {o.no_builder_cache, BuilderFlag::kDISABLE_TIMING_CACHE},
                              {o.no_compilation_cache, BuilderFlag::kDISABLE_COMPILATION_CACHE},
                              {o.direct_io, BuilderFlag::kDIRECT_IO},
                              {o.sparsity != "disable", BuilderFlag::kSPARSE_WEIGHTS},
                              {o.distributive_independence, BuilderFlag::kDISTRIBUTIVE_INDEPENDENCE},
                              {o.monitor_memory, BuilderFlag::kMONITOR_MEMORY},
                              {o.allow_gpu_fallback, BuilderFlag::kGPU_FALLBACK}})
    if (on) config.setFlag(f);
}

void set_platform(const Options& o, IBuilderConfig& config) {
  config.setHardwareCompatibilityLevel(known<HardwareCompatibilityLevel>(
      {{"none", HardwareCompatibilityLevel::kNONE},
       {"ampere+", HardwareCompatibilityLevel::kAMPERE_PLUS},
       {"sameComputeCapability", HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY}},
      o.hardware_compatibility, "hardware compatibility level"));
  if (o.runtime_platform == "windowsAMD64") config.setRuntimePlatform(RuntimePlatform::kWINDOWS_AMD64);
  if (o.safe) config.setEngineCapability(EngineCapability::kSAFETY);
  if (o.dla_standalone) config.setEngineCapability(EngineCapability::kDLA_STANDALONE);
  if (!o.remote_tuning.empty() && !config.setRemoteAutoTuningConfig(o.remote_tuning.c_str()))
    throw std::runtime_error("--remoteAutoTuningConfig was refused");
  std::vector<const char*> libraries;
  for (const std::string& library : o.plugins_to_serialize) libraries.push_back(library.c_str());
  if (!libraries.empty()) config.setPluginsToSerialize(libraries.data(), int32_t(libraries.size()));
}

void set_tactics(const Options& o, IBuilderConfig& config) {
  config.setBuilderOptimizationLevel(o.optimization_level);
  if (o.average_timing > 0) config.setAvgTimingIterations(o.average_timing);
  if (o.max_tactics >= 0) config.setMaxNbTactics(o.max_tactics);
  if (o.max_aux_streams >= 0) config.setMaxAuxStreams(o.max_aux_streams);
  TacticSources sources = config.getTacticSources();
  switches<TacticSource>(o.tactic_sources,
                         {{"CUBLAS", TacticSource::kCUBLAS},
                          {"CUBLAS_LT", TacticSource::kCUBLAS_LT},
                          {"CUDNN", TacticSource::kCUDNN},
                          {"EDGE_MASK_CONVOLUTIONS", TacticSource::kEDGE_MASK_CONVOLUTIONS},
                          {"JIT_CONVOLUTIONS", TacticSource::kJIT_CONVOLUTIONS}},
                         "tactic source", [&](TacticSource source, bool with) {
                           const auto bit = 1U << uint32_t(source);
                           sources = with ? sources | bit : sources & ~bit;
                         });
  if (!o.tactic_sources.empty() && !config.setTacticSources(sources))
    throw std::runtime_error("--tacticSources was refused");
  switches<PreviewFeature>(
      o.preview,
      {{"fasterDynamicShapes0805", PreviewFeature::kFASTER_DYNAMIC_SHAPES_0805},
       {"disableExternalTacticSourcesForCore0805", PreviewFeature::kDISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805},
       {"profileSharing0806", PreviewFeature::kPROFILE_SHARING_0806},
       {"aliasedPluginIO1003", PreviewFeature::kALIASED_PLUGIN_IO_10_03},
       {"runtimeActivationResize1010", PreviewFeature::kRUNTIME_ACTIVATION_RESIZE_10_10}},
      "preview feature", [&](PreviewFeature feature, bool with) { config.setPreviewFeature(feature, with); });
  if (o.tiling_level >= 0 && !config.setTilingOptimizationLevel(TilingOptimizationLevel(o.tiling_level)))
    throw std::runtime_error("--tilingOptimizationLevel takes 0 to 3");
  if (o.l2_limit >= 0 && !config.setL2LimitForTiling(o.l2_limit))
    throw std::runtime_error("--l2LimitForTiling was refused");
}

void set_layer_devices(const Options& o, const INetworkDefinition& network, IBuilderConfig& config) {
  for (const std::string& entry : list(o.layer_device_types)) {
    const size_t colon = entry.rfind(':');
    if (colon == std::string::npos) throw std::runtime_error("'" + entry + "' is not of the form layer:device");
    const auto device = known<DeviceType>({{"GPU", DeviceType::kGPU}, {"DLA", DeviceType::kDLA}},
                                          entry.substr(colon + 1), "device type");
    const std::string name = entry.substr(0, colon);
    bool found = false;
    for (int32_t i = 0; i < network.getNbLayers(); ++i)
      if (name == "*" || name == network.getLayer(i)->getName()) {
        config.setDeviceType(static_cast<const ILayer*>(network.getLayer(i)), device);
        found = true;
      }
    if (!found) throw std::runtime_error("the network has no layer '" + name + "'");
  }
}

}  // namespace

void configure_parser(const Options& o, nvonnxparser::IParser& parser) {
  using nvonnxparser::OnnxParserFlag;
  if (o.plugin_instance_norm)
    parser.clearFlag(OnnxParserFlag::kNATIVE_INSTANCENORM);
  else
    parser.setFlag(OnnxParserFlag::kNATIVE_INSTANCENORM);
  if (o.plugin_override) parser.setFlag(OnnxParserFlag::kENABLE_PLUGIN_OVERRIDE);
}

void mark_debug_tensors(const Options& o, INetworkDefinition& network) {
  if (o.mark_unfused_debug && !network.markUnfusedTensorsAsDebugTensors())
    throw std::runtime_error("--markUnfusedTensorsAsDebugTensors was refused");
  for (const std::string& name : list(o.mark_debug)) {
    ITensor* found = nullptr;
    for (int32_t i = 0; i < network.getNbInputs(); ++i)
      if (name == network.getInput(i)->getName()) found = network.getInput(i);
    for (int32_t i = 0; i < network.getNbLayers(); ++i)
      for (int32_t k = 0; k < network.getLayer(i)->getNbOutputs(); ++k)
        if (ITensor* tensor = network.getLayer(i)->getOutput(k); tensor && name == tensor->getName()) found = tensor;
    if (!found) throw std::runtime_error("--markDebug: the network has no tensor '" + name + "'");
    if (!network.markDebug(*found)) throw std::runtime_error("--markDebug: tensor '" + name + "' was refused");
  }
}

void configure(const Options& o, const INetworkDefinition& network, IBuilderConfig& config) {
  set_flags(o, config);
  set_platform(o, config);
  set_tactics(o, config);
  set_layer_devices(o, network, config);
  for (const auto& [name, pool] : {std::pair{"workspace", MemoryPoolType::kWORKSPACE},
                                   {"tacticDram", MemoryPoolType::kTACTIC_DRAM},
                                   {"tacticSharedMem", MemoryPoolType::kTACTIC_SHARED_MEMORY}})
    if (auto it = o.pools.find(name); it != o.pools.end())
      config.setMemoryPoolLimit(pool, size_t(it->second * (1 << 20)));
  if (o.profiling_verbosity == "detailed" || o.dump_layer_info || !o.export_layer_info.empty())
    config.setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  if (o.profiling_verbosity == "none") config.setProfilingVerbosity(ProfilingVerbosity::kNONE);
}

IOptimizationProfile& add_profiles(const Options& o, IBuilder& builder, INetworkDefinition& network,
                                   IBuilderConfig& config, Log& log) {
  IOptimizationProfile* calibration = nullptr;
  for (size_t i = 0; i < o.profiles.size(); ++i) {
    IOptimizationProfile& profile = *builder.createOptimizationProfile();
    if (fill_profile(o.profiles[i], o.shapes, network, profile, log) && config.addOptimizationProfile(&profile) < 0)
      throw std::runtime_error("the optimization profile is not valid");
    if (int(i) == o.calibration_profile) calibration = &profile;
  }
  const ProfileShapes& shapes = o.calibration_shapes;
  const bool own = !(shapes.min.empty() && shapes.opt.empty() && shapes.max.empty());
  if (own) {
    calibration = builder.createOptimizationProfile();
    fill_profile(shapes, {}, network, *calibration, log);
  }
  if ((own || o.calibration_profile > 0) && !config.setCalibrationProfile(calibration))
    throw std::runtime_error("the shapes to calibrate at do not make a valid profile");
  return *calibration;
}

}  // namespace trtexec
