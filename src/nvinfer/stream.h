// CUDA streams and events as far as a CPU engine needs them: the host-memory runtime where the process has it, found
// by name, else work runs at once.
#pragma once
#include <functional>

#include <NvInfer.h>

namespace tenon::nvinfer {

/// Runs `work` now, or leaves it to the graph that the stream is capturing. Exceptions pass through when it runs now.
/// False if the stream refused it.
bool run_on_stream(cudaStream_t stream, std::function<void()> work);
void record_event(cudaEvent_t event, cudaStream_t stream);

}  // namespace tenon::nvinfer
