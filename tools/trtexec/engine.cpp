#include "trtexec/engine.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "trtexec/precision.h"

namespace trtexec {
namespace {

using namespace nvinfer1;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::string seconds(double s) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", s);
  return text;
}

template <class T>
std::unique_ptr<T> made(T* p, const char* what) {
  if (!p) throw std::runtime_error(std::string("could not create ") + what);
  return std::unique_ptr<T>(p);
}

nvinfer1::Dims to_dims(const trtexec::Dims& d) {
  nvinfer1::Dims out{};
  if (d.size() > size_t(nvinfer1::Dims::MAX_DIMS)) throw std::runtime_error("a shape has more than 8 dimensions");
  out.nbDims = int32_t(d.size());
  for (size_t i = 0; i < d.size(); ++i) out.d[i] = d[i];
  return out;
}

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

IOptimizationProfile& add_profile(const Options& o, IBuilder& builder, INetworkDefinition& network,
                                  IBuilderConfig& config, Log& log) {
  for (const Shapes* s : {&o.min_shapes, &o.opt_shapes, &o.max_shapes, &o.shapes}) check_names(*s, network);
  IOptimizationProfile* profile = builder.createOptimizationProfile();
  bool dynamic = false;
  for (int32_t i = 0; i < network.getNbInputs(); ++i) {
    const ITensor& input = *network.getInput(i);
    const std::string name = input.getName();
    const nvinfer1::Dims dims = input.getDimensions();
    bool has_dynamic = false;
    for (int32_t k = 0; k < dims.nbDims; ++k) has_dynamic |= dims.d[k] < 0;
    if (!has_dynamic) continue;
    dynamic = true;
    nvinfer1::Dims fallback = dims;
    for (int32_t k = 0; k < dims.nbDims; ++k) fallback.d[k] = std::max<int64_t>(dims.d[k], 1);
    const trtexec::Dims *fixed = find(o.shapes, name), *opt = find(o.opt_shapes, name);
    const trtexec::Dims *low = find(o.min_shapes, name), *high = find(o.max_shapes, name);
    const trtexec::Dims* any = opt ? opt : fixed ? fixed : high ? high : low;
    if (!any)
      log.warning("Dynamic dimensions required for input: " + name +
                  ", but no shapes were provided. Automatically overriding shape to 1.");
    auto pick = [&](const trtexec::Dims* given) { return given ? to_dims(*given) : any ? to_dims(*any) : fallback; };
    if (!profile->setDimensions(name.c_str(), OptProfileSelector::kMIN, pick(low)) ||
        !profile->setDimensions(name.c_str(), OptProfileSelector::kOPT, pick(opt ? opt : fixed)) ||
        !profile->setDimensions(name.c_str(), OptProfileSelector::kMAX, pick(high)))
      throw std::runtime_error("the shapes of input '" + name + "' do not make a valid profile");
  }
  if (dynamic && config.addOptimizationProfile(profile) < 0)
    throw std::runtime_error("the optimization profile is not valid");
  return *profile;
}

void set_precision(const Options& o, IBuilderConfig& config) {
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
  if (o.refit) config.setFlag(BuilderFlag::kREFIT);
  if (o.strip_weights) config.setFlag(BuilderFlag::kSTRIP_PLAN);
  if (o.sparsity != "disable") config.setFlag(BuilderFlag::kSPARSE_WEIGHTS);
  if (o.version_compatible) config.setFlag(BuilderFlag::kVERSION_COMPATIBLE);
  if (o.allow_weight_streaming) config.setFlag(BuilderFlag::kWEIGHT_STREAMING);
  if (o.error_on_timing_cache_miss) config.setFlag(BuilderFlag::kERROR_ON_TIMING_CACHE_MISS);
}

void set_tactic_sources(const Options& o, IBuilderConfig& config) {
  if (o.tactic_sources.empty()) return;
  static const std::map<std::string, TacticSource> sources{
      {"CUBLAS", TacticSource::kCUBLAS},
      {"CUBLAS_LT", TacticSource::kCUBLAS_LT},
      {"CUDNN", TacticSource::kCUDNN},
      {"EDGE_MASK_CONVOLUTIONS", TacticSource::kEDGE_MASK_CONVOLUTIONS},
      {"JIT_CONVOLUTIONS", TacticSource::kJIT_CONVOLUTIONS}};
  TacticSources mask = config.getTacticSources();
  for (const auto& [name, wanted] : o.tactic_sources) {
    const TacticSources bit = 1U << static_cast<uint32_t>(sources.at(name));
    mask = wanted ? mask | bit : mask & ~bit;
  }
  config.setTacticSources(mask);
}

void configure(const Options& o, IBuilderConfig& config) {
  set_precision(o, config);
  set_tactic_sources(o, config);
  config.setBuilderOptimizationLevel(o.optimization_level);
  if (o.average_timing > 0) config.setAvgTimingIterations(o.average_timing);
  if (o.max_tactics >= 0) config.setMaxNbTactics(o.max_tactics);
  if (o.max_aux_streams >= 0) config.setMaxAuxStreams(o.max_aux_streams);
  if (auto it = o.pools.find("workspace"); it != o.pools.end())
    config.setMemoryPoolLimit(MemoryPoolType::kWORKSPACE, size_t(it->second * (1 << 20)));
  if (auto it = o.pools.find("tacticDram"); it != o.pools.end())
    config.setMemoryPoolLimit(MemoryPoolType::kTACTIC_DRAM, size_t(it->second * (1 << 20)));
  if (auto it = o.pools.find("tacticSharedMem"); it != o.pools.end())
    config.setMemoryPoolLimit(MemoryPoolType::kTACTIC_SHARED_MEMORY, size_t(it->second * (1 << 20)));
  if (o.profiling_verbosity == "detailed" || o.dump_layer_info || !o.export_layer_info.empty())
    config.setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  if (o.profiling_verbosity == "none") config.setProfilingVerbosity(ProfilingVerbosity::kNONE);
}

std::unique_ptr<ITimingCache> read_timing_cache(const Options& o, IBuilderConfig& config) {
  std::vector<char> bytes;
  if (!o.timing_cache_file.empty() && std::filesystem::exists(o.timing_cache_file))
    bytes = read_file(o.timing_cache_file);
  std::unique_ptr<ITimingCache> cache(config.createTimingCache(bytes.data(), bytes.size()));
  if (cache) config.setTimingCache(*cache, false);
  return cache;
}

std::unique_ptr<IHostMemory> build(const Options& o, Log& log) {
  auto builder = made(createInferBuilder(log), "the builder");
  const auto flags = o.strongly_typed ? 1U << uint32_t(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED) : 0U;
  auto network = made(builder->createNetworkV2(flags), "the network");
  auto config = made(builder->createBuilderConfig(), "the builder configuration");
  for (const std::string& library : o.plugins)
    if (!builder->getPluginRegistry().loadLibrary(library.c_str()))
      throw std::runtime_error("cannot load plugin library " + library);
  auto parser = made(nvonnxparser::createParser(*network, log), "the parser");

  log.info("Start parsing network model.");
  const auto begin = Clock::now();
  if (!parser->parseFromFile(o.onnx.c_str(), int(ILogger::Severity::kWARNING))) {
    std::string why;
    for (int32_t i = 0; i < parser->getNbErrors(); ++i) why += std::string("\n  ") + parser->getError(i)->desc();
    throw std::runtime_error("failed to parse " + o.onnx + why);
  }
  log.info("Finished parsing network model. Parse time: " + seconds(since(begin)));
  configure(o, *config);
  set_layer_types(o, *network);
  set_io_formats(o, *network);
  const IOptimizationProfile& profile = add_profile(o, *builder, *network, *config, log);
  const auto calibrator = make_calibrator(o, *network, profile, log);
  config->setInt8Calibrator(calibrator.get());
  auto cache = read_timing_cache(o, *config);
  const auto start = Clock::now();
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  if (!plan) throw std::runtime_error("Engine could not be created from network");
  char size[64];
  std::snprintf(size, sizeof size, "Created engine with size: %.4g MiB", double(plan->size()) / (1 << 20));
  log.info("Engine built in " + seconds(since(start)) + " sec.");
  log.info(size);
  if (!o.timing_cache_file.empty() && cache) {
    std::unique_ptr<IHostMemory> bytes(cache->serialize());
    if (bytes) write_file(o.timing_cache_file, bytes->data(), bytes->size());
  }
  if (!o.save_engine.empty()) write_file(o.save_engine, plan->data(), plan->size());
  return plan;
}

}  // namespace

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<char> bytes(size_t(std::max<std::streamoff>(file.tellg(), 0)));
  file.seekg(0);
  if (!file.read(bytes.data(), std::streamsize(bytes.size()))) throw std::runtime_error("cannot read " + path);
  return bytes;
}

void write_file(const std::string& path, const void* data, size_t size) {
  const std::string temporary = path + ".tmp" + std::to_string(getpid());
  std::FILE* file = std::fopen(temporary.c_str(), "wb");
  if (!file) throw std::runtime_error("cannot write " + temporary);
  bool ok = std::fwrite(data, 1, size, file) == size && std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  ok = std::fclose(file) == 0 && ok;
  if (!ok || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw std::runtime_error("cannot write " + path + "; the old file, if any, is unchanged");
  }
}

/// How much of the weights may lie on the device between runs.
void set_weight_budget(const Options& o, ICudaEngine& engine, Log& log) {
  if (o.weight_streaming_budget == -2) return;
  const int64_t all = engine.getStreamableWeightsSize();
  int64_t bytes = int64_t(o.weight_streaming_budget);
  if (o.weight_streaming_percent)
    bytes = int64_t(double(all) * o.weight_streaming_budget / 100);
  else if (bytes == -1)
    bytes = engine.getWeightStreamingAutomaticBudget();
  if (!engine.setWeightStreamingBudgetV2(bytes)) throw std::runtime_error("The weight streaming budget was refused");
  log.info("Weight streaming: " + std::to_string(engine.getWeightStreamingBudgetV2()) + " of " + std::to_string(all) +
           " bytes stay, scratch " + std::to_string(engine.getWeightStreamingScratchMemorySize()) + " bytes");
}

Loaded make_engine(const Options& o, Log& log) {
  Loaded loaded;
  std::vector<char> file;
  std::unique_ptr<IHostMemory> plan;
  if (!o.load_engine.empty())
    file = read_file(o.load_engine);
  else
    plan = build(o, log);
  const void* data = plan ? plan->data() : file.data();
  const size_t size = plan ? plan->size() : file.size();
  if (o.skip_inference && o.load_engine.empty()) return loaded;
  const auto begin = Clock::now();
  loaded.runtime = made(createInferRuntime(log), "the runtime");
  for (const std::string& library : o.plugins) loaded.runtime->getPluginRegistry().loadLibrary(library.c_str());
  loaded.engine.reset(loaded.runtime->deserializeCudaEngine(data, size));
  if (!loaded.engine) throw std::runtime_error("Engine deserialization failed");
  set_weight_budget(o, *loaded.engine, log);
  if (!o.load_engine.empty()) log.info("Engine deserialized in " + seconds(since(begin)) + " sec.");
  return loaded;
}

}  // namespace trtexec
