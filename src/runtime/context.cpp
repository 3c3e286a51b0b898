#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "backends/device.h"
#include "backends/host_memory.h"
#include "base/checked.h"
#include "base/thread_pool.h"
#include "runtime/engine.h"
#include "runtime/split.h"
#include "runtime/stepwise.h"

namespace tenon::runtime {
namespace {

constexpr size_t kPrepared = 16;  // shapes that a context knows the program of

int64_t tensor_bytes(ir::DType type, const ir::Dims& dims) { return ir::storage_bytes(type, checked_product(dims)); }

void check_range(const IoInfo& io, const plan::Range& range, const ir::Dims& dims, int profile) {
  bool ok = dims.size() == range.min.size();
  for (size_t i = 0; ok && i < dims.size(); ++i) ok = dims[i] >= range.min[i] && dims[i] <= range.max[i];
  require(ok, ErrorCode::kShapeMismatch, "input '", io.name, "' is given dims ", dims, ", profile ", profile,
          " accepts ", range.min, " to ", range.max);
}

/// Addresses of tensors that live for one call, forgotten at its end however it ends.
class Borrowed {
 public:
  explicit Borrowed(std::vector<void*>& addresses) : addresses_(addresses) {}
  ~Borrowed() { std::fill(addresses_.begin(), addresses_.end(), nullptr); }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  std::vector<void*>& addresses_;
};

}  // namespace

Context::Context(std::shared_ptr<Engine> engine, int profile)
    : engine_(std::move(engine)),
      profile_(profile),
      dims_(engine_->input_count()),
      addresses_(engine_->io().size(), nullptr),
      host_only_(engine_->io().size(), false),
      device_only_(engine_->io().size(), false),
      allocators_(engine_->output_count()),
      device_(engine_->backend().device()) {
  if (device_ && device_->present()) device_->activate();  // not on a device that is lost
  set_profile(profile);
}

Context::~Context() {
  settle();
  if (engine_->streams()) engine_->forget(this);
}

void Context::set_profile(int profile) {
  const auto& profiles = engine_->plan().profiles;
  require(profile >= 0 && size_t(profile) < profiles.size(), ErrorCode::kInvalidArgument, "profile ", profile,
          " does not exist, the engine has ", profiles.size());
  profile_ = profile;
  stale_ = true;
  for (size_t i = 0; i < dims_.size(); ++i) {  // sizes that cannot vary are known from the start
    const plan::Range& r = profiles[size_t(profile)].inputs[i];
    dims_[i].reset();
    if (r.min == r.max) dims_[i] = r.min;
  }
}

void Context::set_input_dims(size_t input, const ir::Dims& dims) {
  require(input < dims_.size(), ErrorCode::kInvalidArgument, "the engine has ", dims_.size(), " inputs");
  check_range(engine_->io()[input], engine_->plan().profiles[size_t(profile_)].inputs[input], dims, profile_);
  if (dims_[input] == dims) return;
  dims_[input] = dims;
  stale_ = true;
}

bool Context::all_dims_set() const {
  for (const auto& d : dims_)
    if (!d) return false;
  return true;
}

std::map<ir::ValueId, ir::Tensor> Context::shape_values() const {
  std::map<ir::ValueId, ir::Tensor> values;
  for (size_t i : engine_->shape_inputs()) {
    if (addresses_[i] && dims_[i]) values.emplace(engine_->plan().graph.inputs[i], read(i, *dims_[i]));
  }
  return values;
}

bool Context::same_dims(const Prepared& p) const {
  if (p.profile != profile_) return false;
  for (size_t i = 0; i < dims_.size(); ++i)
    if (!dims_[i] || *dims_[i] != p.program->input_dims[i]) return false;
  return true;
}

bool Context::same_shape_values(const Prepared& p) const {
  for (size_t i : engine_->shape_inputs()) {
    const auto known = p.shape_values.find(engine_->plan().graph.inputs[i]);
    const bool given = addresses_[i] && dims_[i];
    if (given != (known != p.shape_values.end())) return false;
    if (!given) continue;
    if (device_only_[i]) return false;
    const auto bytes = known->second.data();
    if (!bytes.empty() && std::memcmp(addresses_[i], bytes.data(), bytes.size()) != 0) return false;
  }
  return true;
}

const Program& Context::prepare() {
  if (generation_ != engine_->generation()) {
    generation_ = engine_->generation();
    stale_ = true;
    part_.reset();
    recorded_.clear();
    prepared_.clear();
    current_ = nullptr;
  }
  if (!stale_ && current_ && same_shape_values(*current_)) return *program_;
  for (const auto& p : prepared_)
    if (same_dims(*p) && same_shape_values(*p)) return use(*p);
  std::vector<ir::Dims> dims;
  for (size_t i = 0; i < dims_.size(); ++i) {
    require(dims_[i].has_value(), ErrorCode::kInvalidArgument, "the dims of input '", engine_->io()[i].name,
            "' are not set");
    dims.push_back(*dims_[i]);
  }
  auto made = std::make_unique<Prepared>(Prepared{profile_, nullptr, shape_values()});
  made->program = engine_->program(profile_, dims, made->shape_values, this);
  if (prepared_.size() >= kPrepared)
    prepared_.erase(std::min_element(prepared_.begin(), prepared_.end(),
                                     [](const auto& a, const auto& b) { return a->used < b->used; }));
  prepared_.push_back(std::move(made));
  return use(*prepared_.back());
}

const Program& Context::use(Prepared& p) {
  p.used = ++clock_;
  current_ = &p;
  if (p.program != program_) {
    program_ = p.program;
    bound_ = nullptr;
  }
  stale_ = false;
  return *program_;
}

ir::Dims Context::output_dims(size_t output) {
  const Program& p = prepare();
  const ir::Graph& g = p.concrete.graph;
  ir::Dims dims;
  for (ir::Dim d : g.value(g.outputs.at(output)).shape) dims.push_back(d.is_const() ? d.constant() : -1);
  return dims;
}

void Context::set_address(size_t io, void* address) {
  require(io < addresses_.size(), ErrorCode::kInvalidArgument, "the engine has ", addresses_.size(),
          " inputs and outputs");
  if (address && address != addresses_[io]) remember_address(io, address);
  addresses_[io] = address;
}

/// What address `io` may be, asked of the driver once.
void Context::remember_address(size_t io, void* address) {
  const IoInfo& info = engine_->io()[io];
  const auto& small = engine_->small_inputs();
  if (device_ && std::find(small.begin(), small.end(), io) != small.end()) {
    host_only_[io] = !device_->reaches(address);
    device_only_[io] = !device_->host_reaches(address);
    return;
  }
  require_reach(address, info.is_input ? "the address of input" : "the address of output", info.name);
  require(!device_ || reinterpret_cast<uintptr_t>(address) % 16 == 0, ErrorCode::kInvalidArgument, "the address of '",
          info.name, "' is not a multiple of 16");
}

void Context::require_reach(const void* memory, const char* what, const std::string& name) const {
  if (!memory) return;
  if (device_)
    require(device_->reaches(memory), ErrorCode::kInvalidArgument, what, " '", name,
            "' is host memory; the engine runs on ", engine_->backend().fingerprint(),
            " and accepts device, managed or page-locked memory");
  else
    require(host_reaches(memory), ErrorCode::kInvalidArgument, what, " '", name,
            "' is device memory; the engine runs on the processor and accepts host or managed memory");
}

// Lays out the pointers of all steps once a program; what points into inputs and outputs is patched at each run.
void Context::bind(const Program& p) {
  if (bound_ == &p) return;
  reserve(p);
  pointers_.clear();
  first_pointer_.clear();
  fixups_.clear();
  for (const Step& step : p.steps) {
    first_pointer_.push_back(pointers_.size());
    for (const auto* places : {&step.inputs, &step.outputs})
      for (const Place& place : *places) {
        const void* pointer = nullptr;
        switch (place.kind) {
          case Place::Kind::kAbsent:
            break;
          case Place::Kind::kArena:
            pointer = static_cast<std::byte*>(arena_.get()) + place.offset;
            break;
          case Place::Kind::kConstant:
            pointer = place.constant;
            break;
          case Place::Kind::kInput:
            fixups_.push_back({pointers_.size(), place.index, place.offset});
            break;
          case Place::Kind::kOutput:
            fixups_.push_back({pointers_.size(), engine_->input_count() + place.index, place.offset});
            break;
        }
        pointers_.push_back(pointer);
      }
  }
  bound_ = &p;
  if (device_) bind_check();
}

void* Context::output_memory(const Program& p, size_t output) {
  const size_t io = engine_->input_count() + output;
  const ir::Dims& dims = p.output_dims[output];
  const int64_t bytes = tensor_bytes(engine_->io()[io].dtype, dims);
  if (allocators_[output]) return allocators_[output](dims, bytes);
  require(addresses_[io] != nullptr || bytes == 0, ErrorCode::kInvalidArgument, "the address of output '",
          engine_->io()[io].name, "' is not set");
  return addresses_[io];
}

void Context::resolve_io(const Program& p, void* stream) {
  for (size_t i = 0; i < engine_->input_count(); ++i)
    require(addresses_[i] != nullptr || tensor_bytes(engine_->io()[i].dtype, p.input_dims[i]) == 0,
            ErrorCode::kInvalidArgument, "the address of input '", engine_->io()[i].name, "' is not set");
  for (size_t i = 0; i < engine_->output_count(); ++i)
    if (allocators_[i] || !addresses_[engine_->input_count() + i])
      set_address(engine_->input_count() + i, output_memory(p, i));
  for (const Fixup& f : fixups_)
    pointers_[f.slot] = static_cast<const std::byte*>(kernel_address(f.io, stream)) + f.offset;
}

void Context::run_static(const Program& p, void* stream) {
  bind(p);
  resolve_io(p, stream);
  if (device_)
    run_on_device(p, stream);
  else
    run_on_host(p);
}

void Context::run_on_host(const Program& p) {
  using Clock = std::chrono::steady_clock;
  for (size_t s = 0; s < p.steps.size(); ++s) {
    const Step& step = p.steps[s];
    const void** in = pointers_.data() + first_pointer_[s];
    void* const* out = const_cast<void* const*>(in + step.inputs.size());
    const auto begin = profiler_ ? Clock::now() : Clock::time_point();
    if (step.kernel)
      step.kernel->run(
          {in, out, static_cast<std::byte*>(arena_.get()) + step.workspace_offset, engine_->pool(), nullptr});
    else
      std::memcpy(out[0], in[0], size_t(step.copy_bytes));
    if (profiler_)
      profiler_(step.name, step.kernel_name, std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
}

void Context::run(void* stream) {
  if (!device_) return enqueue(nullptr);
  if (!stream) stream = device_->own_stream();
  const Failures::Awaited awaited(*failures_);
  enqueue(stream);
  device_->synchronize(stream);
  failures_->raise();
}

void Context::enqueue(void* stream) {
  failures_->raise("an earlier run of this context");
  if (device_) device_->activate();
  await_shapes(stream);
  const Program& p = prepare();
  if (p.stepwise)
    enqueue_stepwise(p, stream);
  else
    run_static(p, stream);
}

void Context::enqueue_stepwise(const Program& p, void* stream) {
  std::map<ir::ValueId, Held> given;
  std::vector<ir::ValueId> known;
  if (device_) {
    require(!device_->recording(stream), ErrorCode::kUnsupported,
            "the stream is being recorded, and shapes of this engine depend on data: sizes are read while it runs");
    if (const auto part = engine_->known_part(p.concrete)) {
      given = run_part(*part, stream);
      known = part->values;
    } else {
      device_->synchronize(stream);
    }
  }
  const Rest rest = rest_of(p.concrete, known);
  for (size_t i = 0; i < engine_->input_count(); ++i) {
    if (!rest.reads_input[i]) continue;
    const IoInfo& io = engine_->io()[i];
    require(io.dtype != ir::DType::kString, ErrorCode::kUnsupported, "input '", io.name,
            "' holds strings, which have no address");
    require(addresses_[i] != nullptr || tensor_bytes(io.dtype, p.input_dims[i]) == 0, ErrorCode::kInvalidArgument,
            "the address of input '", io.name, "' is not set");
    given.emplace(p.concrete.graph.inputs[i], read_held(i, p.input_dims[i]));
  }
  const std::vector<Held> outputs = run_stepwise(p, rest, std::move(given), stream);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const size_t io = engine_->input_count() + i;
    const Held& y = outputs[i];
    require(y.dtype != ir::DType::kString, ErrorCode::kUnsupported, "output '", engine_->io()[io].name,
            "' holds strings, which have no address");
    if (allocators_[i]) set_address(io, allocators_[i](y.dims, int64_t(y.bytes())));
    void* to = addresses_[io];
    require(to != nullptr || y.bytes() == 0, ErrorCode::kInvalidArgument, "the address of output '",
            engine_->io()[io].name, "' is not set");
    if (!y.on_device_alone())
      write(to, y.host);
    else if (y.bytes() > 0)
      device_->copy(to, y.device.get(), y.bytes(), stream);
  }
  if (device_) device_->synchronize(stream);
}

std::vector<ir::Tensor> Context::run(const std::vector<ir::Tensor>& inputs) {
  require(inputs.size() == engine_->input_count(), ErrorCode::kInvalidArgument, "the engine has ",
          engine_->input_count(), " inputs, ", inputs.size(), " were given");
  const Borrowed addresses(addresses_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const IoInfo& io = engine_->io()[i];
    require(inputs[i].dtype() == io.dtype, ErrorCode::kShapeMismatch, "input '", io.name, "' is given ",
            ir::name(inputs[i].dtype()), ", accepted is ", ir::name(io.dtype));
    set_input_dims(i, inputs[i].dims());
    addresses_[i] = const_cast<std::byte*>(inputs[i].data().data());
    host_only_[i] = device_only_[i] = false;
  }
  const Program& p = prepare();
  if (p.stepwise) return run_stepwise(p, inputs);
  if (device_) return run_through_device(p, inputs);
  std::vector<ir::Tensor> outputs;
  for (size_t i = 0; i < engine_->output_count(); ++i) {
    outputs.emplace_back(engine_->io()[engine_->input_count() + i].dtype, p.output_dims[i]);
    set_address(engine_->input_count() + i, outputs[i].mutable_data());
  }
  run_static(p, nullptr);
  return outputs;
}

std::vector<ir::Tensor> Context::run_stepwise(const Program& p, const std::vector<ir::Tensor>& inputs) {
  std::map<ir::ValueId, Held> given;
  std::vector<ir::ValueId> known;
  if (const auto part = device_ ? engine_->known_part(p.concrete) : nullptr) {
    auto values = part_context(*part)->run(inputs);
    for (size_t i = 0; i < values.size(); ++i) given.emplace(part->values[i], Held::on_host(std::move(values[i])));
    known = part->values;
  }
  const Rest rest = rest_of(p.concrete, known);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (rest.reads_input[i]) given.emplace(p.concrete.graph.inputs[i], Held::on_host(inputs[i]));
  std::vector<Held> results = run_stepwise(p, rest, std::move(given), device_ ? device_->own_stream() : nullptr);
  std::vector<ir::Tensor> outputs;
  for (Held& y : results) {
    if (y.on_device_alone()) step_device_->download({&y});
    outputs.push_back(std::move(y.host));
  }
  return outputs;
}

std::vector<Held> Context::run_stepwise(const Program& p, const Rest& rest, std::map<ir::ValueId, Held> given,
                                        void* stream) {
  const auto& choices = engine_->plan().choices;
  StepwiseOptions options{{}, engine_->pool(), step_device(), profiler_};
  options.host.backend = device_ ? &cpu_backend() : &engine_->backend();
  options.host.threads = engine_->threads();
  options.host.weights = &engine_->weights();
  options.host.without = without_kernels(engine_->plan().info);
  options.host.choices = !device_ && size_t(profile_) < choices.size() ? &choices[size_t(profile_)] : nullptr;
  if (options.device) options.device->begin(program_, stream);
  return stepwise(p.concrete, rest, std::move(given), options);
}

}  // namespace tenon::runtime
