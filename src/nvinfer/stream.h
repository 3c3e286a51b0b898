// CUDA streams and events as far as a CPU engine needs them: the host-memory runtime where the process has it, found
// by name, else work runs at once.
#pragma once
#include <functional>

#include <NvInfer.h>

namespace tenon::nvinfer {

/// Whether the stream is being captured, so that work put on it waits for launches of the graph.
bool is_capturing(cudaStream_t stream);
/// Leaves `work`, which must not throw, to the graph that the stream is capturing. False if the stream refused it.
bool capture(cudaStream_t stream, std::function<void()> work);
void record_event(cudaEvent_t event, cudaStream_t stream);

}  // namespace tenon::nvinfer
