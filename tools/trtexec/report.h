// What trtexec prints and writes about a run.
#pragma once
#include "trtexec/inference.h"

namespace trtexec {

void report(const Options& options, nvinfer1::ICudaEngine& engine, const Results& results, Log& log);
/// The profiles of --dumpOptimizationProfile.
void report_profiles(const Options& options, const nvinfer1::ICudaEngine& engine, Log& log);
/// The layers as the inspector gives them, printed and exported as the options ask.
void report_layers(const Options& options, nvinfer1::ICudaEngine& engine, Log& log);

}  // namespace trtexec
