#include "backends/host_memory.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdint>

namespace tenon {
namespace {

/// cuPointerGetAttribute and what it is asked, by the driver's numbers.
using Query = int (*)(void* result, int attribute, uintptr_t memory);
constexpr int kMemoryType = 2, kIsManaged = 8;
constexpr unsigned kDevice = 2;

/// Null until somebody has loaded a driver; looking never loads one.
Query query() {
  static std::atomic<Query> found{nullptr};
  if (Query known = found) return known;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (!driver) return nullptr;
  const auto fn = reinterpret_cast<Query>(dlsym(driver, "cuPointerGetAttribute"));
  if (fn)
    found = fn;  // the library stays
  else
    dlclose(driver);
  return fn;
}

}  // namespace

bool host_reaches(const void* memory) {
  const Query ask = query();
  const auto address = reinterpret_cast<uintptr_t>(memory);
  unsigned type = 0, managed = 0;
  if (!ask || ask(&type, kMemoryType, address) != 0 || type != kDevice) return true;
  return ask(&managed, kIsManaged, address) == 0 && managed != 0;
}

}  // namespace tenon
