#include <map>
#include <mutex>
#include <vector>

#include "backends/cuda/cuda.h"
#include "backends/cuda/libraries/cublaslt_api.h"
#include "backends/cuda/libraries/cudnn_api.h"
#include "backends/cuda/libraries/library.h"
#include "base/error.h"

namespace tenon::cuda::cudnn {
namespace {

struct Loaded {
  Library library{"libcudnn.so.9"};
  Api api{};
  std::string missing;  ///< why it cannot be used all the same
  Loaded() {
    library.find("cudnnGetVersion", api.version);
    library.find("cudnnCreate", api.create);
    library.find("cudnnSetStream", api.set_stream);
    library.find("cudnnBackendCreateDescriptor", api.create_descriptor);
    library.find("cudnnBackendDestroyDescriptor", api.destroy_descriptor);
    library.find("cudnnBackendFinalize", api.finalize);
    library.find("cudnnBackendSetAttribute", api.set);
    library.find("cudnnBackendGetAttribute", api.get);
    library.find("cudnnBackendExecute", api.execute);
    library.find("cudnnGetErrorString", api.status_text);
    library.find("cudnnGetLastErrorString", api.last_error);
  }
};
Loaded& loaded() {
  static Loaded* const once = [] {
    std::string why;  // engines look for cuBLASLt among the libraries that are open, and end the process without it
    const bool complete = cublaslt::api(&why) != nullptr;
    auto* loaded = new Loaded;
    if (!complete) loaded->missing = cat("cuDNN needs cuBLASLt: ", why);
    return loaded;
  }();
  return *once;
}

struct Pool {
  std::mutex mutex;
  std::map<int, std::vector<Handle>> idle;
};
Pool& pool() {
  static Pool* const once = new Pool;
  return *once;
}

}  // namespace

const Api* api(std::string* why) {
  Loaded& l = loaded();
  const std::string& reason = l.library.error().empty() ? l.missing : l.library.error();
  if (reason.empty()) return &l.api;
  if (why) *why = reason;
  return nullptr;
}

void check(Status status, const char* what) {
  constexpr Status kInternalErrors = 4000;  // from here on, failures of execution too
  if (status == 0) return;
  if (status >= kInternalErrors) check_context();
  const Api* functions = api();
  char text[512] = "";
  if (functions) functions->last_error(text, sizeof text);
  fail(ErrorCode::kUnsupported, "cuDNN: ", what, ": ", functions ? functions->status_text(status) : "",
       text[0] ? ", " : "", text);
}

HandleLease::HandleLease(int ordinal) : ordinal_(ordinal) {
  std::string why;
  const Api* functions = api(&why);
  require(functions, ErrorCode::kUnsupported, why);
  {
    std::lock_guard lock(pool().mutex);
    std::vector<Handle>& idle = pool().idle[ordinal];
    if (!idle.empty()) {
      handle_ = idle.back();
      idle.pop_back();
      return;
    }
  }
  check(functions->create(&handle_), "cudnnCreate");
}

HandleLease::~HandleLease() {
  std::lock_guard lock(pool().mutex);
  pool().idle[ordinal_].push_back(handle_);
}

}  // namespace tenon::cuda::cudnn
