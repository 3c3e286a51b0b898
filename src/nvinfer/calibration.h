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
/// The build that ranges are for.
struct CalibrationBuild {
  const builder::BuildOptions& options;  ///< backend, threads, profiles, progress
  int32_t max_batch;                     ///< of plugins, where the batch is implicit
};

/// Scales of 8-bit values by tensor name; a dynamic range goes before what the calibrator found. `graph` is the lowered
/// network, whose plugins are not settled yet: they calibrate in floats. Throws kInvalidArgument naming what the
/// calibrator gave if that cannot be used, kCancelled if the progress monitor ends it.
std::map<std::string, float> int8_scales(const Network& network, const BuilderConfig& config, const ir::Graph& graph,
                                         const CalibrationBuild& build, const Reports& reports);

/// A calibration cache as text: a line "TRT-<version>-<algorithm>", then a line "<tensor>: <bits of the scale in hex>"
/// each.
std::string print_calibration(CalibrationAlgoType algorithm, const std::map<std::string, float>& scales);
/// Throws kCorruptFile naming the line.
std::map<std::string, float> parse_calibration(std::string_view text);
#endif

}  // namespace tenon::nvinfer
