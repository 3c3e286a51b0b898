#include "backends/cuda/device.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "backends/cuda/driver.h"
#include "base/log.h"

namespace tenon::cuda {
namespace {

std::mutex broken_mutex;
std::string broken_reason;         // of the first failure after which the context is lost
std::atomic<bool> broken = false;  // spares the lock

/// Errors after which no call of the process succeeds any more.
bool sticky(cudaError_t code) {
  constexpr int kNvlinkUncorrectable = 220, kContained = 226, kTensorMemoryLeak = 721;  // unknown to CUDA 12.0
  switch (int(code)) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case kNvlinkUncorrectable:
    case kContained:
    case kTensorMemoryLeak:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void fail_allocation(const char* where, size_t bytes) {
  cudaGetLastError();
  fail(ErrorCode::kOutOfMemory, where, " has no room for ", bytes, " bytes more");
}

/// Makes a device current while it lives, and then again what was current before: memory is released wherever the
/// application lets go of it. Failures are left for later calls.
class BrieflyCurrent {
 public:
  explicit BrieflyCurrent(int ordinal) {
    known_ = contexts().get && contexts().set && contexts().get(&before_) == CUDA_SUCCESS;
    cudaSetDevice(ordinal);
  }
  ~BrieflyCurrent() {
    if (known_) contexts().set(before_);
  }
  BrieflyCurrent(const BrieflyCurrent&) = delete;
  BrieflyCurrent& operator=(const BrieflyCurrent&) = delete;

 private:
  /// The driver's calls: the runtime would make a context for a thread that had none.
  struct Contexts {
    decltype(&cuCtxGetCurrent) get = driver_function<decltype(cuCtxGetCurrent)>("cuCtxGetCurrent");
    decltype(&cuCtxSetCurrent) set = driver_function<decltype(cuCtxSetCurrent)>("cuCtxSetCurrent");
  };
  static const Contexts& contexts() {
    static const Contexts known;
    return known;
  }
  CUcontext before_ = nullptr;
  bool known_ = false;
};

[[noreturn]] void fail_lost(const std::string& reason) {
  fail(ErrorCode::kDevice, "the GPU's context is lost since ", reason, "; restart the process");
}

void refuse_lost() {
  if (!broken) return;
  const std::lock_guard lock(broken_mutex);
  fail_lost(broken_reason);
}

class GraphRecording final : public Recording {
 public:
  GraphRecording(int ordinal, cudaGraph_t graph) : ordinal_(ordinal) {
    const cudaError_t code = cudaGraphInstantiate(&exec_, graph, 0);
    cudaGraphDestroy(graph);
    check(code, "cudaGraphInstantiate");
  }
  ~GraphRecording() override {
    const BrieflyCurrent current(ordinal_);
    cudaGraphExecDestroy(exec_);
  }
  void replay(void* stream) const override { TENON_CUDA(cudaGraphLaunch(exec_, static_cast<cudaStream_t>(stream))); }

 private:
  int ordinal_;
  cudaGraphExec_t exec_ = nullptr;
};

struct Events {
  Events() {
    TENON_CUDA(cudaEventCreate(&begin));
    TENON_CUDA(cudaEventCreate(&end));
  }
  ~Events() {
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
  }
  cudaEvent_t begin = nullptr, end = nullptr;
};

}  // namespace

void check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  std::string reason;
  {
    std::lock_guard lock(broken_mutex);
    if (sticky(code) && broken_reason.empty()) {
      const std::string_view name(call);
      broken_reason =
          cat(cudaGetErrorName(code), " (", cudaGetErrorString(code), ") at ", name.substr(0, name.find('(')));
      broken = true;
    }
    reason = broken_reason;
  }
  cudaGetLastError();
  if (!reason.empty()) fail_lost(reason);
  fail(code == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kDevice, "CUDA: ", call,
       " failed: ", cudaGetErrorName(code), " (", cudaGetErrorString(code), ")");
}

void check_context() {
  refuse_lost();
  size_t free = 0, total = 0;
  const cudaError_t code = cudaMemGetInfo(&free, &total);
  if (sticky(code)) check(code, "cudaMemGetInfo");
  cudaGetLastError();
}

CudaDevice::CudaDevice(int ordinal, bool present) : ordinal_(ordinal), present_(present) {
  if (!present_) return;
  activate();
  TENON_CUDA(cudaStreamCreate(&stream_));
}

void CudaDevice::activate() const {
  require(present_, ErrorCode::kUnsupported, "the GPU is only described, nothing can run on it");
  refuse_lost();
  TENON_CUDA(cudaSetDevice(ordinal_));
}

void* CudaDevice::allocate(size_t bytes) const {
  activate();
  void* p = nullptr;
  const cudaError_t code = cudaMalloc(&p, std::max<size_t>(bytes, 1));
  if (code == cudaErrorMemoryAllocation) fail_allocation("the GPU", bytes);
  check(code, "cudaMalloc");
  return p;
}
void CudaDevice::release(void* memory) const noexcept {
  const BrieflyCurrent current(ordinal_);
  cudaFree(memory);
}
void* CudaDevice::allocate_host(size_t bytes) const {
  activate();
  void* p = nullptr;
  const cudaError_t code = cudaMallocHost(&p, std::max<size_t>(bytes, 1));
  if (code == cudaErrorMemoryAllocation) fail_allocation("the host", bytes);
  check(code, "cudaMallocHost");
  return p;
}
void CudaDevice::release_host(void* memory) const noexcept {
  const BrieflyCurrent current(ordinal_);
  cudaFreeHost(memory);
}
void CudaDevice::copy(void* to, const void* from, size_t bytes, void* stream) const {
  if (bytes) TENON_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream)));
}
void CudaDevice::fill(void* to, int byte, size_t bytes, void* stream) const {
  if (bytes) TENON_CUDA(cudaMemsetAsync(to, byte, bytes, static_cast<cudaStream_t>(stream)));
}
void CudaDevice::synchronize(void* stream) const {
  TENON_CUDA(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
}
void CudaDevice::finish() const noexcept {
  if (!present_) return;
  const BrieflyCurrent current(ordinal_);
  cudaDeviceSynchronize();
}

void CudaDevice::call_host(void* stream, void (*function)(void* data), void* data) const {
  TENON_CUDA(cudaLaunchHostFunc(static_cast<cudaStream_t>(stream), function, data));
}
void CudaDevice::follow(void* stream, void* other) const {
  cudaEvent_t event = nullptr;
  TENON_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  const std::unique_ptr<CUevent_st, decltype(&cudaEventDestroy)> owned(event, cudaEventDestroy);
  TENON_CUDA(cudaEventRecord(event, static_cast<cudaStream_t>(other)));
  TENON_CUDA(cudaStreamWaitEvent(static_cast<cudaStream_t>(stream), event, 0));
}
std::shared_ptr<void> CudaDevice::new_stream() const {
  activate();
  cudaStream_t stream = nullptr;
  TENON_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return {stream, [ordinal = ordinal_](void* s) {
            const BrieflyCurrent current(ordinal);
            cudaStreamDestroy(static_cast<cudaStream_t>(s));
          }};
}

bool CudaDevice::recording(void* stream) const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  TENON_CUDA(cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status));
  return status != cudaStreamCaptureStatusNone;
}

