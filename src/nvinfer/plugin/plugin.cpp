// libnvinfer_plugin: the entry points of the bundled plugins.
#include <NvInferPlugin.h>

#include "nvinfer/level.h"

extern "C" TENSORRTAPI bool initLibNvInferPlugins(void* logger, const char*) {
  if (logger) {
    try {
      static_cast<nvinfer1::ILogger*>(logger)->log(nvinfer1::ILogger::Severity::kVERBOSE,
                                                   "initLibNvInferPlugins: this library bundles no plugins yet");
    } catch (...) {  // nothing crosses the interface
    }
  }
  return true;
}

#if TRT_UNTIL(10)
namespace {

/// Tells the logger that the process began with, if there is one.
nvinfer1::IPluginV2* not_bundled(const char* message) {
  try {
    if (nvinfer1::ILogger* logger = ::getLogger()) logger->log(nvinfer1::ILogger::Severity::kERROR, message);
  } catch (...) {
  }
  return nullptr;
}

}  // namespace

#define TENON_NOT_BUNDLED(name, parameters)                                      \
  extern "C" TENSORRTAPI nvinfer1::IPluginV2* name parameters {                  \
    return not_bundled(#name ": Error Code 9: this library bundles no plugins"); \
  }
TENON_NOT_BUNDLED(createRPNROIPlugin, (int32_t, int32_t, int32_t, float, float, float, nvinfer1::DimsHW,
                                       nvinfer1::Weights, nvinfer1::Weights))
TENON_NOT_BUNDLED(createNormalizePlugin, (const nvinfer1::Weights*, bool, bool, float))
TENON_NOT_BUNDLED(createPriorBoxPlugin, (nvinfer1::plugin::PriorBoxParameters))
TENON_NOT_BUNDLED(createAnchorGeneratorPlugin, (nvinfer1::plugin::GridAnchorParameters*, int32_t))
TENON_NOT_BUNDLED(createNMSPlugin, (nvinfer1::plugin::DetectionOutputParameters))
TENON_NOT_BUNDLED(createReorgPlugin, (int32_t))
TENON_NOT_BUNDLED(createRegionPlugin, (nvinfer1::plugin::RegionParameters))
TENON_NOT_BUNDLED(createBatchedNMSPlugin, (nvinfer1::plugin::NMSParameters))
TENON_NOT_BUNDLED(createSplitPlugin, (int32_t, int32_t*, int32_t))
TENON_NOT_BUNDLED(createInstanceNormalizationPlugin, (float, nvinfer1::Weights, nvinfer1::Weights))
#if TRT_UNTIL(7)
TENON_NOT_BUNDLED(createLReLUPlugin, (float))
TENON_NOT_BUNDLED(createClipPlugin, (const char*, float, float))
#endif
#undef TENON_NOT_BUNDLED
#endif
