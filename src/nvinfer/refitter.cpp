// IRefitter: new weights and ranges for an engine.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/device.h"
#include "backends/host_memory.h"
#include "nvinfer/refit.h"

namespace tenon::nvinfer {
namespace {

constexpr float kSteps = 127;  ///< of a range to either side of 0

}  // namespace

Refitter::Refitter(CudaEngine& engine, ILogger* logger) : engine_(engine, "the refitter's engine"), reports_(logger) {
  for (RefitEntry& e : refit_entries(engine.core().plan())) slots_.push_back({std::move(e), std::nullopt});
  scales_ = refit_scales(engine.core().plan());
#if NV_TENSORRT_MAJOR >= 8
  weights_validation_ = true;
#endif
}

Refitter::Slot& Refitter::named(const char* name) {
  need(name, "name");
  engine_.get();
  for (Slot& slot : slots_)
    if (slot.entry.name == name) return slot;
  fail(ErrorCode::kInvalidArgument, "the engine has no refittable weights called '", name, "'");
}

void Refitter::give(Slot& slot, const Weights& weights, TensorLocation location) const {
  const RefitEntry& e = slot.entry;
  require(weights.count == e.count(), ErrorCode::kInvalidArgument, "weights '", e.name, "' have ", e.count(),
          " elements, ", weights.count, " are given");
  need(weights.values, "weights.values");
  require(to_core(weights.type) == e.type, ErrorCode::kInvalidArgument, "weights '", e.name, "' are ", e.type, ", ",
          to_core(weights.type), " are given");
  const Device* device = engine_.get().core().backend().device();
  if (device && need_known(location, "location") == TensorLocation::kDEVICE)
    require(device->reaches(weights.values), ErrorCode::kInvalidArgument, "weights '", e.name,
            "' are given as device memory and are in host memory");
  else
    require(device ? device->host_reaches(weights.values) : host_reaches(weights.values), ErrorCode::kInvalidArgument,
            "weights '", e.name, "' are in device memory, ",
            device ? "with their location as host memory" : "the engine runs on the processor");
  slot.given = weights;
  slot.location = location;
}

/// What is given, in memory of its own on the host.
ir::Tensor Refitter::copy_of(const Slot& slot) const {
  const ir::Tensor theirs = to_core(*slot.given);
  ir::Tensor own(theirs.dtype(), theirs.dims());
  const Device* device = engine_.get().core().backend().device();
  if (device && slot.location == TensorLocation::kDEVICE) {
    device->copy(own.mutable_data(), theirs.data().data(), theirs.data().size(), device->own_stream());
    device->synchronize(device->own_stream());
  } else {
    std::memcpy(own.mutable_data(), theirs.data().data(), theirs.data().size());
  }
  return own;
}

bool Refitter::setWeights(const char* layer, WeightsRole role, Weights weights) noexcept {
  return guard(reports_, "IRefitter::setWeights", [&] {
    need(layer, "layerName");
    engine_.get();
    for (Slot& slot : slots_)
      if (slot.entry.layer == layer && slot.entry.role == role) return give(slot, weights), true;
    fail(ErrorCode::kInvalidArgument, "layer '", layer, "' has no refittable weights of role ", static_cast<int>(role));
  });
}

bool Refitter::setNamedWeights(const char* name, Weights weights) noexcept {
  return guard(reports_, "IRefitter::setNamedWeights", [&] { return give(named(name), weights), true; });
}

bool Refitter::setNamedWeightsWithLocation(const char* name, Weights weights, TensorLocation location) noexcept {
  return guard(reports_, "IRefitter::setNamedWeights", [&] { return give(named(name), weights, location), true; });
}

bool Refitter::unsetNamedWeights(const char* name) noexcept {
  return guard(reports_, "IRefitter::unsetNamedWeights", [&] {
    Slot& slot = named(name);
    const bool was = slot.given.has_value();
    slot.given.reset();
    return was;
  });
}

Weights Refitter::getNamedWeights(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getNamedWeights",
      [&] {
        return named(name).given.value_or(Weights{DataType::kFLOAT, nullptr, 0});
      },
      Weights{DataType::kFLOAT, nullptr, 0});
}

Weights Refitter::getWeightsPrototype(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getWeightsPrototype",
      [&] {
        const RefitEntry& e = named(name).entry;
        return Weights{to_api(e.type), nullptr, e.count()};
      },
      Weights{DataType::kFLOAT, nullptr, 0});
}

TensorLocation Refitter::getWeightsLocation(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getWeightsLocation",
      [&] {
        const Slot& slot = named(name);
        return slot.given ? slot.location : TensorLocation::kHOST;
      },
      TensorLocation::kHOST);
}

template <class Wanted, class Write>
int32_t Refitter::list(const char* where, Wanted wanted, int32_t size, Write write) const noexcept {
  return guard(reports_, where, [&] {
    engine_.get();
    int32_t count = 0;
    for (const Slot& slot : slots_) {
      if (!wanted(slot)) continue;
      if (count < size) write(count, slot.entry);
      ++count;
    }
    return count;
  });
}

