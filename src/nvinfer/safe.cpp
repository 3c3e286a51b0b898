// The safety runtime and the consistency checker: what TensorRT answers where their certified libraries are missing.
#include "nvinfer/level.h"

#if TRT_UNTIL(10)
#include <NvInfer.h>

#include "nvinfer/guard.h"
#include "nvinfer/registry.h"

namespace {

void* not_certified(void* logger, const char* where, const char* what) noexcept {
  tenon::nvinfer::Reports(static_cast<nvinfer1::ILogger*>(logger))
      .error(nvinfer1::ErrorCode::kUNSUPPORTED_STATE, where,
             std::string(what) + " needs a certified platform, this machine is none");
  return nullptr;
}

}  // namespace
#endif

#if TRT_UNTIL(7)
extern "C" TENSORRTAPI void* createSafeInferRuntime_INTERNAL(void* logger, int32_t) {
  return not_certified(logger, "createSafeInferRuntime", "the safety runtime");
}
#endif

#if (TRT_UNTIL(10) && NV_TENSORRT_MAJOR > 7) || defined(TENON_TRT_ALL)
#include <NvInferConsistency.h>
#include <NvInferSafeRuntime.h>

namespace {

/// Creators registered here serve the standard runtime, the only one there is.
class SafeRegistry final : public nvinfer1::safe::IPluginRegistry {
 public:
  bool registerCreator(nvinfer1::IPluginCreator& creator, const char* space) {
    return ::getPluginRegistry()->registerCreator(creator, space);
  }
  nvinfer1::IPluginCreator* const* getPluginCreatorList(int32_t* count) const {
    return ::getPluginRegistry()->getPluginCreatorList(count);
  }
  nvinfer1::IPluginCreator* getPluginCreator(const char* name, const char* version, const char* space) {
    return ::getPluginRegistry()->getPluginCreator(name, version, space);
  }
  void setErrorRecorder(nvinfer1::IErrorRecorder* recorder) { ::getPluginRegistry()->setErrorRecorder(recorder); }
  nvinfer1::IErrorRecorder* getErrorRecorder() const { return ::getPluginRegistry()->getErrorRecorder(); }
  bool deregisterCreator(const nvinfer1::IPluginCreator& creator) {
    return ::getPluginRegistry()->deregisterCreator(creator);
  }
};

}  // namespace

extern "C" TENSORRTAPI nvinfer1::safe::IPluginRegistry* getSafePluginRegistry() {
  static auto* registry = new SafeRegistry;  // outlives the registrars of every library
  return registry;
}

extern "C" TENSORRTAPI void* createConsistencyChecker_INTERNAL(void* logger, const void*, size_t, int32_t) {
  return not_certified(logger, "createConsistencyChecker", "the consistency checker");
}

namespace nvinfer1 {
extern "C" TENSORRTAPI safe::IPluginRegistry* getBuilderSafePluginRegistry(EngineCapability capability) noexcept {
  return capability == EngineCapability::kSAFETY ? getSafePluginRegistry() : nullptr;
}
}  // namespace nvinfer1

namespace nvinfer1::safe {
TENSORRTAPI IRuntime* createInferRuntime(ILogger& logger) {
  return static_cast<IRuntime*>(not_certified(&logger, "safe::createInferRuntime", "the safety runtime"));
}
}  // namespace nvinfer1::safe
#endif
