#include "nvinfer/stream.h"

#include <dlfcn.h>

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

}  // namespace

bool is_capturing(cudaStream_t stream) {
  static const auto query = find<Submit>("tenonNoCudaSubmit") ? find<IsCapturing>("cudaStreamIsCapturing") : nullptr;
  int status = 0;
  return stream && query && query(stream, &status) == 0 && status != 0;
}

bool capture(cudaStream_t stream, std::function<void()> work) {
  auto run = [](void* data) { (*static_cast<std::function<void()>*>(data))(); };
  auto release = [](void* data) { delete static_cast<std::function<void()>*>(data); };
  static const auto submit = find<Submit>("tenonNoCudaSubmit");
  return submit(stream, run, new std::function<void()>(std::move(work)), release) == 0;
}

void record_event(cudaEvent_t event, cudaStream_t stream) {
  static const auto record = find<Record>("cudaEventRecord");
  if (record) record(event, stream);
}

}  // namespace tenon::nvinfer
