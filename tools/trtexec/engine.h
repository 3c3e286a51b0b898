// Getting an engine: built from a model or loaded from a plan.
#pragma once
#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <memory>
#include <vector>

#include "trtexec/log.h"
#include "trtexec/options.h"

namespace trtexec {

/// An engine and what it depends on, destroyed in order.
struct Loaded {
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
};

/// Builds or loads as the options say, and saves the plan where asked; without an engine where that was all, or where
/// --timeDeserialize was. Throws std::runtime_error with the reason.
Loaded make_engine(const Options& options, Log& log);
/// Bytes of a file. Throws std::runtime_error.
std::vector<char> read_file(const std::string& path);
/// The version in a plan's header as a sentence. Throws std::runtime_error for other files.
std::string plan_version(const std::string& path);
/// Writes beside the target and renames, so that the old file stays on failure; what is no file, such as a device, is
/// written itself. Throws std::runtime_error.
void write_file(const std::string& path, const void* data, size_t size);

}  // namespace trtexec
