// The part of a context that runs on a device: memory, launching, recording.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "backends/device.h"
#include "base/checked.h"
#include "base/physical_memory.h"
#include "runtime/engine.h"
#include "runtime/step_device.h"
#include "runtime/weight_streaming.h"

namespace tenon::runtime {
namespace {

constexpr size_t kRecordings = 16;  // shapes with sets of addresses that a context keeps a recording for

/// On huge pages where it is large and the system gives them.
std::shared_ptr<void> host_memory(size_t bytes) {
  constexpr size_t kHuge = size_t(2) << 20;
  const std::align_val_t align{bytes >= kHuge ? kHuge : 64};
  void* p = bytes > physical_memory() ? nullptr : ::operator new(bytes, align, std::nothrow);
  require(p != nullptr, ErrorCode::kOutOfMemory, "cannot allocate ", bytes, " bytes for activations");
  if (bytes >= kHuge) madvise(p, bytes, MADV_HUGEPAGE);
  return {p, [align](void* memory) { ::operator delete(memory, align); }};
}

}  // namespace

void Context::settle() noexcept {
  if (launched_) device_->finish();
  launched_ = false;
}

/// What kernels read as input or write as output `io`.
const void* Context::kernel_address(size_t io, void* stream) {
  if (!device_ || !host_only_[io]) return addresses_[io];
  const auto bytes = size_t(ir::storage_bytes(engine_->io()[io].dtype, checked_product(*dims_[io])));
  auto& there = staged_[io];
  if (!there) there = device_memory(*device_, bytes);  // a small input's dims do not change
  device_->copy(there.get(), addresses_[io], bytes, stream);
  return there.get();
}

/// What decides shapes and lies in the device's own memory may be computed by what is on the stream.
void Context::await_shapes(void* stream) {
  const auto& shape = engine_->shape_inputs();
  if (std::any_of(shape.begin(), shape.end(), [&](size_t i) { return addresses_[i] && device_only_[i]; }) &&
      !device_->recording(stream))
    device_->synchronize(stream);
}

void Context::reserve(const Program& p) {
  const size_t bytes = size_t(std::max<int64_t>(p.memory.arena_bytes, 64));
  if (memory_is_given_) {
    require(p.memory.arena_bytes == 0 || p.memory.arena_bytes <= arena_bytes_, ErrorCode::kInvalidArgument,
            "these shapes need ", p.memory.arena_bytes, " bytes for activations, the memory given has ", arena_bytes_);
  } else if (int64_t(bytes) > arena_bytes_ || !arena_) {
    settle();
    recorded_.clear();  // its addresses are in there
    arena_.reset();
    arena_bytes_ = 0;
    arena_ = allocate_ ? allocate_(bytes) : device_ ? device_memory(*device_, bytes) : host_memory(bytes);
    if (allocate_) require_reach(arena_.get(), "memory of the allocator for", "activations");
    const int64_t alignment = buffer_alignment(device_);
    require(reinterpret_cast<uintptr_t>(arena_.get()) % uintptr_t(alignment) == 0, ErrorCode::kInvalidArgument,
            "memory for activations must begin at a multiple of ", alignment, ", the allocator's does not");
    arena_bytes_ = int64_t(bytes);
  }
  if (device_ && p.host_workspace_bytes > host_workspace_bytes_) {
    settle();
    recorded_.clear();
    host_workspace_.reset();
    host_workspace_bytes_ = 0;
    host_workspace_ = page_locked_memory(*device_, size_t(p.host_workspace_bytes));
    host_workspace_bytes_ = p.host_workspace_bytes;
  }
}

void Context::use_memory(void* memory, int64_t bytes) {
  const int64_t alignment = buffer_alignment(device_);
  require(bytes >= 0 && reinterpret_cast<uintptr_t>(memory) % uintptr_t(alignment) == 0, ErrorCode::kInvalidArgument,
          "memory of ", bytes, " bytes for activations must begin at a multiple of ", alignment);
  require_reach(memory, "memory given for", "activations");
  settle();
  arena_ = std::shared_ptr<void>(memory, [](void*) {});
  arena_bytes_ = memory ? bytes : 0;
  memory_is_given_ = true;
  bound_ = nullptr;
  recorded_.clear();
}

void Context::set_memory_allocator(MemoryAllocator allocator) {
  settle();
  arena_.reset();
  arena_bytes_ = 0;
  memory_is_given_ = false;
  bound_ = nullptr;
  recorded_.clear();
  allocate_ = std::move(allocator);
}

void Context::launch_all(const Program& p, void* stream, bool profile) {
  launch_steps(p, {0, p.steps.size()}, stream, profile);
}

/// The stream of lane `lane` in a run on `stream`.
void* Context::lane_stream(int lane, void* stream) {
  if (lane == 0) return stream;
  const auto i = size_t(lane) - 1;
  if (i < given_lanes_.size()) return given_lanes_[i];
  while (own_lanes_.size() <= i) own_lanes_.push_back(device_->new_stream());
  return own_lanes_[i].get();
}

void Context::launch_steps(const Program& p, const Stretch& steps, void* stream, bool profile) {
  WeightFeed feed(p, steps, *device_, stream);
  for (size_t s = steps.begin; s < steps.end; ++s) {
    const Step& step = p.steps[s];
    if (!profile)
      for (int lane = 1; lane < step.forks; ++lane) device_->follow(lane_stream(lane, stream), stream);
    const void** in = pointers_.data() + first_pointer_[s];
    void* const* out = const_cast<void* const*>(in + step.inputs.size());
    RunArgs args{in, out, static_cast<std::byte*>(arena_.get()) + step.workspace_offset, engine_->pool(), nullptr};
    args.host_workspace = static_cast<std::byte*>(host_workspace_.get()) + step.host_workspace_offset;
    auto work = [&](void* on) {
      args.stream = on;
      if (profile)  // a layer's time is that of its weights too
        for (const Load& load : step.loads) device_->copy(load.to, load.from.get(), load.bytes, on);
      if (step.kernel)
        step.kernel->run(args);
      else
        device_->copy(out[0], in[0], size_t(step.copy_bytes), on);
    };
    try {
      if (profile)
        profiler_(step.name, step.kernel_name, device_->milliseconds(stream, work));
      else
        feed.before(s), work(lane_stream(step.lane, stream));
    } catch (const Error& e) {
      throw e.at(cat("layer '", step.name, "' (", step.kernel_name, ")"));
    }
    if (!profile)
      for (int lane = 1; lane < step.joins; ++lane) device_->follow(stream, lane_stream(lane, stream));
  }
}

/// What program_ has to be asked after a run.
void Context::bind_check() {
  constexpr size_t kChecks = 16;  // as many as an engine keeps programs
  auto known = std::find_if(checks_.begin(), checks_.end(), [&](const Checked& c) {
    return c.program == program_ && c.check->host_workspace() == host_workspace_.get();
  });
  if (known == checks_.end()) {
    if (checks_.size() >= kChecks) settle(), checks_.erase(checks_.begin());
    checks_.push_back({program_, std::make_unique<HostCheck>(*program_, host_workspace_, failures_)});
    known = std::prev(checks_.end());
  }
  check_ = known->check->empty() ? nullptr : known->check.get();
}

void Context::run_on_device(const Program& p, void* stream) {
  launched_ = true;
  launch(p, stream);
  if (check_) device_->call_host(stream, &HostCheck::call, check_);
}

void Context::launch(const Program& p, void* stream) {
  if (profiler_) return launch_all(p, stream, true);
  if (device_->recording(stream)) return launch_all(p, stream, false);
  auto known = std::find_if(recorded_.begin(), recorded_.end(),
                            [&](const Recorded& r) { return r.program.get() == &p && r.addresses == addresses_; });
  if (known == recorded_.end()) {  // at the first sight of these shapes and addresses: a recording may never pay
    if (recorded_.size() >= kRecordings)
      recorded_.erase(std::min_element(recorded_.begin(), recorded_.end(),
                                       [](const Recorded& a, const Recorded& b) { return a.used < b.used; }));
    recorded_.push_back({program_, addresses_, {}, ++clock_});
    return launch_all(p, stream, false);
  }
  known->used = ++clock_;
  if (known->recordings.empty()) {
    std::vector<std::unique_ptr<Recording>> made;
    for (const Stretch& steps : p.stretches)
      made.push_back(steps.recordable ? device_->record([&](void* on) { launch_steps(p, steps, on, false); })
                                      : nullptr);
    known->recordings = std::move(made);
  }
  for (size_t i = 0; i < p.stretches.size(); ++i) {
    if (const auto& recording = known->recordings[i])
      recording->replay(stream);
    else
      launch_steps(p, p.stretches[i], stream, false);
  }
}

Context* Context::part_context(const Engine::KnownPart& part) {
  if (!part_) {
    part_ = part.engine->create_context(profile_);
    part_outputs_.assign(part.values.size(), {});
  }
  if (part_->profile() != profile_) part_->set_profile(profile_);
  part_->set_profiler(profiler_);
  return part_.get();
}

std::map<ir::ValueId, Held> Context::run_part(const Engine::KnownPart& part, void* stream) {
  Context& c = *part_context(part);
  c.allocate_ = allocate_;
  for (size_t i = 0; i < engine_->input_count(); ++i) {
    c.set_input_dims(i, *dims_[i]);
    c.addresses_[i] = addresses_[i];
    c.host_only_[i] = host_only_[i];
    c.device_only_[i] = device_only_[i];
  }
  for (size_t i = 0; i < part.values.size(); ++i)
    c.set_output_allocator(i, [this, i](const ir::Dims& dims, int64_t bytes) {
      PartOutput& o = part_outputs_[i];
      o.dims = dims;
      if (!o.memory || o.bytes < bytes) {
        o.memory.reset();
        o.memory = device_memory(*device_, size_t(bytes));
        o.bytes = bytes;
      }
      return o.memory.get();
    });
  const Failures::Awaited awaited(*c.failures_);
  c.enqueue(stream);
  device_->synchronize(stream);
  c.failures_->raise();
  std::map<ir::ValueId, Held> known;
  for (size_t i = 0; i < part.values.size(); ++i) {
    const ir::DType type = part.engine->io()[engine_->input_count() + i].dtype;
    const PartOutput& o = part_outputs_[i];
    Held value{type, o.dims, {}, o.memory};
    if (value.bytes() == 0) value = Held::on_host(ir::Tensor(type, o.dims));
    known.emplace(part.values[i], std::move(value));
  }
  return known;
}

StepDevice* Context::step_device() {
  if (!device_ || engine_->streams()) return nullptr;  // streamed weights have no room that others could be in
  if (!step_device_)
    step_device_ = std::make_unique<StepDevice>(engine_->backend(), engine_->weights(), engine_->threads(),
                                                without_kernels(engine_->plan().info));
  return step_device_.get();
}

Held Context::read_held(size_t io, const ir::Dims& dims) const {
  Held value{engine_->io()[io].dtype, dims, {}, nullptr};
  if (device_ && device_->reaches(addresses_[io]) && value.bytes() > 0)
    value.device = {addresses_[io], [](void*) {}};
  else
    value.host = read(io, dims);
  return value;
}

ir::Tensor Context::read(size_t io, const ir::Dims& dims) const {
  ir::Tensor t(engine_->io()[io].dtype, dims);
  if (t.bytes() == 0) return t;
  if (device_ && !device_->host_reaches(addresses_[io])) {
    device_->copy(t.mutable_data(), addresses_[io], size_t(t.bytes()), device_->own_stream());
    device_->synchronize(device_->own_stream());
  } else {
    std::memcpy(t.mutable_data(), addresses_[io], size_t(t.bytes()));
  }
  return t;
}

void Context::write(void* to, const ir::Tensor& t) const {
  if (t.bytes() == 0) return;
  if (!device_) {
    std::memcpy(to, t.data().data(), size_t(t.bytes()));
    return;
  }
  device_->copy(to, t.data().data(), size_t(t.bytes()), device_->own_stream());
  device_->synchronize(device_->own_stream());
}

std::vector<ir::Tensor> Context::run_through_device(const Program& p, const std::vector<ir::Tensor>& inputs) {
  void* stream = device_->own_stream();
  device_->activate();
  std::vector<std::shared_ptr<void>> memory;
  std::vector<ir::Tensor> outputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    memory.push_back(device_memory(*device_, size_t(inputs[i].bytes())));
    addresses_[i] = memory.back().get();
    device_->copy(addresses_[i], inputs[i].data().data(), size_t(inputs[i].bytes()), stream);
  }
  for (size_t i = 0; i < engine_->output_count(); ++i) {
    outputs.emplace_back(engine_->io()[inputs.size() + i].dtype, p.output_dims[i]);
    memory.push_back(device_memory(*device_, size_t(outputs[i].bytes())));
    addresses_[inputs.size() + i] = memory.back().get();
  }
  const Failures::Awaited awaited(*failures_);
  run_static(p, stream);
  for (size_t i = 0; i < outputs.size(); ++i)
    device_->copy(outputs[i].mutable_data(), addresses_[inputs.size() + i], size_t(outputs[i].bytes()), stream);
  device_->synchronize(stream);
  failures_->raise();
  return outputs;
}

}  // namespace tenon::runtime
