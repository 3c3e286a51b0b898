// Tensors watched while a network runs: --saveDebugTensors and --saveAllDebugTensors.
#pragma once
#include <NvInferRuntime.h>

#include <memory>

#include "trtexec/device.h"
#include "trtexec/log.h"
#include "trtexec/options.h"

namespace trtexec {

/// A listener that writes what it is shown, with the watched tensors of `context` switched on; null where the options
/// name none. Throws std::runtime_error for a name that is no debug tensor of the engine.
std::unique_ptr<nvinfer1::IDebugListener> watch_tensors(const Options& options, nvinfer1::IExecutionContext& context,
                                                        Device& device, Log& log);

}  // namespace trtexec
