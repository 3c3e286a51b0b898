#include "nvinfer/plugin_libraries.h"

#include <dlfcn.h>

#include <initializer_list>

namespace tenon::nvinfer {
namespace {

using Create = int (*)(void** handle);
using Destroy = int (*)(void* handle);

/// A handle of the first of `libraries` that the process holds.
std::shared_ptr<void> make_handle(std::initializer_list<const char*> libraries, const char* create,
                                  const char* destroy) {
  for (const char* name : libraries) {
    void* library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (!library) continue;
    const auto make = reinterpret_cast<Create>(dlsym(library, create));
    const auto end = reinterpret_cast<Destroy>(dlsym(library, destroy));
    void* handle = nullptr;
    if (make && end && make(&handle) == 0 && handle) {
      return {handle, [end, library](void* h) {
                end(h);
                dlclose(library);
              }};
    }
    dlclose(library);
  }
  return nullptr;
}

}  // namespace

cudnnContext* LibraryHandles::cudnn() {
  if (!cudnn_.tried) cudnn_.value = make_handle({"libcudnn.so.9", "libcudnn.so.8"}, "cudnnCreate", "cudnnDestroy");
  cudnn_.tried = true;
  return static_cast<cudnnContext*>(cudnn_.value.get());
}

cublasContext* LibraryHandles::cublas() {
  if (!cublas_.tried)
    cublas_.value =
        make_handle({"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"}, "cublasCreate_v2", "cublasDestroy_v2");
  cublas_.tried = true;
  return static_cast<cublasContext*>(cublas_.value.get());
}

}  // namespace tenon::nvinfer
