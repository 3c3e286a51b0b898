// Streams, events and graphs. A stream holds no queue: each call is done when it returns.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>

#include "cudart.h"

namespace tenon::no_cuda {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

bool is_default(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t submit(cudaStream_t stream, std::function<void()> work) {
  if (!is_default(stream) && stream->capture) {
    stream->capture->work.push_back(std::make_shared<std::function<void()>>(std::move(work)));
  } else {
    work();
  }
  return cudaSuccess;
}

}  // namespace tenon::no_cuda

using tenon::no_cuda::result;
using tenon::no_cuda::submit;

extern "C" {

cudaError_t cudaGetLastError() {
  cudaError_t error = tenon::no_cuda::last_error;
  tenon::no_cuda::last_error = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError() { return tenon::no_cuda::last_error; }

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (!stream) return result(cudaErrorInvalidValue);
  *stream = new (std::nothrow) CUstream_st;
  if (*stream) (*stream)->flags = flags;
  return result(*stream ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  if (!flags) return result(cudaErrorInvalidValue);
  *flags = tenon::no_cuda::is_default(stream) ? cudaStreamDefault : stream->flags;
  return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) {
  if (!priority) return result(cudaErrorInvalidValue);
  *priority = 0;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (tenon::no_cuda::is_default(stream)) return result(cudaErrorInvalidResourceHandle);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned int) {
  return result(event ? cudaSuccess : cudaErrorInvalidResourceHandle);
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data, unsigned int) {
  if (!callback) return result(cudaErrorInvalidValue);
  return submit(stream, [=] { callback(stream, cudaSuccess, data); });
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (!function) return result(cudaErrorInvalidValue);
  return submit(stream, [=] { function(data); });
}
cudaError_t tenonNoCudaSubmit(cudaStream_t stream, void (*work)(void*), void* data, void (*release)(void*)) {
  if (!work) return result(cudaErrorInvalidValue);
  std::shared_ptr<void> owner(data, [release](void* p) {
    if (release) release(p);
  });
  return submit(stream, [work, owner] { work(owner.get()); });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  if (!event) return result(cudaErrorInvalidValue);
  *event = new (std::nothrow) CUevent_st;
  return result(*event ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!event) return result(cudaErrorInvalidResourceHandle);
  return submit(stream, [event] {
    event->recorded = true;
    event->milliseconds = tenon::no_cuda::now();
  });
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int) {
  return cudaEventRecord(event, stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return result(event ? cudaSuccess : cudaErrorInvalidResourceHandle);
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  if (!ms) return result(cudaErrorInvalidValue);
  if (!start || !end || !start->recorded || !end->recorded) return result(cudaErrorInvalidResourceHandle);
  *ms = static_cast<float>(end->milliseconds - start->milliseconds);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!event) return result(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (tenon::no_cuda::is_default(stream)) return result(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return result(cudaErrorIllegalState);
  stream->capture = std::make_unique<tenon::no_cuda::Graph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!graph || tenon::no_cuda::is_default(stream) || !stream->capture) return result(cudaErrorIllegalState);
  *graph = new CUgraph_st{std::move(*stream->capture)};
  stream->capture.reset();
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (!status) return result(cudaErrorInvalidValue);
  bool active = !tenon::no_cuda::is_default(stream) && stream->capture;
  *status = active ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (!exec || !graph) return result(cudaErrorInvalidValue);
  *exec = new CUgraphExec_st{graph->graph};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiate(exec, graph, flags);
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  if (!graph || !count) return result(cudaErrorInvalidValue);
  const auto& work = graph->graph.work;
  if (nodes) {
    for (size_t i = 0; i < *count; ++i) {
      nodes[i] = i < work.size() ? reinterpret_cast<cudaGraphNode_t>(work[i].get()) : nullptr;
    }
    *count = std::min(*count, work.size());
  } else {
    *count = work.size();
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo* info) {
  if (!exec || !graph || !info) return result(cudaErrorInvalidValue);
  exec->graph = graph->graph;
  *info = {cudaGraphExecUpdateSuccess, nullptr, nullptr};
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
  return result(exec ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (!exec) return result(cudaErrorInvalidValue);
  for (const tenon::no_cuda::Work& work : exec->graph.work) submit(stream, [work] { (*work)(); });
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDebugDotPrint(cudaGraph_t graph, const char* path, unsigned int) {
  std::FILE* file = graph && path ? std::fopen(path, "w") : nullptr;
  if (!file) return result(cudaErrorInvalidValue);
  std::fputs("digraph captured {\n", file);
  for (size_t i = 0; i < graph->graph.work.size(); ++i) {
    std::fprintf(file, i ? "  n%zu -> n%zu;\n" : "  n%zu;\n", i ? i - 1 : i, i);
  }
  std::fputs("}\n", file);
  std::fclose(file);
  return cudaSuccess;
}

}  // extern "C"
