// nvinfer1::utils: rearranging weights that come from other frameworks.
#include "nvinfer/level.h"

#if TRT_UNTIL(8)
#include <NvUtils.h>

#include <cstring>
#include <vector>

#include "base/checked.h"
#include "ir/dtype.h"
#include "nvinfer/convert.h"

namespace tenon::nvinfer {
namespace {

size_t element_bytes(nvinfer1::DataType type) {
  const int bits = ir::bits(to_core(type));
  require(bits >= 8, ErrorCode::kUnsupported, "elements of ", bits, " bits cannot be moved one by one");
  return static_cast<size_t>(bits) / 8;
}

/// Copies `input`, of dims `shape`, so that its axis order[i] becomes axis i.
void transpose(const nvinfer1::Weights& input, const int32_t* shape, const int32_t* order, int32_t rank,
               std::byte* output) {
  std::vector<int64_t> stride(static_cast<size_t>(rank)), step(stride), dims(stride), index(stride);
  int64_t count = 1;
  for (int32_t axis = rank - 1; axis >= 0; --axis) {
    require(shape[axis] > 0, ErrorCode::kInvalidArgument, "dimension ", axis, " of the weights is ", shape[axis]);
    stride[size_t(axis)] = count;
    count = checked_mul(count, static_cast<int64_t>(shape[axis]));
  }
  require(count == input.count, ErrorCode::kShapeMismatch, "the shape has ", count, " elements, the weights have ",
          input.count);
  std::vector<bool> seen(stride.size());
  for (size_t i = 0; i < stride.size(); ++i) {
    const int32_t axis = order[i];
    require(axis >= 0 && axis < rank && !seen[size_t(axis)], ErrorCode::kInvalidArgument, "the order names axis ", axis,
            " at place ", i, "; accepted is every axis below ", rank, " once");
    seen[size_t(axis)] = true;
    step[i] = stride[size_t(axis)];
    dims[i] = shape[axis];
  }
  const size_t bytes = element_bytes(input.type);
  const auto* source = static_cast<const std::byte*>(input.values);
  for (int64_t to = 0; to < count; ++to) {
    int64_t from = 0;
    for (size_t i = 0; i < index.size(); ++i) from += index[i] * step[i];
    std::memcpy(output + size_t(to) * bytes, source + size_t(from) * bytes, bytes);
    for (size_t i = index.size(); i-- > 0 && ++index[i] == dims[i];) index[i] = 0;
  }
}

}  // namespace
}  // namespace tenon::nvinfer

namespace nvinfer1::utils {
using namespace tenon;           // NOLINT: the functions are the public ones
using namespace tenon::nvinfer;  // NOLINT

TENSORRTAPI bool reshapeWeights(const Weights& input, const int32_t* shape, const int32_t* shapeOrder, void* data,
                                int32_t nbDims) {
  return guard(Reports(first_logger()), "reshapeWeights", [&] {
    require(nbDims > 0 && nbDims <= Dims::MAX_DIMS, tenon::ErrorCode::kInvalidArgument, "there are ", nbDims,
            " dimensions, 1 to ", static_cast<int>(Dims::MAX_DIMS), " are accepted");
    need(input.values, "input.values");
    transpose(input, need(shape, "shape"), need(shapeOrder, "shapeOrder"), nbDims,
              static_cast<std::byte*>(need(data, "data")));
    return true;
  });
}

TENSORRTAPI bool reorderSubBuffers(void* input, const int32_t* order, int32_t num, int32_t size) {
  return guard(Reports(first_logger()), "reorderSubBuffers", [&] {
    require(num > 0 && size > 0, tenon::ErrorCode::kInvalidArgument, "there are ", num, " buffers of ", size, " bytes");
    const size_t bytes = static_cast<size_t>(size);
    auto* buffers = static_cast<std::byte*>(need(input, "input"));
    const std::vector<std::byte> old(buffers, buffers + static_cast<size_t>(num) * bytes);
    for (int32_t i = 0; i < num; ++i) {
      const int32_t from = need(order, "order")[i];
      require(from >= 0 && from < num, tenon::ErrorCode::kInvalidArgument, "the order names buffer ", from, " of ",
              num);
    }
    for (size_t i = 0; i < static_cast<size_t>(num); ++i) {
      std::memcpy(buffers + i * bytes, old.data() + static_cast<size_t>(order[i]) * bytes, bytes);
    }
    return true;
  });
}

TENSORRTAPI bool transposeSubBuffers(void* input, DataType type, int32_t num, int32_t height, int32_t width) {
  return guard(Reports(first_logger()), "transposeSubBuffers", [&] {
    require(num > 0 && height > 0 && width > 0, tenon::ErrorCode::kInvalidArgument, "there are ", num, " buffers of ",
            height, " x ", width);
    const int64_t count = checked_mul(static_cast<int64_t>(height), static_cast<int64_t>(width));
    const size_t bytes = static_cast<size_t>(checked_mul(count, static_cast<int64_t>(element_bytes(type))));
    const int32_t shape[] = {height, width}, order[] = {1, 0};
    auto* buffer = static_cast<std::byte*>(need(input, "input"));
    for (int32_t i = 0; i < num; ++i, buffer += bytes) {
      const std::vector<std::byte> old(buffer, buffer + bytes);
      transpose(Weights{type, old.data(), count}, shape, order, 2, buffer);
    }
    return true;
  });
}

}  // namespace nvinfer1::utils
#endif
