#pragma once
#include <unistd.h>

#include <cstdint>

namespace tenon {

/// Bytes of memory that the machine has. Systems that promise more than that answer an allocation of any size, and end
/// the process when the memory is used.
inline uint64_t physical_memory() {
  static const uint64_t bytes = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace tenon
