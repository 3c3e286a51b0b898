// What --layerPrecisions, --layerOutputTypes, --inputIOFormats, --outputIOFormats and --calib say to a network and its
// configuration.
#pragma once
#include <NvInfer.h>

#include <memory>

#include "trtexec/log.h"
#include "trtexec/options.h"

namespace trtexec {

/// Gives layers the types of --layerPrecisions and --layerOutputTypes; "*" stands for layers that are not named. Throws
/// std::runtime_error for an unknown type and for a name that no layer has.
void set_layer_types(const Options& options, nvinfer1::INetworkDefinition& network);

/// Gives inputs and outputs the types and formats of --inputIOFormats and --outputIOFormats: one "type:format+format"
/// each, in the network's order, or one for all. Throws std::runtime_error for words that mean nothing and for too many
/// or too few of them.
void set_io_formats(const Options& options, nvinfer1::INetworkDefinition& network);

/// A calibrator that reads the cache of --calib and has no data of its own. Without that option, but with --int8 on a
/// network that has neither quantize layers nor dynamic ranges, one that gives random inputs, which the log says; else
/// null. `profile` has the shapes of dynamic inputs. Must live until the build is over.
std::unique_ptr<nvinfer1::IInt8Calibrator> make_calibrator(const Options& options,
                                                           const nvinfer1::INetworkDefinition& network,
                                                           const nvinfer1::IOptimizationProfile& profile, Log& log);

}  // namespace trtexec
