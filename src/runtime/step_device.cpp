#include "runtime/step_device.h"

#include <algorithm>
#include <bit>

#include "backends/device.h"
#include "base/checked.h"
#include "runtime/weight_streaming.h"

namespace tenon::runtime {
namespace {

constexpr size_t kPrepared = 1024;          // kernels that are kept
constexpr size_t kLeastBytes = 512;         // of a block of memory
constexpr std::string_view kHost = "host";  // the device's kernel that runs the host's

bool sizes_known(const ir::Graph& g, const Problem& p) {
  return std::all_of(p.node->outputs.begin(), p.node->outputs.end(),
                     [&](ir::ValueId v) { return v == ir::kNone || ir::is_static(g.value(v).shape); });
}

}  // namespace

size_t Held::bytes() const { return size_t(ir::storage_bytes(dtype, checked_product(dims))); }

/// Blocks of powers of two. It outlives the values that hold blocks.
struct StepDevice::Pool {
  const Device& device;
  std::map<size_t, std::vector<std::shared_ptr<void>>> free;
};

StepDevice::StepDevice(const Backend& backend, WeightCache& weights, int threads, std::vector<std::string> without)
    : pool_(std::make_shared<Pool>(Pool{*backend.device(), {}})) {
  options_.backend = &backend;
  options_.weights = &weights;
  options_.threads = threads;
  options_.without = std::move(without);
}

StepDevice::~StepDevice() {
  if (program_) device().finish();
}

void StepDevice::begin(std::shared_ptr<const Program> program, void* stream) {
  stream_ = stream;
  on_their_way_.clear();
  if (program == program_) return;
  prepared_.clear();
  program_ = std::move(program);
}

/// A block from the device; what lies free goes back to it where it has no more.
std::shared_ptr<void> StepDevice::new_block(size_t size) {
  try {
    return device_memory(device(), size);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kOutOfMemory || pool_->free.empty()) throw;
  }
  synchronize();  // work before may still use it
  pool_->free.clear();
  return device_memory(device(), size);
}

std::shared_ptr<void> StepDevice::memory(size_t bytes) {
  const size_t size = std::bit_ceil(std::max(bytes, kLeastBytes));
  std::shared_ptr<void> block;
  if (const auto free = pool_->free.find(size); free != pool_->free.end() && !free->second.empty()) {
    block = std::move(free->second.back());
    free->second.pop_back();
  } else {
    block = new_block(size);
  }
  void* const memory = block.get();
  return {memory, [pool = pool_, block = std::move(block), size](void*) { pool->free[size].push_back(block); }};
}

std::shared_ptr<const void> StepDevice::constant(const ir::Tensor& tensor) {
  return constant_on_device(tensor, device(), options_.weights);
}

/// The kernel for an operator that finds a size of its outputs, in whose place `problem` gets the most that it can be.
/// Null if there is none, or nothing to find.
const KernelDef* StepDevice::finder(const ir::Graph& sized, Problem& problem) const {
  for (const TensorDesc& d : problem.inputs)
    if (d.dtype != ir::DType::kUndefined && d.count() == 0) return nullptr;
  for (const KernelDef* k : kernels_for(*options_.backend, problem.node->op)) {
    if (!k->most || is_without(*k, options_.without)) continue;
    const int64_t most = k->most(problem);
    if (most <= 0) continue;
    for (size_t i = 0; i < problem.outputs.size(); ++i) {
      if (problem.node->outputs[i] == ir::kNone) continue;
      const ir::Shape& shape = sized.value(problem.node->outputs[i]).shape;
      TensorDesc& d = problem.outputs[i];
      for (size_t axis = 0; axis < shape.size(); ++axis)
        if (!shape[axis].is_const()) d.dims[axis] = most;
      d.pitch = d.dims.empty() ? 1 : d.dims.back();
    }
    if (k->supports(problem).ok) return k;
  }
  return nullptr;
}

int64_t* StepDevice::size_to_find() {
  if (!found_) found_ = page_locked_memory(device(), sizeof(int64_t));
  return static_cast<int64_t*>(found_.get());
}

int64_t StepDevice::found_size() {
  synchronize();
  return *size_to_find();
}

std::pair<Problem, const StepDevice::Prepared*> StepDevice::prepare(const ir::Graph& sized, ir::NodeId n) {
  Problem problem = make_problem(sized, n, options_);
  const bool finds = !sizes_known(sized, problem);
  const KernelDef* const found = finds ? finder(sized, problem) : nullptr;
  // Kernels outlive the run whose sizes they are prepared for; the program's graph outlives them.
  const ir::Graph& lasting = program_->concrete.graph;
  problem.node = &lasting.node(n);
  for (size_t i = 0; i < problem.constants.size(); ++i)
    problem.constants[i] = lasting.constant(problem.node->inputs[i]);
  Key key{int64_t(n)};
  for (const auto* list : {&problem.inputs, &problem.outputs})
    for (const TensorDesc& d : *list) {
      key.push_back(int64_t(d.dims.size()));
      key.insert(key.end(), d.dims.begin(), d.dims.end());
    }
  if (const auto known = prepared_.find(key); known != prepared_.end()) return {std::move(problem), &known->second};
  if (prepared_.size() >= kPrepared) {
    synchronize();
    prepared_.clear();
  }
  Prepared made;
  std::string refusals;
  if (found) {
    made = {found, found->prepare(problem)};
  } else if (const KernelDef* first =
                 finds ? nullptr : find_kernel(*options_.backend, problem, {}, refusals, options_.without);
             first && first->name != kHost) {
    auto [def, kernel] = prepare_best(options_, problem, first->name);
    if (def->name != kHost) made = {def, std::move(kernel)};
  }
  return {std::move(problem), &prepared_.emplace(std::move(key), std::move(made)).first->second};
}

void StepDevice::upload(Held& value) {
  if (value.device) return;
  const size_t bytes = value.bytes();
  value.device = memory(bytes);
  if (bytes == 0) return;
  on_their_way_.push_back(value.host);
  device().copy(value.device.get(), value.host.data().data(), bytes, stream_);
}

void StepDevice::download(const std::vector<Held*>& values) {
  bool any = false;
  for (Held* value : values) {
    if (!value->on_device_alone()) continue;
    value->host = ir::Tensor(value->dtype, value->dims);
    if (value->bytes() == 0) continue;
    device().copy(value->host.mutable_data(), value->device.get(), value->bytes(), stream_);
    any = true;
  }
  if (any) synchronize();
}

void StepDevice::synchronize() {
  device().synchronize(stream_);
  on_their_way_.clear();
}

}  // namespace tenon::runtime
