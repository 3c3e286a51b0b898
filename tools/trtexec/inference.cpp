#include "trtexec/inference.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "trtexec/debug.h"

namespace trtexec {
namespace {

using namespace nvinfer1;
using Clock = std::chrono::steady_clock;

/// Grows an output whose size is known only while running.
class Allocator final : public IOutputAllocator {
 public:
  Allocator(Device& device) : device_(device) {}
  ~Allocator() { device_.release(memory_); }
  void* reallocateOutput(const char*, void*, uint64_t size, uint64_t) noexcept override {
    if (size <= capacity_ && memory_) return memory_;
    device_.release(memory_);
    memory_ = device_.allocate(size);
    capacity_ = size;
    return memory_;
  }
  void notifyShape(const char*, const nvinfer1::Dims& dims) noexcept override { dims_ = from_dims(dims); }
  void* memory() const { return memory_; }
  const trtexec::Dims& dims() const { return dims_; }

 private:
  Device& device_;
  void* memory_ = nullptr;
  uint64_t capacity_ = 0;
  trtexec::Dims dims_;
};

class LayerProfiler final : public IProfiler {
 public:
  void reportLayerTime(const char* name, float ms) noexcept override {
    auto [it, added] = index_.try_emplace(name, layers.size());
    if (added) layers.push_back({name, {}});
    layers[it->second].ms.push_back(ms);
  }
  std::vector<LayerTime> layers;

 private:
  std::map<std::string, size_t> index_;
};

/// One context with its buffers and stream.
class Stream {
 public:
  Stream(const Options& o, ICudaEngine& engine, Device& device, Log& log, bool first)
      : options_(o), engine_(engine), device_(device), context_(make_context(o, engine)) {
    if (!context_) throw std::runtime_error("could not create an execution context");
    stream_ = device.create_stream();
    if (o.profile > 0 && !context_->setOptimizationProfileAsync(o.profile, stream_))
      throw std::runtime_error("--useProfile: there is no such profile");
    check_names();
    set_shapes(log, first);
    bind(log, first);
    if (o.allocation != "runtime") return;
    const size_t bytes = context_->updateDeviceMemorySizeForShapes();
    activations_ = device.allocate(bytes);
    context_->setDeviceMemoryV2(activations_, int64_t(bytes));
  }
  ~Stream() {
    device_.synchronize(stream_);
    context_.reset();
    if (activations_) device_.release(activations_);
    for (void* p : memory_) device_.release(p);
    allocators_.clear();
    device_.destroy_stream(stream_);
  }

  Query query(Clock::time_point zero) {
    auto now = [&] { return std::chrono::duration<double, std::milli>(Clock::now() - zero).count(); };
    Query q{};
    q.h2d_start = now();
    if (options_.data_transfers && device_.is_gpu()) copy(true);
    q.h2d_end = q.compute_start = q.enqueue_start = now();
    if (!context_->enqueueV3(stream_)) throw std::runtime_error("Error occurred during inference");
    q.enqueue_end = now();
    device_.synchronize(stream_);
    q.compute_end = q.d2h_start = now();
    if (options_.data_transfers && device_.is_gpu()) copy(false);
    q.d2h_end = now();
    return q;
  }
  void profile(LayerProfiler& profiler, int runs) {
    context_->setProfiler(&profiler);
    for (int i = 0; i < runs; ++i) run_once();
    context_->setProfiler(nullptr);
  }
  std::vector<Binding> fetch() {
    copy(false);
    return bindings_;
  }
  /// What the engine gives for other inputs; those without a file stay as they are.
  std::vector<Binding> run(const ReferencePair& pair) {
    for (Binding& b : bindings_)
      if (const auto it = pair.inputs.find(b.name); b.is_input && it != pair.inputs.end()) load_input(b, it->second);
    copy(true);
    run_once();
    return fetch();
  }
  /// One run whose watched tensors are written.
  void watch(Log& log) {
    const auto listener = watch_tensors(options_, *context_, device_, log);
    if (!listener) return;
    run_once();
    context_->setDebugListener(nullptr);
  }

