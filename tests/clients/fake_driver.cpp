// What an engine on the processor asks a GPU driver: whose an address is, and whether there is a GPU.
#include <cstddef>
#include <cstdint>

static uintptr_t first = 0;
static size_t length = 0;
static int is_managed = 0;

extern "C" void fakeClaim(void const* memory, size_t bytes, int managed) {
  first = reinterpret_cast<uintptr_t>(memory);
  length = bytes;
  is_managed = managed;
}

extern "C" int cuInit(unsigned) { return 0; }
extern "C" int cuDeviceGetCount(int* count) { return *count = 1, 0; }

/// Attributes 2 (the kind of memory, 2 is the device's) and 8 (managed); other memory is unknown to the driver.
extern "C" int cuPointerGetAttribute(void* result, int attribute, uintptr_t memory) {
  if (memory < first || memory >= first + length) {
    return 1;
  }
  *static_cast<unsigned*>(result) = attribute == 8 ? static_cast<unsigned>(is_managed) : 2U;
  return 0;
}
