// Weights given to an engine anew: --refitFromOnnx, --timeRefit, --dumpRefit.
#pragma once
#include <NvInferRuntime.h>

#include "trtexec/log.h"
#include "trtexec/options.h"

namespace trtexec {

/// What the options ask of `engine`. An engine that was just built without its weights gets those of its model. Throws
/// std::runtime_error where it refuses.
void refit(const Options& options, nvinfer1::ICudaEngine& engine, Log& log);

}  // namespace trtexec