 private:
  static IExecutionContext* make_context(const Options& o, ICudaEngine& engine) {
    using Strategy = ExecutionContextAllocationStrategy;
    return engine.createExecutionContext(o.allocation == "runtime"   ? Strategy::kUSER_MANAGED
                                         : o.allocation == "profile" ? Strategy::kON_PROFILE_CHANGE
                                                                     : Strategy::kSTATIC);
  }
  void run_once() {
    if (!context_->enqueueV3(stream_)) throw std::runtime_error("Error occurred during inference");
    device_.synchronize(stream_);
  }
  const trtexec::Dims* given_shape(const std::string& name) const {
    const size_t profile = std::min(size_t(options_.profile), options_.profiles.size() - 1);
    for (const Shapes* shapes : {&options_.shapes, &options_.profiles[profile].opt})
      if (auto it = shapes->find(name); it != shapes->end()) return &it->second;
    return nullptr;
  }
  void check_names() const {
    std::set<std::string> inputs;
    for (int32_t i = 0; i < engine_.getNbIOTensors(); ++i)
      if (const char* name = engine_.getIOTensorName(i); engine_.getTensorIOMode(name) == TensorIOMode::kINPUT)
        inputs.insert(name);
    const auto check = [&](const std::string& name, const char* option) {
      if (!inputs.count(name) && name.find('*') == std::string::npos)
        throw std::runtime_error(std::string(option) + ": the engine has no input '" + name + "'");
    };
    for (const auto& [name, dims] : options_.shapes) check(name, "--shapes");
    for (const ReferencePair& pair : options_.pairs)
      for (const auto& [name, file] : pair.inputs) check(name, "--loadInputs");
  }
  void set_shapes(Log& log, bool first) {
    for (int32_t i = 0; i < engine_.getNbIOTensors(); ++i) {
      const char* name = engine_.getIOTensorName(i);
      if (engine_.getTensorIOMode(name) != TensorIOMode::kINPUT) continue;
      trtexec::Dims dims = from_dims(engine_.getTensorShape(name));
      bool dynamic = false;
      for (int64_t d : dims) dynamic |= d < 0;
      if (!dynamic) continue;
      if (const trtexec::Dims* given = given_shape(name)) {
        dims = *given;
      } else {
        const auto opt = from_dims(engine_.getProfileShape(name, options_.profile, OptProfileSelector::kOPT));
        for (size_t k = 0; k < dims.size(); ++k) dims[k] = dims[k] < 0 ? (k < opt.size() ? opt[k] : 1) : dims[k];
      }
      if (first) log.info("Set shape of input tensor " + std::string(name) + " to: " + text(dims));
      if (!context_->setInputShape(name, to_dims(dims)))
        throw std::runtime_error("shape " + text(dims) + " of input '" + name + "' is not accepted");
    }
  }
  void bind(Log& log, bool first) {
    for (int32_t i = 0; i < engine_.getNbIOTensors(); ++i) {
      Binding b;
      const char* name = engine_.getIOTensorName(i);
      b.name = name;
      b.is_input = engine_.getTensorIOMode(name) == TensorIOMode::kINPUT;
      b.type = engine_.getTensorDataType(name);
      b.dims = from_dims(context_->getTensorShape(name));
      bool known = true;
      for (int64_t d : b.dims) known &= d >= 0;
      void* memory = nullptr;
      std::unique_ptr<Allocator> allocator;
      if (known) {
        b.host.resize(bytes_in_memory(b));
        if (b.is_input) fill_input(b, log, first);
        memory = device_.allocate(b.host.size());
        if (b.is_input) device_.to_device(memory, b.host.data(), b.host.size(), stream_);
        device_.synchronize(stream_);
        if (!context_->setTensorAddress(name, memory))
          throw std::runtime_error("the address of '" + b.name + "' is not accepted");
      } else {
        allocator = std::make_unique<Allocator>(device_);
        if (!context_->setOutputAllocator(name, allocator.get()))
          throw std::runtime_error("the allocator of output '" + b.name + "' is not accepted");
      }
      memory_.push_back(memory);
      allocators_.push_back(std::move(allocator));
      bindings_.push_back(std::move(b));
    }
  }
  /// Channels in groups are filled up.
  size_t bytes_in_memory(const Binding& b) const {
    trtexec::Dims dims = b.dims;
    const int32_t axis = engine_.getTensorVectorizedDim(b.name.c_str());
    const int64_t group = engine_.getTensorComponentsPerElement(b.name.c_str());
    if (axis >= 0 && group > 0) dims.at(size_t(axis)) = (dims.at(size_t(axis)) + group - 1) / group * group;
    return bytes_of(b.type, dims);
  }
  void fill_input(Binding& b, Log& log, bool first) {
    const Files& given = options_.pairs[0].inputs;
    if (const auto it = given.find(b.name); it != given.end()) {
      if (first) log.info("Using values loaded from " + it->second + " for input " + b.name);
      load_input(b, it->second);
    } else {
      if (first) log.info("Using random values for input " + b.name);
      fill_random(b.host, b.type, uint32_t(bindings_.size()) + 1);
    }
  }
  static void load_input(Binding& b, const std::string& file) {
    auto bytes = read_file(file);
    if (bytes.size() != b.host.size())
      throw std::runtime_error(file + " has " + std::to_string(bytes.size()) + " bytes, input " + b.name + " " +
                               text(b.dims) + " takes " + std::to_string(b.host.size()));
    b.host = std::move(bytes);
  }
  void copy(bool inputs) {
    for (size_t i = 0; i < bindings_.size(); ++i) {
      Binding& b = bindings_[i];
      if (b.is_input != inputs) continue;
      if (inputs) {
        device_.to_device(memory_[i], b.host.data(), b.host.size(), stream_);
        continue;
      }
      const void* from = memory_[i];
      if (allocators_[i]) {
        b.dims = allocators_[i]->dims();
        b.host.resize(bytes_in_memory(b));
        from = allocators_[i]->memory();
      }
      if (!b.host.empty()) device_.to_host(b.host.data(), from, b.host.size(), stream_);
    }
    device_.synchronize(stream_);
  }

