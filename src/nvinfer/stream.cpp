#include "nvinfer/stream.h"

#include <dlfcn.h>

#include <exception>
#include <memory>

namespace tenon::nvinfer {
namespace {

using Submit = int (*)(cudaStream_t, void (*)(void*), void*, void (*)(void*));
using Record = int (*)(cudaEvent_t, cudaStream_t);
using IsCapturing = int (*)(cudaStream_t, int*);

template <class Function>
Function find(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

bool capturing(cudaStream_t stream) {
  static const auto query = find<Submit>("tenonNoCudaSubmit") ? find<IsCapturing>("cudaStreamIsCapturing") : nullptr;
  int status = 0;
  return stream && query && query(stream, &status) == 0 && status != 0;
}

}  // namespace

bool run_on_stream(cudaStream_t stream, std::function<void()> work) {
  if (!capturing(stream)) {
    work();
    return true;
  }
  auto run = [](void* data) {
    try {
      (*static_cast<std::function<void()>*>(data))();
    } catch (...) {  // a launch of a captured graph has no caller to tell
    }
  };
  auto release = [](void* data) { delete static_cast<std::function<void()>*>(data); };
  static const auto submit = find<Submit>("tenonNoCudaSubmit");
  return submit(stream, run, new std::function<void()>(std::move(work)), release) == 0;
}

void record_event(cudaEvent_t event, cudaStream_t stream) {
  static const auto record = find<Record>("cudaEventRecord");
  if (record) record(event, stream);
}

}  // namespace tenon::nvinfer
