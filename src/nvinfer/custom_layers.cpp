#include "nvinfer/custom_layers.h"

#include "nvinfer/network.h"

namespace tenon::nvinfer {

Permutation ShuffleLayer::order_of(const char* field) const {
  const auto& known = read<ir::Dims>(field);
  Permutation p;
  for (int32_t i = 0; i < Dims::MAX_DIMS; ++i)
    p.order[i] = size_t(i) < known.size() ? static_cast<int32_t>(known[size_t(i)]) : i;
  return p;
}

/// The permutation of the node's axes: the batch, where it is implicit, stays in front.
ir::Dims ShuffleLayer::core_order(const Permutation& permutation) const {
  ir::Dims order(permutation.order, permutation.order + Dims::MAX_DIMS);
  if (network_.implicit()) {
    for (int64_t& axis : order) ++axis;
    order.insert(order.begin(), 0);
  }
  return order;
}

void ShuffleLayer::setFirstTranspose(const Permutation& permutation) noexcept {
  guard(reports(), "IShuffleLayer::setFirstTranspose", [&] {
    first_ = permutation;
    edit<ir::Dims>("first_transpose") = core_order(permutation);
  });
}

void ShuffleLayer::setSecondTranspose(const Permutation& permutation) noexcept {
  guard(reports(), "IShuffleLayer::setSecondTranspose", [&] {
    second_ = permutation;
    edit<ir::Dims>("second_transpose") = core_order(permutation);
  });
}

void ShuffleLayer::setReshapeDimensions(DimsArg dims) noexcept {
  if (set("reshape_dimensions", static_cast<Dims>(dims))) set("reshapes", true);
}

Dims ShuffleLayer::getReshapeDimensions() const noexcept {
  return get<bool>("reshapes") ? get<Dims>("reshape_dimensions") : invalid_dims();
}

void ResizeLayer::setScales(const float* scales, int32_t count) noexcept {
  guard(reports(), "IResizeLayer::setScales", [&] {
    require(count >= 0, ErrorCode::kInvalidArgument, "there are ", count, " scales");
    edit<std::vector<float>>("scales").assign(need(scales, "scales"), scales + count);
  });
}

int32_t ResizeLayer::getScales(int32_t size, float* scales) const noexcept {
  return guard(
      reports(), "IResizeLayer::getScales",
      [&] {
        const auto& known = read<std::vector<float>>("scales");
        if (scales && size >= static_cast<int32_t>(known.size())) std::copy(known.begin(), known.end(), scales);
        return known.empty() ? -1 : static_cast<int32_t>(known.size());
      },
      -1);
}

void ResizeLayer::setOutputDimensions(DimsArg dims) noexcept {
  guard(reports(), "IResizeLayer::setOutputDimensions", [&] {
    edit<ir::Dims>("output_dimensions") = to_core(dims);
    edit<std::vector<float>>("scales").clear();
  });
}

}  // namespace tenon::nvinfer
