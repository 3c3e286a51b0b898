// The device that builders and runtimes work for.
#pragma once
#include "backends/backend.h"
#include "nvinfer/guard.h"

namespace tenon::nvinfer {

/// default_backend(). Warns where that is the processor although there is a GPU.
const Backend& current_device(const Reports& reports);

}  // namespace tenon::nvinfer
