// A program that is not linked to the library: it defines the C entry points that the headers declare and forwards them
// to a library that it loads when it runs, as TensorFlow and others do. At every level.
#include <NvInfer.h>
#include <dlfcn.h>

#include <memory>

#include "client.h"

#if NV_TENSORRT_MAJOR >= 8
#define ENTRY_NOEXCEPT noexcept
#else
#define ENTRY_NOEXCEPT
#endif

namespace {

void* library = nullptr;

template <class Function>
Function symbol(char const* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

extern "C" {

void* createInferBuilder_INTERNAL(void* logger, int version) ENTRY_NOEXCEPT {
  return symbol<void* (*)(void*, int)>("createInferBuilder_INTERNAL")(logger, version);
}
void* createInferRuntime_INTERNAL(void* logger, int version) ENTRY_NOEXCEPT {
  return symbol<void* (*)(void*, int)>("createInferRuntime_INTERNAL")(logger, version);
}
void* createInferRefitter_INTERNAL(void* engine, void* logger, int version) ENTRY_NOEXCEPT {
  return symbol<void* (*)(void*, void*, int)>("createInferRefitter_INTERNAL")(engine, logger, version);
}
nvinfer1::ILogger* getLogger() ENTRY_NOEXCEPT { return symbol<nvinfer1::ILogger* (*)()>("getLogger")(); }
int getInferLibVersion() ENTRY_NOEXCEPT { return symbol<int (*)()>("getInferLibVersion")(); }
nvinfer1::IPluginRegistry* getPluginRegistry() ENTRY_NOEXCEPT {
  return symbol<nvinfer1::IPluginRegistry* (*)()>("getPluginRegistry")();
}

}  // extern "C"

int main(int argc, char** argv) {
  library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  EXPECT(library != nullptr);
  if (library == nullptr) return 1;
  KeepingLogger logger;
  EXPECT(getInferLibVersion() == NV_TENSORRT_VERSION);
  std::unique_ptr<nvinfer1::IBuilder> builder(nvinfer1::createInferBuilder(logger));
  EXPECT(builder != nullptr);
  std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(logger));
  EXPECT(runtime != nullptr);
  EXPECT(getLogger() == &logger);
  EXPECT(getPluginRegistry() != nullptr);
  EXPECT(logger.errors.empty());
  return failures() == 0 ? 0 : 1;
}
