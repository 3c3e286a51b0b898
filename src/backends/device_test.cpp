// What a GPU's device does for the application. With TENON_TEST_BACKEND=cuda.
#include "backends/device.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "backends/backend.h"

using namespace tenon;

TEST_CASE("memory that a GPU does not have is refused with its size" *
          doctest::skip(!std::getenv("TENON_TEST_BACKEND"))) {
  const Backend* gpu = cuda_backend();
  REQUIRE(gpu);
  std::string reason;
  try {
    device_memory(*gpu->device(), size_t(1) << 46);
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kOutOfMemory);
    reason = e.what();
  }
  CHECK_MESSAGE(reason.find("the GPU has no room for 70368744177664 bytes") != std::string::npos, reason);
  CHECK(device_memory(*gpu->device(), 1000));
}
