// libnvinfer_vc_plugin: the bundled plugins as a library that IPluginRegistry::loadLibrary loads. It bundles none yet.
#include <NvInfer.h>

extern "C" {

TENSORRTAPI nvinfer1::IPluginCreator* const* getPluginCreators(int32_t& count) {
  count = 0;
  return nullptr;
}

#if NV_TENSORRT_MAJOR >= 10
TENSORRTAPI nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
  count = 0;
  return nullptr;
}
#endif

TENSORRTAPI void setLoggerFinder(nvinfer1::ILoggerFinder*) {}  // without creators there is nothing to log

}  // extern "C"
