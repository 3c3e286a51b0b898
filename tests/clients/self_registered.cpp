// A plugin library whose creator registers itself when the library is loaded, and that lists none.
#include "stretch_plugin.h"

namespace {
class SelfStretchCreator : public StretchCreator {
 public:
  char const* getPluginName() const noexcept override { return "SelfStretch"; }
};
REGISTER_TENSORRT_PLUGIN(SelfStretchCreator);
}  // namespace
