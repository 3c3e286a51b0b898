#include "backends/host_memory.h"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstdint>

namespace tenon {
namespace {

/// cuPointerGetAttribute and what it is asked, by the driver's numbers.
using Query = int (*)(void* result, int attribute, uintptr_t memory);
constexpr int kMemoryType = 2, kIsManaged = 8;
constexpr unsigned kDevice = 2;

/// How many libraries this process has ever loaded.
unsigned long long loaded() {
  unsigned long long count = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        *static_cast<unsigned long long*>(out) = info->dlpi_adds;
        return 1;
      },
      &count);
  return count;
}

/// Null until somebody has loaded a driver; looking never loads one. The loader searches its path for a library that is
/// not there, so it is asked again only when something was loaded since.
Query query() {
  static std::atomic<Query> found{nullptr};
  static std::atomic<unsigned long long> searched{0};
  if (Query known = found) return known;
  const unsigned long long now = loaded();
  if (searched == now) return nullptr;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (!driver) {
    searched = now;
    return nullptr;
  }
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
