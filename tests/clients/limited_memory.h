// Memory has a limit in the program that includes this: more than 512 MiB at once is not there. Wrong sizes then end as
// they would on a machine that is full, under sanitizers too, whose own operator new ends the program.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>

namespace limited {

inline void* take(std::size_t size, std::size_t alignment) {
  std::size_t const rounded = (size + alignment - 1) / alignment * alignment;
  void* memory =
      size > (std::size_t{1} << 29) ? nullptr : std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
  if (!memory) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace limited

void* operator new(std::size_t size) { return limited::take(size, alignof(std::max_align_t)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#if __cplusplus >= 201703L
void* operator new(std::size_t size, std::align_val_t alignment) {
  return limited::take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif
