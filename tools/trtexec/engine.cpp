#include "trtexec/engine.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "trtexec/configure.h"
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
  configure_parser(o, *parser);

  log.info("Start parsing network model.");
  const auto begin = Clock::now();
  if (!parser->parseFromFile(o.onnx.c_str(), int(ILogger::Severity::kWARNING))) {
    std::string why;
    for (int32_t i = 0; i < parser->getNbErrors(); ++i) why += std::string("\n  ") + parser->getError(i)->desc();
    throw std::runtime_error("failed to parse " + o.onnx + why);
  }
  log.info("Finished parsing network model. Parse time: " + seconds(since(begin)));
  configure(o, *network, *config);
  set_layer_types(o, *network);
  set_io_formats(o, *network);
  mark_debug_tensors(o, *network);
  const IOptimizationProfile& profile = add_profiles(o, *builder, *network, *config, log);
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
  if (std::filesystem::is_directory(path))
    throw std::runtime_error("cannot read " + path + ": a directory, not a file");
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<char> bytes(size_t(std::max<std::streamoff>(file.tellg(), 0)));
  file.seekg(0);
  if (!file.read(bytes.data(), std::streamsize(bytes.size()))) throw std::runtime_error("cannot read " + path);
  return bytes;
}

void write_file(const std::string& path, const void* data, size_t size) {
  namespace fs = std::filesystem;
  const fs::path target = fs::exists(path) ? fs::canonical(path) : fs::path(path);  // a link stays, its target changes
  if (fs::is_directory(target)) throw std::runtime_error("cannot write " + path + ": a directory");
  const bool direct = fs::exists(target) && !fs::is_regular_file(target);  // devices and pipes
  const std::string written = direct ? target.string() : target.string() + ".tmp" + std::to_string(getpid());
  std::FILE* file = std::fopen(written.c_str(), "wb");
  if (!file) throw std::runtime_error("cannot write " + written + ": " + std::strerror(errno));
  bool ok = std::fwrite(data, 1, size, file) == size && std::fflush(file) == 0 && (direct || fsync(fileno(file)) == 0);
  ok = std::fclose(file) == 0 && ok;
  if (direct && ok) return;
  if (direct || !ok || std::rename(written.c_str(), target.c_str()) != 0) {
    if (!direct) std::remove(written.c_str());
    throw std::runtime_error("cannot write " + path + "; the old file, if any, is unchanged");
  }
}

std::string plan_version(const std::string& path) {
  const std::vector<char> bytes = read_file(path);
  uint32_t version = 0;
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "TENONPL\n", 8) != 0)
    throw std::runtime_error(path + " is not a plan of this library");
  std::memcpy(&version, bytes.data() + 8, sizeof version);
  return "The plan " + path + " has format version " + std::to_string(version) +
         "; every later version of the library loads it";
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

namespace {

void configure_runtime(const Options& o, IRuntime& runtime) {
  for (const std::string& library : o.plugins)
    if (!runtime.getPluginRegistry().loadLibrary(library.c_str()))
      throw std::runtime_error("cannot load plugin library " + library);
  if (!o.plugins_to_serialize.empty()) runtime.setEngineHostCodeAllowed(true);
  if (!o.tempdir.empty()) runtime.setTemporaryDirectory(o.tempdir.c_str());
  if (o.tempfile_controls.empty()) return;
  TempfileControlFlags flags = 3;
  for (const auto& [kind, bit] : {std::pair{"in_memory:deny", TempfileControlFlag::kALLOW_IN_MEMORY_FILES},
                                  {"temporary:deny", TempfileControlFlag::kALLOW_TEMPORARY_FILES}})
    if (o.tempfile_controls.find(kind) != std::string::npos) flags &= ~(1U << uint32_t(bit));
  runtime.setTempfileControlFlags(flags);
}

void time_deserialization(IRuntime& runtime, const void* data, size_t size, Log& log) {
  constexpr int kRuns = 10;
  const auto begin = Clock::now();
  for (int i = 0; i < kRuns; ++i)
    if (std::unique_ptr<ICudaEngine> engine(runtime.deserializeCudaEngine(data, size)); !engine)
      throw std::runtime_error("Engine deserialization failed");
  log.info("Deserialization time: " + seconds(since(begin) / kRuns) + " sec., average over " + std::to_string(kRuns) +
           " runs");
}

}  // namespace

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
  const bool looked_at = o.time_deserialize || o.time_refit || o.dump_refit || o.dump_optimization_profile ||
                         o.dump_layer_info || !o.export_layer_info.empty();
  if (o.skip_inference && o.load_engine.empty() && !looked_at) return loaded;
  const auto begin = Clock::now();
  loaded.runtime = made(createInferRuntime(log), "the runtime");
  configure_runtime(o, *loaded.runtime);
  if (o.time_deserialize) {
    time_deserialization(*loaded.runtime, data, size, log);
    return loaded;
  }
  loaded.engine.reset(loaded.runtime->deserializeCudaEngine(data, size));
  if (!loaded.engine) throw std::runtime_error("Engine deserialization failed");
  set_weight_budget(o, *loaded.engine, log);
  if (!o.load_engine.empty()) log.info("Engine deserialized in " + seconds(since(begin)) + " sec.");
  return loaded;
}

}  // namespace trtexec
