// Where weights in a device's memory come from.
#pragma once
#include <optional>

#include "backends/device.h"
#include "backends/kernel.h"

namespace tenon {

/// A cache of weights that also gives memory for them.
class DeviceWeights : public WeightCache {
 public:
  virtual std::shared_ptr<void> allocate(const Device& device, size_t bytes) = 0;
};

/// Memory from `weights` where it gives some, else the device's own.
std::shared_ptr<void> weight_memory(WeightCache* weights, const Device& device, size_t bytes);

/// Bytes of the device's memory that nobody holds; none if the driver does not tell.
std::optional<size_t> free_memory(const Device& device);

}  // namespace tenon
