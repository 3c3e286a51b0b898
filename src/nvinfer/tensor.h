// ITensor over one value of a network's graph.
#pragma once
#include <algorithm>
#include <cmath>

#include "ir/graph.h"
#include "nvinfer/convert.h"
#include "settings.h"

namespace tenon::nvinfer {

class Network;

class Tensor final : public TensorState {
 public:
  Tensor(Network& network, ir::ValueId value) : network_(network), value_(value) {}
  ir::ValueId id() const { return value_; }
  const Network& network() const { return network_; }
  void rebind(ir::ValueId value) { value_ = value; }
  /// What a step of the tensor's 8-bit form stands for, by its dynamic range; 0 if that is not set.
  float int8_scale() const { return has_range_ ? std::max(std::abs(min_), std::abs(max_)) / 127.0F : 0.0F; }

  void setName(const char* name) noexcept;
  const char* getName() const noexcept;
  void setDimensions(DimsArg dims) noexcept;
  Dims getDimensions() const noexcept;
  void setType(DataType type) noexcept;
  DataType getType() const noexcept;
  bool isNetworkInput() const noexcept;
  bool isNetworkOutput() const noexcept;
  TensorLocation getLocation() const noexcept { return location_; }
  void setLocation(TensorLocation location) noexcept;
  void setBroadcastAcrossBatch(bool broadcast) noexcept;
  bool getBroadcastAcrossBatch() const noexcept;
  void setAllowedFormats(TensorFormats formats) noexcept;
  TensorFormats getAllowedFormats() const noexcept { return formats_; }
  bool isShapeTensor() const noexcept;
  bool isExecutionTensor() const noexcept;
  void setDimensionName(int32_t index, const char* name) noexcept;
  const char* getDimensionName(int32_t index) const noexcept;
  // INT8 ranges, up to level 10.
  bool setDynamicRange(float min, float max) noexcept;
  bool dynamicRangeIsSet() const noexcept { return has_range_; }
  void resetDynamicRange() noexcept { has_range_ = false; }
  float getDynamicRangeMin() const noexcept { return min_; }
  float getDynamicRangeMax() const noexcept { return max_; }
  float getDynamicRange() const noexcept { return max_; }

 private:
  Network& network_;
  ir::ValueId value_;
  TensorFormats formats_ = 1U;  ///< a bit for each; 1 is kLINEAR
  TensorLocation location_ = TensorLocation::kDEVICE;
  bool has_range_ = false;
  float min_ = 0, max_ = 0;
  mutable std::string dimension_name_;
};

inline Tensor& own(ITensor& tensor) { return static_cast<Tensor&>(tensor); }
inline const Tensor& own(const ITensor& tensor) { return static_cast<const Tensor&>(tensor); }

}  // namespace tenon::nvinfer
