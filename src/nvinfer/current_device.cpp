#include "nvinfer/current_device.h"

#include "backends/cuda_runtime.h"

namespace tenon::nvinfer {

const Backend& current_device(const Reports& reports) {
  const Backend& backend = default_backend();
  if (!backend.device())
    if (const std::string why = unused_gpu(); !why.empty())
      reports.log(nvinfer1::ILogger::Severity::kWARNING, cat("the GPU is not used, the processor is: ", why));
  return backend;
}

}  // namespace tenon::nvinfer
