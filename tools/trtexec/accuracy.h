// Outputs beside what they should be: --loadRefOutputs.
#pragma once
#include "trtexec/inference.h"

namespace trtexec {

/// Logs the error of each output that has a reference file. Throws std::runtime_error if one is above
/// --accuracyThreshold, if a file has another size, and for a name that no output has.
void check_accuracy(const Options& options, const Results& results, Log& log);

}  // namespace trtexec
