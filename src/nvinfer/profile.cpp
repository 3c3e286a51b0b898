#include "nvinfer/profile.h"

namespace tenon::nvinfer {
namespace {

size_t index_of(OptProfileSelector select) {
  const auto i = static_cast<int>(select);
  require(i >= 0 && i < 3, ErrorCode::kInvalidArgument, "profile selector ", i, " does not exist");
  return static_cast<size_t>(i);
}

}  // namespace

bool OptimizationProfile::setDimensions(const char* name, OptProfileSelector select, DimsArg dims) noexcept {
  return guard(reports_, "IOptimizationProfile::setDimensions", [&] {
    const ir::Dims sizes = to_core(dims);
    for (int64_t d : sizes)
      require(d >= 0, ErrorCode::kInvalidArgument, "dims ", sizes, " of '", need(name, "inputName"),
              "' have a negative size");
    const size_t selected = index_of(select);
    const auto known = dims_.find(need(name, "inputName"));
    for (size_t i = 0; known != dims_.end() && i < known->second.size(); ++i) {
      const std::optional<ir::Dims>& other = known->second[i];
      require(i == selected || !other || other->size() == sizes.size(), ErrorCode::kInvalidArgument, "dims ", sizes,
              " of '", name, "' are of another rank than ", other.value_or(ir::Dims()), ", which were set before");
    }
    dims_[name][selected] = sizes;
    return true;
  });
}

Dims OptimizationProfile::getDimensions(const char* name, OptProfileSelector select) const noexcept {
  return guard(
      reports_, "IOptimizationProfile::getDimensions",
      [&] {
        auto it = dims_.find(need(name, "inputName"));
        const bool known = it != dims_.end() && it->second[index_of(select)];
        return known ? to_api(*it->second[index_of(select)]) : invalid_dims();
      },
      invalid_dims());
}

bool OptimizationProfile::setShapeValuesV2(const char* name, OptProfileSelector select, const int64_t* values,
                                           int32_t count) noexcept {
  return guard(reports_, "IOptimizationProfile::setShapeValues", [&] {
    require(count >= 0, ErrorCode::kInvalidArgument, "there are ", count, " values");
    const size_t selected = index_of(select);
    const auto known = values_.find(need(name, "inputName"));
    for (size_t i = 0; known != values_.end() && i < known->second.size(); ++i)
      require(i == selected || !known->second[i] || known->second[i]->size() == size_t(count),
              ErrorCode::kInvalidArgument, count, " values of '", name, "', another number than was set before");
    values_[name][selected] = ir::Dims(need(values, "values"), values + count);
    return true;
  });
}

bool OptimizationProfile::setShapeValues(const char* name, OptProfileSelector select, const int32_t* values,
                                         int32_t count) noexcept {
  return guard(reports_, "IOptimizationProfile::setShapeValues", [&] {
    require(count >= 0, ErrorCode::kInvalidArgument, "there are ", count, " values");
    need(values, "values");
    const ir::Dims wide(values, values + count);
    return setShapeValuesV2(name, select, wide.data(), count);
  });
}

int32_t OptimizationProfile::getNbShapeValues(const char* name) const noexcept {
  auto it = name ? values_.find(name) : values_.end();
  if (it == values_.end()) return -1;
  for (const auto& known : it->second) {
    if (known) return static_cast<int32_t>(known->size());
  }
  return -1;
}

const int64_t* OptimizationProfile::getShapeValuesV2(const char* name, OptProfileSelector select) const noexcept {
  return guard(reports_, "IOptimizationProfile::getShapeValues", [&]() -> const int64_t* {
    auto it = values_.find(need(name, "inputName"));
    const bool known = it != values_.end() && it->second[index_of(select)];
    return known ? it->second[index_of(select)]->data() : nullptr;
  });
}

const int32_t* OptimizationProfile::getShapeValues(const char* name, OptProfileSelector select) const noexcept {
  return guard(reports_, "IOptimizationProfile::getShapeValues", [&]() -> const int32_t* {
    auto it = values_.find(need(name, "inputName"));
    const bool known = it != values_.end() && it->second[index_of(select)];
    if (!known) return nullptr;
    auto& narrow = narrow_[{name, static_cast<int>(select)}];
    narrow = narrowed(*it->second[index_of(select)], name);
    return narrow.data();
  });
}

bool OptimizationProfile::setExtraMemoryTarget(float target) noexcept {
  return guard(reports_, "IOptimizationProfile::setExtraMemoryTarget", [&] {
    require(target >= 0 && target <= 1, ErrorCode::kInvalidArgument, "the target is ", target, ", 0 to 1 are accepted");
    return extra_ = target, true;
  });
}

bool OptimizationProfile::isValid() const noexcept {
  for (const auto& [name, triple] : dims_) {
    if (!triple[0] || !triple[1] || !triple[2]) return false;
    const ir::Dims &low = *triple[0], &opt = *triple[1], &high = *triple[2];
    if (low.size() != opt.size() || opt.size() != high.size()) return false;
    for (size_t i = 0; i < low.size(); ++i) {
      if (low[i] > opt[i] || opt[i] > high[i]) return false;
    }
  }
  return true;
}

std::set<std::string> OptimizationProfile::not_in(const ir::Graph& network) const {
  std::set<std::string> names;
  for (const auto* given : {&dims_, &values_})
    for (const auto& [name, triple] : *given)
      if (!network.is_input(network.find(name))) names.insert(name);
  return names;
}

plan::Profile OptimizationProfile::ranges(const ir::Graph& network) const {
  plan::Profile profile;
  for (ir::ValueId v : network.inputs) {
    const ir::Value& value = network.value(v);
    const ir::Dims dims = dims_of(value.shape);
    auto it = dims_.find(value.name);
    if (it != dims_.end()) {
      for (const auto& part : it->second) {
        require(part.has_value(), ErrorCode::kShapeMismatch, "input '", value.name, "' needs kMIN, kOPT and kMAX dims");
      }
      profile.inputs.push_back({*it->second[0], *it->second[1], *it->second[2]});
    } else {
      require(ir::is_static(value.shape), ErrorCode::kShapeMismatch, "dynamic input '", value.name, "' ", dims,
              " has no dims in the optimization profile");
      profile.inputs.push_back({dims, dims, dims});
    }
    if (auto known = values_.find(value.name); known != values_.end()) {
      const Triple& t = known->second;
      if (t[0] && t[1] && t[2]) profile.values[value.name] = {*t[0], *t[1], *t[2]};
    }
  }
  return profile;
}

}  // namespace tenon::nvinfer