  const Options& options_;
  ICudaEngine& engine_;
  Device& device_;
  std::unique_ptr<IExecutionContext> context_;
  CUstream_st* stream_ = nullptr;
  void* activations_ = nullptr;
  std::vector<Binding> bindings_;
  std::vector<void*> memory_;
  std::vector<std::unique_ptr<Allocator>> allocators_;
};

struct Shared {
  std::mutex mutex;
  std::vector<Query> queries;
  std::string error;
};

// Runs one stream until both the iterations and the duration are reached; queries of the warm-up are dropped.
void measure(const Options& o, Stream& stream, Clock::time_point zero, Shared& shared, int& warm_up) {
  auto elapsed = [&] { return std::chrono::duration<double, std::milli>(Clock::now() - zero).count(); };
  std::vector<Query> mine;
  try {
    while (elapsed() < o.warm_up_ms) {
      stream.query(zero);
      ++warm_up;
    }
    const double begin = elapsed();
    while (int(mine.size()) < o.iterations || elapsed() - begin < o.duration * 1000) {
      mine.push_back(stream.query(zero));
      if (o.idle_ms > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(o.idle_ms));
    }
  } catch (const std::exception& e) {
    std::lock_guard lock(shared.mutex);
    shared.error = e.what();
  }
  std::lock_guard lock(shared.mutex);
  shared.queries.insert(shared.queries.end(), mine.begin(), mine.end());
}

}  // namespace

Results run_inference(const Options& o, ICudaEngine& engine, Device& device, Log& log) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < o.streams; ++i) streams.push_back(std::make_unique<Stream>(o, engine, device, log, i == 0));
  if (o.sleep_ms > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(o.sleep_ms));
  log.info("Starting inference");
  Results results;
  Shared shared;
  const auto zero = Clock::now();
  if (o.streams == 1) {
    measure(o, *streams[0], zero, shared, results.warm_up_queries);
  } else {
    std::vector<std::thread> threads;
    std::vector<int> warm_ups(streams.size(), 0);
    for (size_t i = 0; i < streams.size(); ++i)
      threads.emplace_back([&, i] { measure(o, *streams[i], zero, shared, warm_ups[i]); });
    for (auto& t : threads) t.join();
    for (int n : warm_ups) results.warm_up_queries += n;
  }
  if (!shared.error.empty()) throw std::runtime_error(shared.error);
  results.queries = std::move(shared.queries);
  double first = 1e300, last = 0;
  for (const Query& q : results.queries) first = std::min(first, q.h2d_start), last = std::max(last, q.d2h_end);
  results.wall_seconds = results.queries.empty() ? 0 : (last - first) / 1000;
  if (o.dump_profile || !o.export_profile.empty()) {
    LayerProfiler profiler;
    results.profile_runs = std::max(o.iterations, 1);
    streams[0]->profile(profiler, results.profile_runs);
    results.layers = std::move(profiler.layers);
  }
  results.bindings = streams[0]->fetch();
  streams[0]->watch(log);
  for (const ReferencePair& pair : o.pairs)
    results.pairs.push_back(pair.outputs.empty() ? std::vector<Binding>() : streams[0]->run(pair));
  return results;
}

}  // namespace trtexec
