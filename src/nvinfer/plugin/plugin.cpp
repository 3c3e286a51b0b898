// libnvinfer_plugin: the entry point of the bundled plugins.
#include <NvInferPlugin.h>

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
