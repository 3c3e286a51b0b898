#include <map>
#include <mutex>

#include "backends/cuda/cuda.h"
#include "backends/cuda/libraries/cublaslt_api.h"
#include "backends/cuda/libraries/library.h"
#include "base/error.h"

namespace tenon::cuda::cublaslt {
namespace {

struct Loaded {
  Library library{"libcublasLt.so.13", "libcublasLt.so.12"};
  Api api{};
  Loaded() {
    library.find("cublasLtCreate", api.create);
    library.find("cublasLtMatmulDescCreate", api.create_description);
    library.find("cublasLtMatmulDescDestroy", api.destroy_description);
    library.find("cublasLtMatmulDescSetAttribute", api.set_description);
    library.find("cublasLtMatrixLayoutCreate", api.create_layout);
    library.find("cublasLtMatrixLayoutDestroy", api.destroy_layout);
    library.find("cublasLtMatrixLayoutSetAttribute", api.set_layout);
    library.find("cublasLtMatmulPreferenceCreate", api.create_preference);
    library.find("cublasLtMatmulPreferenceDestroy", api.destroy_preference);
    library.find("cublasLtMatmulPreferenceSetAttribute", api.set_preference);
    library.find("cublasLtMatmulAlgoGetHeuristic", api.search);
    library.find("cublasLtMatmulAlgoCheck", api.confirm);
    library.find("cublasLtMatmul", api.multiply);
    library.find("cublasLtGetStatusName", api.status_name);
  }
};
Loaded& loaded() {
  static Loaded* const once = new Loaded;  // outlives every engine
  return *once;
}

}  // namespace

const Api* api(std::string* why) {
  Loaded& l = loaded();
  if (l.library.error().empty()) return &l.api;
  if (why) *why = l.library.error();
  return nullptr;
}

Handle handle(int ordinal) {
  std::string why;
  const Api* functions = api(&why);
  require(functions, ErrorCode::kUnsupported, why);
  static std::mutex mutex;
  static std::map<int, Handle> handles;
  std::lock_guard lock(mutex);
  Handle& h = handles[ordinal];
  if (!h) check(functions->create(&h), "cublasLtCreate");
  return h;
}

void check(Status status, const char* call) {
  constexpr Status kExecutionFailed = 13, kInternalError = 14;
  if (status == 0) return;
  if (status == kExecutionFailed || status == kInternalError) check_context();
  const Api* functions = api();
  fail(ErrorCode::kUnsupported, call, " returned ", functions ? functions->status_name(status) : "an error");
}

}  // namespace tenon::cuda::cublaslt
