// Memory has a limit in the program that includes this: more than 512 MiB at once is not there. Wrong sizes then end as
// they would on a machine that is full, under sanitizers too, whose own operator new ends the program.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>

namespace limited {

constexpr std::size_t kMost = std::size_t{1} << 29;

inline void* take_or_null(std::size_t size, std::size_t alignment) noexcept {
  std::size_t const rounded = (size + alignment - 1) / alignment * alignment;
  return size > kMost ? nullptr : std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
}

inline void* take(std::size_t size, std::size_t alignment) {
  void* memory = take_or_null(size, alignment);
  if (!memory) {
    throw std::bad_alloc();
  }
  return memory;
}

constexpr std::size_t kUsual = alignof(std::max_align_t);

}  // namespace limited

// Every form there is: a form left out would be the sanitizer's, whose memory these deletes may not free.
void* operator new(std::size_t size) { return limited::take(size, limited::kUsual); }
void* operator new[](std::size_t size) { return limited::take(size, limited::kUsual); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return limited::take_or_null(size, limited::kUsual);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return limited::take_or_null(size, limited::kUsual);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::nothrow_t const&) noexcept { std::free(memory); }
#if __cplusplus >= 201703L
void* operator new(std::size_t size, std::align_val_t alignment) {
  return limited::take(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return limited::take(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, std::nothrow_t const&) noexcept {
  return limited::take_or_null(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, std::nothrow_t const&) noexcept {
  return limited::take_or_null(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t, std::nothrow_t const&) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t, std::nothrow_t const&) noexcept { std::free(memory); }
#endif
