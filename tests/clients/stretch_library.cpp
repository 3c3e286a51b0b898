// A plugin library as loadLibrary takes it: its Stretch lives in namespace acme.
#include "stretch_plugin.h"

namespace {
class AcmeStretchCreator : public StretchCreator {
 public:
  AcmeStretchCreator() { setPluginNamespace("acme"); }
};
}  // namespace

extern "C" __attribute__((visibility("default"))) nvinfer1::IPluginCreator* const* getPluginCreators(int32_t& count) {
  static AcmeStretchCreator creator;
  static nvinfer1::IPluginCreator* const list[] = {&creator};
  count = 1;
  return list;
}

extern "C" __attribute__((visibility("default"))) void setLoggerFinder(nvinfer1::ILoggerFinder*) {}
