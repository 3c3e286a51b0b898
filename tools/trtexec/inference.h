// Running an engine again and again, and the times of each query.
#pragma once
#include <NvInferRuntime.h>

#include <memory>
#include <string>
#include <vector>

#include "trtexec/device.h"
#include "trtexec/engine.h"
#include "trtexec/values.h"

namespace trtexec {

/// Moments of one query in ms since the measurement began.
struct Query {
  double enqueue_start, enqueue_end, h2d_start, h2d_end, compute_start, compute_end, d2h_start, d2h_end;
  double h2d() const { return h2d_end - h2d_start; }
  double compute() const { return compute_end - compute_start; }
  double d2h() const { return d2h_end - d2h_start; }
  double latency() const { return h2d() + compute() + d2h(); }
  double enqueue() const { return enqueue_end - enqueue_start; }
};

struct LayerTime {
  std::string name;
  std::vector<float> ms;  ///< one a run
};

struct Results {
  std::vector<Query> queries;
  int warm_up_queries = 0;
  double wall_seconds = 0;
  std::vector<LayerTime> layers;
  int profile_runs = 0;
  std::vector<Binding> bindings;            ///< of the first stream, after the last run
  std::vector<std::vector<Binding>> pairs;  ///< for each pair of Options that has reference outputs, else empty
};

/// Throws std::runtime_error with the reason.
Results run_inference(const Options& options, nvinfer1::ICudaEngine& engine, Device& device, Log& log);

}  // namespace trtexec
