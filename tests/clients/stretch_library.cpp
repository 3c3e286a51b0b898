// A plugin library as loadLibrary takes it: its Stretch lives in a namespace of its own.
#include "stretch_plugin.h"

namespace {
class NamedStretchCreator : public StretchCreator {
 public:
  NamedStretchCreator() { setPluginNamespace(STRETCH_NAMESPACE); }
};
nvinfer1::ILoggerFinder* known_finder = nullptr;
}  // namespace

extern "C" __attribute__((visibility("default"))) nvinfer1::IPluginCreator* const* getPluginCreators(int32_t& count) {
  static NamedStretchCreator creator;
  static nvinfer1::IPluginCreator* const list[] = {&creator};
  count = 1;
  return list;
}

extern "C" __attribute__((visibility("default"))) void setLoggerFinder(nvinfer1::ILoggerFinder* finder) {
  known_finder = finder;
}

extern "C" __attribute__((visibility("default"))) nvinfer1::ILoggerFinder* stretchLoggerFinder() {
  return known_finder;
}
