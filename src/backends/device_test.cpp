// What a GPU's device does to and for the application. With TENON_TEST_BACKEND=cuda.
#include "backends/device.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

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

TEST_CASE("what a thread has current stays so where memory, streams and recordings end" *
          doctest::skip(!std::getenv("TENON_TEST_BACKEND"))) {
  const Backend* gpu = cuda_backend();
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  REQUIRE(gpu);
  REQUIRE(driver);
  const auto current = reinterpret_cast<int (*)(void**)>(dlsym(driver, "cuCtxGetCurrent"));
  REQUIRE(bool(current));
  const Device& device = *gpu->device();
  auto memory = device_memory(device, 1000), locked = page_locked_memory(device, 1000), stream = device.new_stream();
  auto recording = device.record([&](void* on) { device.fill(memory.get(), 0, 1000, on); });
  std::thread([&] {
    void* before = nullptr;
    CHECK(current(&before) == 0);
    CHECK(before == nullptr);
    recording.reset();
    stream.reset();
    locked.reset();
    memory.reset();
    device.finish();
    void* after = nullptr;
    CHECK(current(&after) == 0);
    CHECK(after == nullptr);
  }).join();
}
