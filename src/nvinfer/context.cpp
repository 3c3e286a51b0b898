#include "nvinfer/context.h"

#include "backends/device.h"
#include "base/checked.h"
#include "nvinfer/memory.h"
#include "nvinfer/stream.h"

namespace tenon::nvinfer {

ExecutionContext::ExecutionContext(const CudaEngine& engine, bool with_memory)
    : engine_(engine),
      engine_alive_(engine.alive()),
      keep_(engine.shared()),
      core_(keep_->create_context()),
      plugins_(keep_->plan().graph, {engine.allocator(), engine.getErrorRecorder()}),
      shared_reports_(std::make_shared<Reports>(engine.reports())),
      reports_(*shared_reports_),
      with_memory_(with_memory),
      debug_state_(keep_->io().size(), false),
      shape_data_(keep_->io().size()) {
#if NV_TENSORRT_MAJOR >= 8
  enqueue_emits_profile_ = true;
  nvtx_verbosity_ = engine.getProfilingVerbosity();
  allocators_.resize(keep_->io().size());
#endif
  if (!with_memory)
    core_->use_memory(nullptr, 0);
  else if (engine.allocator())
    core_->set_memory_allocator(memory_from(engine.allocator(), reports_));
  core_->set_failure_listener([reports = shared_reports_](const Error& e) {
    reports->error(to_api(e.code()), "IExecutionContext::enqueueV3", e.what());
  });
  give_memory_to_hidden_outputs();
}

ExecutionContext::InUse::InUse(std::atomic<bool>& flag) : flag_(flag) {
  require(!flag.exchange(true), ErrorCode::kInvalidArgument,
          "another thread is using this execution context, a context serves one thread at a time");
}

const CudaEngine& ExecutionContext::engine() const {
  require(*engine_alive_, ErrorCode::kInvalidArgument, "the engine of this execution context has been deleted");
  return engine_;
}

void ExecutionContext::setName(const char* name) noexcept {
  guard(reports_, "IExecutionContext::setName", [&] { name_ = need(name, "name"); });
}

bool ExecutionContext::setOptimizationProfile(int32_t profile) noexcept {
  return guard(reports_, "IExecutionContext::setOptimizationProfile",
               [&] { return InUse(in_use_), core_->set_profile(profile), true; });
}

const ICudaEngine& ExecutionContext::getEngine() const noexcept {
  guard(reports_, "IExecutionContext::getEngine", [&] { engine(); });
  return engine_;
}

void ExecutionContext::check_range(size_t io, const ir::Dims& dims) const {
  const plan::Range& range = engine().range(io, core_->profile());
  const ir::Dims least = engine().formats().of_tensor(io, range.min),
                 most = engine().formats().of_tensor(io, range.max);
  bool inside = dims.size() == least.size();
  for (size_t i = 0; inside && i < dims.size(); ++i) inside = dims[i] >= least[i] && dims[i] <= most[i];
  require(inside, ErrorCode::kShapeMismatch, "input '", keep_->io()[io].name, "' has dims ", dims, ", ", least, " to ",
          most, " are accepted");
}

void ExecutionContext::set_dims(size_t io, const ir::Dims& dims) {
  const InUse claim(in_use_);
  require(io < keep_->input_count(), ErrorCode::kInvalidArgument, "'", keep_->io()[io].name, "' is no input");
  const IoFormats& formats = engine().formats();
  if (formats.at(io).format != TensorFormat::kLINEAR) check_range(io, dims);
  core_->set_input_dims(io, formats.in_memory(io, dims));
}

bool ExecutionContext::setInputShape(const char* name, const Dims& dims) noexcept {
  return guard(reports_, "IExecutionContext::setInputShape",
               [&] { return set_dims(engine().find(name), to_core(dims)), true; });
}

ir::Dims ExecutionContext::dims_now(size_t io) const {
  const runtime::IoInfo& info = keep_->io()[io];
  if (io < keep_->input_count()) return core_->input_dims(io).value_or(info.dims);
  return core_->all_dims_set() ? core_->output_dims(io - keep_->input_count()) : info.dims;
}

Dims ExecutionContext::getTensorShape(const char* name) const noexcept {
  return guard(
      reports_, "IExecutionContext::getTensorShape",
      [&] {
        const size_t io = engine().find(name);
        return engine().shown(io, dims_now(io));
      },
      invalid_dims());
}

Dims ExecutionContext::getTensorStrides(const char* name) const noexcept {
  return guard(
      reports_, "IExecutionContext::getTensorStrides",
      [&] {
        const size_t io = engine().find(name);
        const IoFormats& formats = engine().formats();
        return engine().shown(formats.strides(io, formats.of_tensor(io, dims_now(io))));
      },
      invalid_dims());
}

bool ExecutionContext::allInputShapesSpecified() const noexcept {
  for (size_t input : keep_->shape_inputs()) {
    if (!core_->address(input)) return false;
  }
  return true;
}

int32_t ExecutionContext::inferShapes(int32_t capacity, const char** names) noexcept {
  return guard(
      reports_, "IExecutionContext::inferShapes",
      [&] {
        int32_t missing = 0;
        for (size_t i = 0; i < keep_->input_count(); ++i) {
          if (core_->input_dims(i) && (!engine().is_shape_input(i) || core_->address(i))) continue;
          if (names && missing < capacity) names[missing] = keep_->io()[i].name.c_str();
          ++missing;
        }
        if (missing == 0) core_->prepare();
        return missing;
      },
      -1);
}

void ExecutionContext::set_address(size_t io, void* data) {
  const InUse claim(in_use_);
  core_->set_address(io, data);
}

bool ExecutionContext::setTensorAddress(const char* name, void* data) noexcept {
  return guard(reports_, "IExecutionContext::setTensorAddress",
               [&] { return set_address(engine().find(name), data), true; });
}

const void* ExecutionContext::getTensorAddress(const char* name) const noexcept {
  return guard(reports_, "IExecutionContext::getTensorAddress",
               [&]() -> const void* { return core_->address(engine().find(name)); });
}

bool ExecutionContext::setInputTensorAddress(const char* name, const void* data) noexcept {
  return guard(reports_, "IExecutionContext::setInputTensorAddress", [&] {
    const size_t io = engine().find(name);
    require(io < keep_->input_count(), ErrorCode::kInvalidArgument, "'", name, "' is no input");
    return set_address(io, const_cast<void*>(data)), true;
  });
}

bool ExecutionContext::setOutputTensorAddress(const char* name, void* data) noexcept {
  return guard(reports_, "IExecutionContext::setOutputTensorAddress", [&] {
    const size_t io = engine().find(name);
    require(io >= keep_->input_count(), ErrorCode::kInvalidArgument, "'", name, "' is no output");
    return set_address(io, data), true;
  });
}

void* ExecutionContext::getOutputTensorAddress(const char* name) const noexcept {
  return const_cast<void*>(getTensorAddress(name));
}

int64_t ExecutionContext::getMaxOutputSize(const char* name) const noexcept {
  return guard(
      reports_, "IExecutionContext::getMaxOutputSize",
      [&]() -> int64_t {
        const size_t io = engine().find(name);
        require(io >= keep_->input_count(), ErrorCode::kInvalidArgument, "'", name, "' is no output");
        ir::Dims dims = dims_now(io);
        for (int64_t d : dims) {
          if (d < 0) return -1;
        }
        return ir::storage_bytes(keep_->io()[io].dtype, checked_product(dims));
      },
      -1);
}

#if NV_TENSORRT_MAJOR >= 8
bool ExecutionContext::setOutputAllocator(const char* name, IOutputAllocator* allocator) noexcept {
  return guard(reports_, "IExecutionContext::setOutputAllocator", [&] {
    const size_t io = engine().find(name);
    require(io >= keep_->input_count(), ErrorCode::kInvalidArgument, "'", name, "' is no output");
    const InUse claim(in_use_);
    allocators_[io] = allocator;
    runtime::OutputAllocator make;
    if (allocator) {
      make = [this, io, allocator](const ir::Dims& dims, int64_t bytes) {
        const char* tensor = keep_->io()[io].name.c_str();
        const auto size = static_cast<uint64_t>(bytes);
#if NV_TENSORRT_MAJOR >= 10
        void* memory = allocator->reallocateOutputAsync(tensor, core_->address(io), size, 256, stream_);
#else
        void* memory = allocator->reallocateOutput(tensor, core_->address(io), size, 256);
#endif
        allocator->notifyShape(tensor, engine().shown(io, dims));
        require(memory != nullptr || bytes == 0, ErrorCode::kOutOfMemory, "the output allocator gave no memory for '",
                tensor, "'");
        return memory;
      };
    }
    core_->set_output_allocator(io - keep_->input_count(), std::move(make));
    return true;
  });
}

IOutputAllocator* ExecutionContext::getOutputAllocator(const char* name) noexcept {
  return guard(reports_, "IExecutionContext::getOutputAllocator", [&] { return allocators_[engine().find(name)]; });
}
#endif

void ExecutionContext::set_addresses(void* const* bindings) {
  need(bindings, "bindings");
  const size_t count = engine().io_count(), first = static_cast<size_t>(core_->profile()) * count;
  for (size_t i = 0; i < count; ++i) core_->set_address(i, bindings[first + i]);
}

void ExecutionContext::set_batch(int32_t batch) {
  if (engine().max_batch() == 0) {
    // Programs of level 7 run engines with explicit batch dimensions this way too, as a batch of one.
    require(batch == 1, ErrorCode::kInvalidArgument, "batch size ", batch,
            ", an engine with explicit batch dimensions takes 1: its batch is in the shapes");
    return;
  }
  require(batch >= 1 && batch <= engine().max_batch(), ErrorCode::kShapeMismatch, "batch size ", batch, ", 1 to ",
          engine().max_batch(), " are accepted");
  for (size_t i = 0; i < keep_->input_count(); ++i) {
    ir::Dims dims = keep_->io()[i].dims;
    if (dims.at(0) < 0) dims[0] = batch;  // else it broadcasts
    core_->set_input_dims(i, dims);
  }
}

ExecutionContext::Bound ExecutionContext::bound_now() const {
  Bound bound{core_->profile(), {}, {}};
  for (size_t i = 0; i < keep_->input_count(); ++i) bound.dims.push_back(core_->input_dims(i));
  for (size_t i = 0; i < keep_->io().size(); ++i) bound.addresses.push_back(core_->address(i));
  return bound;
}

void ExecutionContext::bind(const Bound& bound) {
  if (bound.profile != core_->profile()) core_->set_profile(bound.profile);
  for (size_t i = 0; i < bound.dims.size(); ++i)
    if (bound.dims[i]) core_->set_input_dims(i, *bound.dims[i]);
  for (size_t i = 0; i < bound.addresses.size(); ++i) core_->set_address(i, bound.addresses[i]);
}

bool ExecutionContext::capture_run(cudaStream_t stream, const char* where) {
  return capture(
      stream, [this, stream, where, alive = lifetime_.watch(), reports = shared_reports_, captured = bound_now()] {
        guard(*reports, where, [&] {
          require(*alive, ErrorCode::kInvalidArgument, "the execution context of a captured run has been deleted");
          const InUse claim(in_use_);
          const Bound now = bound_now();
          bind(captured);
          try {
            run(emits_profile(), stream);
          } catch (...) {
            bind(now);
            throw;
          }
          bind(now);
        });
      });
}

void ExecutionContext::run(bool report, cudaStream_t stream) {
  const PluginInstances::Scope scope(plugins_);
  engine();
  stream_ = stream;
  times_.clear();
  if (profiler_) {
    core_->set_profiler([this](const std::string& name, const std::string&, double ms) {
      times_.push_back({name, static_cast<float>(ms)});
    });
  } else {
    core_->set_profiler({});
  }
  core_->run(stream);
  report_debug_tensors();
  if (profiler_ && report) report_times();
}

void ExecutionContext::report_times() const {
  for (const LayerTime& layer : times_) profiler_->reportLayerTime(layer.name.c_str(), layer.ms);
}

bool ExecutionContext::reportToProfiler() const noexcept {
  return guard(reports_, "IExecutionContext::reportToProfiler", [&] {
    require(profiler_ != nullptr, ErrorCode::kInvalidArgument, "no profiler is set");
    return report_times(), true;
  });
}

bool ExecutionContext::submit(cudaStream_t stream, const char* where, cudaEvent_t* consumed, void* const* bindings) {
  engine();
  bool done = true;
  if (bindings) set_addresses(bindings);
  const Device* device = keep_->backend().device();
  if (device && !profiler_ && !has_listener()) {
    const PluginInstances::Scope scope(plugins_);
    stream_ = stream;
    core_->set_profiler({});
    core_->enqueue(stream);
  } else {
    {
      const PluginInstances::Scope scope(plugins_);
      core_->prepare();  // shapes and addresses are wrong now, not when a captured graph is launched
    }
    if (device)
      device->synchronize(stream), run(emits_profile(), stream);
    else if (is_capturing(stream))
      done = capture_run(stream, where);
    else
      run(emits_profile(), stream);
  }
  if (consumed && *consumed) record_event(*consumed, stream);
  return done;
}

#if NV_TENSORRT_MAJOR >= 8
bool ExecutionContext::enqueueV3(cudaStream_t stream) noexcept {
  constexpr const char* kWhere = "IExecutionContext::enqueueV3";
  return guard(reports_, kWhere, [&] {
    const InUse claim(in_use_);
    return submit(stream, kWhere, &input_consumed_event_, nullptr);
  });
}
#endif

bool ExecutionContext::executeV2(void* const* bindings) noexcept {
  return guard(reports_, "IExecutionContext::executeV2", [&] {
    const InUse claim(in_use_);
    return set_addresses(bindings), run(true, nullptr), true;
  });
}

bool ExecutionContext::enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept {
  constexpr const char* kWhere = "IExecutionContext::enqueueV2";
  return guard(reports_, kWhere, [&] {
    const InUse claim(in_use_);
    return submit(stream, kWhere, consumed, need(bindings, "bindings"));
  });
}

bool ExecutionContext::execute(int32_t batch, void* const* bindings) noexcept {
  return guard(reports_, "IExecutionContext::execute", [&] {
    const InUse claim(in_use_);
    return set_batch(batch), set_addresses(bindings), run(true, nullptr), true;
  });
}

bool ExecutionContext::enqueue(int32_t batch, void* const* bindings, cudaStream_t stream,
                               cudaEvent_t* consumed) noexcept {
  constexpr const char* kWhere = "IExecutionContext::enqueue";
  return guard(reports_, kWhere, [&] {
    const InUse claim(in_use_);
    return set_batch(batch), submit(stream, kWhere, consumed, need(bindings, "bindings"));
  });
}

#if NV_TENSORRT_MAJOR >= 10
bool ExecutionContext::setCommunicator(void*) noexcept {
  reports_.error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE, "IExecutionContext::setCommunicator", "there is one device");
  return false;
}
#endif

}  // namespace tenon::nvinfer
