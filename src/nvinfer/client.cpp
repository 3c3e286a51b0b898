#include "nvinfer/client.h"

#include <NvInfer.h>

#include "base/error.h"
#include "base/knobs.h"
#include "nvinfer/level.h"
#include "releases.h"

namespace tenon::nvinfer {
namespace {

// Releases before 10 count major * 1000 + minor * 100 + patch, later ones major * 10000.
constexpr int32_t major_of(int32_t version) { return version / (version < 10000 ? 1000 : 10000); }

}  // namespace

int32_t library_version() {
#ifdef TENON_TRT_ALL
  const std::string wanted = knob_text(Knob::kTrtApi);
  for (const Release& release : kReleases) {
    if (wanted == std::to_string(release.major)) return release.version;
  }
  return kReleases[2].version;
#else
  return NV_TENSORRT_VERSION;
#endif
}

int client_major(int32_t version) {
  const int major = major_of(version);
#ifdef TENON_TRT_ALL
  const bool fits = major >= 7 && major <= 11;
#else
  const bool fits = major == NV_TENSORRT_MAJOR || (NV_TENSORRT_MAJOR == 8 && major == 9);
#endif
  require(fits, ErrorCode::kVersionMismatch, "the program was compiled against TensorRT ", version,
          ", this library answers for TensorRT ", library_version());
  return major;
}

}  // namespace tenon::nvinfer

extern "C" {

#ifdef TENON_TRT_ALL
TENSORRTAPI int32_t tenonTensorRTall(int32_t) { return tenon::nvinfer::library_version(); }
#else
TENSORRTAPI void TRT_LEVEL_NAME(__start_tenonTensorRT)() {}
#endif

TENSORRTAPI int32_t getInferLibVersion() TRT_ENTRY_NOEXCEPT { return tenon::nvinfer::library_version(); }
TENSORRTAPI int32_t getInferLibMajorVersion() noexcept { return tenon::nvinfer::major_of(getInferLibVersion()); }
TENSORRTAPI int32_t getInferLibMinorVersion() noexcept {
  return getInferLibVersion() / 100 % (getInferLibMajorVersion() < 10 ? 10 : 100);
}
TENSORRTAPI int32_t getInferLibPatchVersion() noexcept { return getInferLibVersion() % 100; }
TENSORRTAPI int32_t getInferLibBuildVersion() noexcept { return NV_TENSORRT_BUILD; }
TENSORRTAPI void setInternalLibraryPath(const char*) noexcept {}

}  // extern "C"
