// What the options say to a network, its parser and its configuration, precision aside.
#pragma once
#include <NvInfer.h>
#include <NvOnnxParser.h>

#include "trtexec/log.h"
#include "trtexec/options.h"

namespace trtexec {

/// Flags of the parser, before it reads.
void configure_parser(const Options& options, nvonnxparser::IParser& parser);
/// Marks the tensors of --markDebug. Throws std::runtime_error for a name that no tensor has.
void mark_debug_tensors(const Options& options, nvinfer1::INetworkDefinition& network);
/// Every setting of the configuration but profiles and the calibrator. Throws std::runtime_error for words that mean
/// nothing and for settings that the builder refuses.
void configure(const Options& options, const nvinfer1::INetworkDefinition& network, nvinfer1::IBuilderConfig& config);
/// Adds the profiles of the shape options where the network has dynamic dims; gives the one to calibrate in. Throws
/// std::runtime_error for names that no input has and shapes that make no profile.
nvinfer1::IOptimizationProfile& add_profiles(const Options& options, nvinfer1::IBuilder& builder,
                                             nvinfer1::INetworkDefinition& network, nvinfer1::IBuilderConfig& config,
                                             Log& log);

}  // namespace trtexec
