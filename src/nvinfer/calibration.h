// INT8 by ranges: from ITensor::setDynamicRange and from the user's calibrator, which runs the network in FP32 over its
// batches or reads its cache.
#pragma once
#include <map>
#include <string>

#include "builder/builder.h"
#include "nvinfer/config.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

#if TRT_UNTIL(10)
/// Scales of 8-bit values by tensor name; a dynamic range goes before what the calibrator found. `graph` is the lowered
/// network. Throws kInvalidArgument naming what the calibrator gave if that cannot be used, kCancelled if `monitor`,
/// which may be null, ends it.
std::map<std::string, float> int8_scales(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                                         int threads, builder::ProgressMonitor* monitor, const Reports& reports);

/// A calibration cache as text: a line "TRT-<version>-<algorithm>", then a line "<tensor>: <bits of the scale in hex>"
/// each.
std::string print_calibration(CalibrationAlgoType algorithm, const std::map<std::string, float>& scales);
/// Throws kCorruptFile naming the line.
std::map<std::string, float> parse_calibration(std::string_view text);
#endif

}  // namespace tenon::nvinfer
