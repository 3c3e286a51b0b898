// What --layerPrecisions, --layerOutputTypes and --calib say to a network and its configuration.
#pragma once
#include <NvInfer.h>

#include <memory>

#include "trtexec/options.h"

namespace trtexec {

/// Gives layers the types of --layerPrecisions and --layerOutputTypes; "*" stands for layers that are not named. Throws
/// std::runtime_error for an unknown type and for a name that no layer has.
void set_layer_types(const Options& options, nvinfer1::INetworkDefinition& network);

/// A calibrator that reads the cache of --calib and has no data of its own; null without that option. Must live until
/// the build is over.
std::unique_ptr<nvinfer1::IInt8Calibrator> read_calibration(const Options& options);

}  // namespace trtexec
