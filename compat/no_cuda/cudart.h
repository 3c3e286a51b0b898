// What the stand-in's source files share: the last error, streams and captured graphs.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "cuda_runtime_api.h"

namespace tenon::no_cuda {

using Work = std::shared_ptr<std::function<void()>>;

struct Graph {
  std::vector<Work> work;
};

/// Remembers an error for cudaGetLastError and returns it.
cudaError_t result(cudaError_t error);
/// Runs work now, or records it if the stream is capturing.
cudaError_t submit(cudaStream_t stream, std::function<void()> work);

}  // namespace tenon::no_cuda

struct CUstream_st {
  std::unique_ptr<tenon::no_cuda::Graph> capture;
  unsigned int flags = 0;
};
struct CUgraph_st {
  tenon::no_cuda::Graph graph;
};
struct CUgraphExec_st {
  tenon::no_cuda::Graph graph;
};
struct CUevent_st {
  bool recorded = false;
  double milliseconds = 0;  ///< on the steady clock
};
