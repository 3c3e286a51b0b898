// IOptimizationProfile: ranges of dims and of shape values by input name.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "nvinfer/convert.h"
#include "nvinfer/lifetime.h"
#include "plan/plan.h"

namespace tenon::nvinfer {
using namespace nvinfer1;  // NOLINT: signatures as in the description

class OptimizationProfile final : public IOptimizationProfile, public apiv::VOptimizationProfile {
 public:
  explicit OptimizationProfile(const Reports& reports) : reports_(reports) { this->mImpl = this; }
  OptimizationProfile(const OptimizationProfile& other)
      : IOptimizationProfile(),
        apiv::VOptimizationProfile(),
        reports_(other.reports_),
        dims_(other.dims_),
        values_(other.values_),
        extra_(other.extra_),
        stream_(other.stream_) {
    this->mImpl = this;
  }

  bool setDimensions(const char* name, OptProfileSelector select, DimsArg dims) noexcept;
  Dims getDimensions(const char* name, OptProfileSelector select) const noexcept;
  bool setShapeValues(const char* name, OptProfileSelector select, const int32_t* values, int32_t count) noexcept;
  bool setShapeValuesV2(const char* name, OptProfileSelector select, const int64_t* values, int32_t count) noexcept;
  int32_t getNbShapeValues(const char* name) const noexcept;
  const int32_t* getShapeValues(const char* name, OptProfileSelector select) const noexcept;
  const int64_t* getShapeValuesV2(const char* name, OptProfileSelector select) const noexcept;
  bool setExtraMemoryTarget(float target) noexcept;
  float getExtraMemoryTarget() const noexcept { return extra_; }
  void setProfileStream(cudaStream_t stream) noexcept { stream_ = stream; }
  cudaStream_t getProfileStream() const noexcept { return stream_; }
  bool isValid() const noexcept;

  /// The ranges of a network's inputs. Throws kShapeMismatch naming a dynamic input without a range.
  plan::Profile ranges(const ir::Graph& network) const;
  /// Names of inputs that the network does not have.
  std::set<std::string> not_in(const ir::Graph& network) const;
  const Lifetime& lifetime() const { return lifetime_; }

 private:
  using Triple = std::array<std::optional<ir::Dims>, 3>;
  Reports reports_;
  std::map<std::string, Triple> dims_, values_;
  mutable std::map<std::pair<std::string, int>, std::vector<int32_t>> narrow_;
  float extra_ = 1;
  cudaStream_t stream_ = nullptr;
  Lifetime lifetime_;
  Registered registered_{static_cast<IOptimizationProfile*>(this)};
};

}  // namespace tenon::nvinfer