std::unique_ptr<Recording> CudaDevice::record(const Work& work) const {
  activate();
  cudaStream_t stream = nullptr;
  TENON_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaGraph_t graph = nullptr;
  try {
    TENON_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    work(stream);
    TENON_CUDA(cudaStreamEndCapture(stream, &graph));
  } catch (...) {
    if (!graph) cudaStreamEndCapture(stream, &graph);
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();
    cudaStreamDestroy(stream);
    throw;
  }
  cudaStreamDestroy(stream);
  return std::make_unique<GraphRecording>(ordinal_, graph);
}

float CudaDevice::milliseconds(void* stream, const Work& work) const {
  Events events;
  auto* s = static_cast<cudaStream_t>(stream);
  TENON_CUDA(cudaEventRecord(events.begin, s));
  work(stream);
  TENON_CUDA(cudaEventRecord(events.end, s));
  TENON_CUDA(cudaEventSynchronize(events.end));
  float ms = 0;
  TENON_CUDA(cudaEventElapsedTime(&ms, events.begin, events.end));
  return ms;
}

float CudaDevice::time_us(const Work& work, double budget_ms, double hopeless_us) const {
  activate();
  work(stream_);  // loads modules, and shows failures outside of a capture
  synchronize(stream_);
  const float once_us = milliseconds(stream_, work) * 1000;
  // A single run pays for its launch, which a replay does not: work that is short is never hopeless.
  constexpr float kLaunch = 30;
  if (hopeless_us > 0 && once_us > hopeless_us + kLaunch) return once_us;
  // A recording of several runs hides the cost of one launch; its length is about a tenth of the budget.
  const int repeats = int(std::clamp(budget_ms * 100 / std::max(once_us, 1.0f), 1.0, 20.0));
  const auto recording = record([&](void* s) {
    for (int i = 0; i < repeats; ++i) work(s);
  });
  recording->replay(stream_);
  std::vector<float> times;
  double spent = 0;
  while (times.size() < 3 || (spent < budget_ms && times.size() < 30)) {
    times.push_back(milliseconds(stream_, [&](void* s) { recording->replay(s); }));
    spent += times.back();
  }
  std::nth_element(times.begin(), times.begin() + int64_t(times.size() / 2), times.end());
  return times[times.size() / 2] * 1000 / float(repeats);
}

cudaMemoryType CudaDevice::type_of(const void* memory) const {
  activate();
  cudaPointerAttributes a{};
  const cudaError_t code = cudaPointerGetAttributes(&a, memory);
  if (code == cudaSuccess) return a.type;
  if (sticky(code)) check(code, "cudaPointerGetAttributes");
  cudaGetLastError();
  return cudaMemoryTypeUnregistered;
}
bool CudaDevice::reaches(const void* memory) const { return type_of(memory) != cudaMemoryTypeUnregistered; }
bool CudaDevice::host_reaches(const void* memory) const { return type_of(memory) != cudaMemoryTypeDevice; }

}  // namespace tenon::cuda
