// Between the types of the public interface and the core's.
#pragma once
#include <string>

#include <NvInfer.h>

#include "base/log.h"
#include "ir/tensor.h"
#include "nvinfer/guard.h"

namespace tenon::nvinfer {

// Parameter types that widened at level 10.
#if NV_TENSORRT_MAJOR >= 10
using DimsArg = const nvinfer1::Dims&;
using DimInt = int64_t;
#else
using DimsArg = nvinfer1::Dims;
using DimInt = int32_t;
#endif

/// Throws kInvalidArgument for a number that is no data type of this level.
ir::DType to_core(nvinfer1::DataType type);
/// Throws kUnsupported for a core type that this level cannot name.
nvinfer1::DataType to_api(ir::DType type);
/// Throws kInvalidArgument unless 0 <= nbDims <= MAX_DIMS.
ir::Dims to_core(const nvinfer1::Dims& dims);
/// Throws kUnsupported if the rank exceeds MAX_DIMS or a size does not fit the level's width.
nvinfer1::Dims to_api(const ir::Dims& dims);
/// nbDims is -1: what queries answer when there is no shape to tell.
nvinfer1::Dims invalid_dims();
nvinfer1::Dims no_dims();  ///< rank 0
/// -1 where a dimension is symbolic.
ir::Dims dims_of(const ir::Shape& shape);
/// Values of a shape tensor as 32-bit numbers. Throws kUnsupported naming the tensor if one does not fit.
std::vector<int32_t> narrowed(const ir::Dims& values, const char* tensor);
/// A tensor over the user's memory, which must outlive it unless tenon_own_weights() named an owner; dims {count}.
/// Undefined for empty weights.
ir::Tensor to_core(const nvinfer1::Weights& weights);
nvinfer1::Weights to_api(const ir::Tensor& tensor);

/// Passes the core's messages on to a user's logger.
class LoggerSink : public LogSink {
 public:
  explicit LoggerSink(const Reports& reports) : reports_(reports) {}
  void log(Severity severity, std::string_view message) noexcept override;

 private:
  const Reports& reports_;
};

}  // namespace tenon::nvinfer
