#include "nvinfer/convert.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "nvinfer/conversion.h"

namespace tenon::nvinfer {
namespace {

using nvinfer1::DataType;

struct TypePair {
  DataType api;
  ir::DType core;
};

constexpr TypePair kTypes[] = {
    {DataType::kFLOAT, ir::DType::kF32}, {DataType::kHALF, ir::DType::kF16},     {DataType::kINT8, ir::DType::kI8},
    {DataType::kINT32, ir::DType::kI32}, {DataType::kBOOL, ir::DType::kBool},
#if NV_TENSORRT_MAJOR >= 8
    {DataType::kUINT8, ir::DType::kU8},  {DataType::kFP8, ir::DType::kF8E4M3FN}, {DataType::kBF16, ir::DType::kBF16},
    {DataType::kINT64, ir::DType::kI64},
#endif
#if NV_TENSORRT_MAJOR >= 10
    {DataType::kINT4, ir::DType::kI4},   {DataType::kFP4, ir::DType::kF4E2M1},   {DataType::kE8M0, ir::DType::kF8E8M0},
#endif
};

bool is_named(ir::DType type) {
  return std::any_of(std::begin(kTypes), std::end(kTypes), [type](const TypePair& pair) { return pair.core == type; });
}

/// Who owns weights of this thread's caller, by the address of their values.
std::vector<std::pair<const void*, std::shared_ptr<const void>>>& weight_owners() {
  thread_local std::vector<std::pair<const void*, std::shared_ptr<const void>>> owners;
  return owners;
}

std::shared_ptr<const void> owner_of(const void* values) {
  for (const auto& [address, owner] : weight_owners()) {
    if (address == values) return owner;
  }
  return {};
}

}  // namespace

ir::DType to_core(DataType type) {
  for (const TypePair& pair : kTypes) {
    if (pair.api == type) return pair.core;
  }
  fail(ErrorCode::kInvalidArgument, "data type ", static_cast<int>(type), " does not exist");
}

DataType to_api(ir::DType type) {
  for (const TypePair& pair : kTypes) {
    if (pair.core == type) return pair.api;
  }
  fail(ErrorCode::kUnsupported, "data type ", type, " has no name in TensorRT ", NV_TENSORRT_MAJOR);
}

void require_named(const std::string& tensor, ir::DType type) {
  require(is_named(type), ErrorCode::kUnsupported, "input or output '", tensor, "' is ", type, ", which TensorRT ",
          NV_TENSORRT_MAJOR, " has no name for");
}

ir::DType shown_type(ir::DType type, bool narrow) {
  if (type == ir::DType::kF64) return ir::DType::kF32;
  return type == ir::DType::kI64 && (narrow || !is_named(type)) ? ir::DType::kI32 : type;
}

ir::Dims to_core(const nvinfer1::Dims& dims) {
  require(dims.nbDims >= 0 && dims.nbDims <= nvinfer1::Dims::MAX_DIMS, ErrorCode::kInvalidArgument, "dims have rank ",
          dims.nbDims, ", 0 to ", static_cast<int>(nvinfer1::Dims::MAX_DIMS), " are accepted");
  return ir::Dims(dims.d, dims.d + dims.nbDims);
}

nvinfer1::Dims to_api(const ir::Dims& dims) {
  using Width = std::remove_reference_t<decltype(nvinfer1::Dims{}.d[0])>;
  require(dims.size() <= size_t(nvinfer1::Dims::MAX_DIMS), ErrorCode::kUnsupported, "a tensor has rank ", dims.size(),
          ", the interface names up to ", static_cast<int>(nvinfer1::Dims::MAX_DIMS));
  nvinfer1::Dims out = no_dims();
  out.nbDims = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    require(dims[i] <= std::numeric_limits<Width>::max(), ErrorCode::kUnsupported, "dimension ", dims[i],
            " does not fit this TensorRT level");
    out.d[i] = static_cast<Width>(dims[i]);
  }
  return out;
}

nvinfer1::Dims no_dims() {
  nvinfer1::Dims dims{};
  dims.nbDims = 0;
  return dims;
}

nvinfer1::Dims invalid_dims() {
  nvinfer1::Dims dims{};
  dims.nbDims = -1;
  return dims;
}

std::vector<int32_t> narrowed(const ir::Dims& values, const char* tensor) {
  for (int64_t v : values)
    require(v == static_cast<int32_t>(v), ErrorCode::kUnsupported, "the value ", v, " of '", tensor,
            "' does not fit 32 bits, the newer form of the call has 64");
  return {values.begin(), values.end()};
}

ir::Dims dims_of(const ir::Shape& shape) {
  ir::Dims dims;
  for (ir::Dim d : shape) dims.push_back(d.is_const() ? d.constant() : -1);
  return dims;
}

ir::Tensor to_core(const nvinfer1::Weights& weights) {
  require(weights.count >= 0, ErrorCode::kInvalidArgument, "weights have count ", weights.count);
  if (weights.count == 0) return {};
  require(weights.values != nullptr, ErrorCode::kInvalidArgument, "weights of count ", weights.count,
          " have no values");
  const ir::DType type = to_core(weights.type);
  const auto* bytes = static_cast<const std::byte*>(weights.values);
  return ir::Tensor(type, {weights.count}, owner_of(weights.values),
                    {bytes, size_t(ir::storage_bytes(type, weights.count))});
}

nvinfer1::Weights to_api(const ir::Tensor& tensor) {
  if (!tensor.defined()) return {DataType::kFLOAT, nullptr, 0};
  return {to_api(tensor.dtype()), tensor.data().data(), tensor.count()};
}

void LoggerSink::log(Severity severity, std::string_view message) noexcept {
  reports_.log(static_cast<nvinfer1::ILogger::Severity>(severity), std::string(message));
}

}  // namespace tenon::nvinfer

// For the Python module: while set, tensors made on this thread of weights at `values` hold *owner; null ends that.
extern "C" TENSORRTAPI void tenon_own_weights(const void* values, const std::shared_ptr<const void>* owner) {
  auto& owners = tenon::nvinfer::weight_owners();
  if (owner != nullptr) {
    owners.emplace_back(values, *owner);
  } else {
    std::erase_if(owners, [&](const auto& entry) { return entry.first == values; });
  }
}