namespace {
constexpr auto kAll = [](const auto&) { return true; };
constexpr auto kMissing = [](const auto& slot) { return slot.missing(); };
auto roles_to(const char** layers, WeightsRole* roles) {
  return [layers, roles](int32_t i, const RefitEntry& e) {
    if (layers) layers[i] = e.layer.c_str();
    if (roles) roles[i] = e.role;
  };
}
auto names_to(const char** names) {
  return [names](int32_t i, const RefitEntry& e) {
    if (names) names[i] = e.name.c_str();
  };
}
}  // namespace

int32_t Refitter::getAll(int32_t size, const char** layers, WeightsRole* roles) noexcept {
  return list("IRefitter::getAll", kAll, size, roles_to(layers, roles));
}
int32_t Refitter::getMissing(int32_t size, const char** layers, WeightsRole* roles) noexcept {
  return list("IRefitter::getMissing", kMissing, size, roles_to(layers, roles));
}
int32_t Refitter::getAllWeights(int32_t size, const char** names) noexcept {
  return list("IRefitter::getAllWeights", kAll, size, names_to(names));
}
int32_t Refitter::getMissingWeights(int32_t size, const char** names) noexcept {
  return list("IRefitter::getMissingWeights", kMissing, size, names_to(names));
}

int Refitter::threads() const {
#if NV_TENSORRT_MAJOR >= 8
  return max_threads_;
#else
  return 0;
#endif
}

bool Refitter::refitCudaEngine() noexcept {
  return guard(reports_, "IRefitter::refitCudaEngine", [&] {
    CudaEngine& engine = engine_.get();
    RefitChanges changes;
    for (const Slot& slot : slots_)
      if (slot.given) changes.weights[slot.entry.value] = copy_of(slot);
    changes.scales = given_scales_;
    engine.refit(refitted(engine.core().plan(), changes, engine.core().backend(), threads()));
    for (Slot& slot : slots_) {
      if (slot.given) slot.entry.stripped = false;
      slot.given.reset();
    }
    scales_ = refit_scales(engine.core().plan());
    given_scales_.clear();
    return true;
  });
}

bool Refitter::refitCudaEngineAsync(cudaStream_t stream) noexcept {
  return guard(reports_, "IRefitter::refitCudaEngineAsync", [&] {
    // What is given in device memory may be written on the stream.
    if (const Device* device = engine_.get().core().backend().device()) device->synchronize(stream);
    return refitCudaEngine();
  });
}

float Refitter::scale(const char* tensor) const {
  need(tensor, "tensorName");
  engine_.get();
  const auto known = scales_.find(tensor);
  require(known != scales_.end(), ErrorCode::kInvalidArgument, "tensor '", tensor,
          "' has no dynamic range in the engine");
  const auto given = given_scales_.find(tensor);
  return given != given_scales_.end() ? given->second : known->second;
}

bool Refitter::setDynamicRange(const char* tensor, float min, float max) noexcept {
  return guard(reports_, "IRefitter::setDynamicRange", [&] {
    scale(tensor);
    require(min <= max && std::isfinite(min) && std::isfinite(max) && (min != 0 || max != 0),
            ErrorCode::kInvalidArgument, "the range of '", tensor, "' is given as ", min, " to ", max);
    const ir::Graph& source = *engine_.get().core().plan().source;
    const ir::ValueId v = source.find(tensor);
    const ir::Node* maker = source.producer(v);
    bool fixed = maker && maker->op == "DequantizeLinear";
    if (v != ir::kNone)
      for (ir::NodeId n : source.users(v)) fixed = fixed || source.node(n).op == "QuantizeLinear";
    require(!fixed, ErrorCode::kInvalidArgument, "tensor '", tensor,
            "' is rounded by the network itself, for a plugin or a type that was set; its range cannot change");
    return given_scales_[tensor] = std::max(std::abs(min), std::abs(max)) / kSteps, true;
  });
}
float Refitter::getDynamicRangeMin(const char* tensor) const noexcept {
  return guard(reports_, "IRefitter::getDynamicRangeMin", [&] { return -kSteps * scale(tensor); });
}
float Refitter::getDynamicRangeMax(const char* tensor) const noexcept {
  return guard(reports_, "IRefitter::getDynamicRangeMax", [&] { return kSteps * scale(tensor); });
}
int32_t Refitter::getTensorsWithDynamicRange(int32_t size, const char** names) const noexcept {
  return guard(reports_, "IRefitter::getTensorsWithDynamicRange", [&] {
    engine_.get();
    int32_t count = 0;
    for (const auto& [name, scale] : scales_) {
      if (names && count < size) names[count] = name.c_str();
      ++count;
    }
    return count;
  });
}

}  // namespace tenon::nvinfer
