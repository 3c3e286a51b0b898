// Counts what a thread does of what costs time or can wait: allocations, locks, and calls of the GPU driver that
// allocate or ask whose an address is. The program that includes this stands before the C library and before the
// driver.
#pragma once
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace counted {

enum Kind { kAllocation, kLock, kDriverMemory, kDriverQuestion, kKinds };

struct Event {
  Kind kind;
  void* caller;  ///< where the call returns to
};
constexpr int kMost = 1 << 14;
inline Event* events() {
  static Event all[kMost];
  return all;
}
inline int& count() {
  static int number = 0;
  return number;
}
inline bool& on() {
  static thread_local bool counting = false;
  return counting;
}
inline void note(Kind kind, void* caller) {
  if (on() && count() < kMost) {
    events()[count()++] = Event{kind, caller};
  }
}

/// Counts while it lives, in its thread.
class Scope {
 public:
  Scope() { on() = true; }
  ~Scope() { on() = false; }
};

inline std::string library_of(void* address) {
  Dl_info info{};
  return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "?";
}

/// How many of a kind came from Tenon's libraries or from the C++ library on their behalf.
inline int ours(Kind kind) {
  int found = 0;
  for (int i = 0; i < count(); ++i) {
    std::string const library = library_of(events()[i].caller);
    bool const mine = library.find("libtenon") != std::string::npos ||
                      library.find("libnvinfer") != std::string::npos || library.find("libstdc++") != std::string::npos;
    found += events()[i].kind == kind && (mine || kind >= kDriverMemory);
  }
  return found;
}

inline int all(Kind kind) {
  int found = 0;
  for (int i = 0; i < count(); ++i) {
    found += events()[i].kind == kind;
  }
  return found;
}

/// Where the events came from, for a reader.
inline void print(char const* what) {
  char const* const names[] = {"allocations", "locks", "driver's memory", "driver's pointers"};
  std::vector<std::pair<std::string, int>> lines;
  for (int i = 0; i < count(); ++i) {
    Dl_info info{};
    bool const known = dladdr(events()[i].caller, &info) != 0;
    std::string line =
        std::string(names[events()[i].kind]) + " " + library_of(events()[i].caller) + " +" +
        std::to_string(known ? static_cast<char*>(events()[i].caller) - static_cast<char*>(info.dli_fbase) : 0);
    bool seen = false;
    for (auto& entry : lines) {
      if (entry.first == line) {
        ++entry.second;
        seen = true;
      }
    }
    if (!seen) {
      lines.emplace_back(line, 1);
    }
  }
  for (auto const& entry : lines) {
    std::printf("  %s: %d x %s\n", what, entry.second, entry.first.c_str());
  }
}

template <class Function>
Function next(char const* name) {
  static Function found = nullptr;
  return found ? found : found = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

/// What the driver gave for a function's name, and what stands before it.
struct Hook {
  char const* name;
  Kind kind;
  void* real[2];  ///< with the legacy default stream, with a thread's own
  void* before[2];
};
inline Hook* hooks();

template <int kHook, int kStream>
int forward(void* a, void* b, void* c, void* d, void* e, void* f) {
  Hook const& hook = hooks()[kHook];
  note(hook.kind, __builtin_return_address(0));
  // The driver's functions here take at most six words; those that take fewer leave the rest alone.
  return reinterpret_cast<int (*)(void*, void*, void*, void*, void*, void*)>(hook.real[kStream])(a, b, c, d, e, f);
}

template <int kHook>
Hook hook(char const* name, Kind kind) {
  return Hook{name,
              kind,
              {nullptr, nullptr},
              {reinterpret_cast<void*>(&forward<kHook, 0>), reinterpret_cast<void*>(&forward<kHook, 1>)}};
}
constexpr int kHooks = 14;
inline Hook* hooks() {
  static Hook all[kHooks] = {
      hook<0>("cuMemAlloc", kDriverMemory),
      hook<1>("cuMemAllocPitch", kDriverMemory),
      hook<2>("cuMemAllocHost", kDriverMemory),
      hook<3>("cuMemHostAlloc", kDriverMemory),
      hook<4>("cuMemAllocManaged", kDriverMemory),
      hook<5>("cuMemAllocAsync", kDriverMemory),
      hook<6>("cuMemAllocFromPoolAsync", kDriverMemory),
      hook<7>("cuMemCreate", kDriverMemory),
      hook<8>("cuMemFree", kDriverMemory),
      hook<9>("cuMemFreeAsync", kDriverMemory),
      hook<10>("cuMemHostRegister", kDriverMemory),
      hook<11>("cuPointerGetAttributes", kDriverQuestion),
      hook<12>("cuPointerGetAttribute", kDriverQuestion),
      hook<13>("cuMemGetInfo", kDriverQuestion),
  };
  return all;
}

/// What to give for function `name` instead of what the driver gave.
inline void* stand_before(char const* name, void* real, uint64_t flags) {
  constexpr uint64_t kThreadStream = 2;
  for (int i = 0; i < kHooks; ++i) {
    Hook& h = hooks()[i];
    if (std::strcmp(h.name, name) == 0 && real != nullptr && real != h.before[0] && real != h.before[1]) {
      int const stream = (flags & kThreadStream) != 0 ? 1 : 0;
      h.real[stream] = real;
      return h.before[stream];
    }
  }
  return real;
}

using GetProc = int (*)(char const*, void**, int, uint64_t, void*);
inline GetProc& real_get_proc() {
  static GetProc found = nullptr;
  return found;
}
inline int get_proc(char const* name, void** function, int version, uint64_t flags, void* status) {
  int const code = real_get_proc()(name, function, version, flags, status);
  if (code == 0 && function != nullptr) {
    if (std::strcmp(name, "cuGetProcAddress") == 0) {
      real_get_proc() = reinterpret_cast<GetProc>(*function);
      *function = reinterpret_cast<void*>(&get_proc);
    } else {
      *function = stand_before(name, *function, flags);
    }
  }
  return code;
}

}  // namespace counted

extern "C" {

void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

__attribute__((noinline)) void* malloc(size_t bytes) noexcept {
  counted::note(counted::kAllocation, __builtin_return_address(0));
  return __libc_malloc(bytes);
}
__attribute__((noinline)) void* calloc(size_t count, size_t bytes) noexcept {
  counted::note(counted::kAllocation, __builtin_return_address(0));
  return __libc_calloc(count, bytes);
}
__attribute__((noinline)) void* realloc(void* memory, size_t bytes) noexcept {
  counted::note(counted::kAllocation, __builtin_return_address(0));
  return __libc_realloc(memory, bytes);
}
__attribute__((noinline)) void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  counted::note(counted::kAllocation, __builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}
__attribute__((noinline)) int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  counted::note(counted::kLock, __builtin_return_address(0));
  return counted::next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock")(mutex);
}
__attribute__((noinline)) int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  counted::note(counted::kLock, __builtin_return_address(0));
  using Function = int (*)(pthread_mutex_t*);
  static Function const real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_mutex_trylock"));
  return real(mutex);
}
__attribute__((noinline)) int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  counted::note(counted::kLock, __builtin_return_address(0));
  using Function = int (*)(pthread_rwlock_t*);
  static Function const real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_rwlock_rdlock"));
  return real(lock);
}
__attribute__((noinline)) int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  counted::note(counted::kLock, __builtin_return_address(0));
  using Function = int (*)(pthread_rwlock_t*);
  static Function const real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_rwlock_wrlock"));
  return real(lock);
}

/// The CUDA runtime looks for the driver's functions through this one. RTLD_NEXT means the library after the program.
__attribute__((noinline)) void* dlsym(void* library, char const* name) noexcept {
  using Function = void* (*)(void*, char const*);
  static Function real = nullptr;
  if (real == nullptr) {
#ifdef __aarch64__
    char const* const oldest = "GLIBC_2.17";
#else
    char const* const oldest = "GLIBC_2.2.5";
#endif
    real = reinterpret_cast<Function>(dlvsym(RTLD_NEXT, "dlsym", oldest));
  }
  if (std::strncmp(name, "cuGetProcAddress", 16) == 0) {
    void* const found = real(library, name);
    if (found == nullptr) {
      return nullptr;
    }
    counted::real_get_proc() = reinterpret_cast<counted::GetProc>(found);
    return reinterpret_cast<void*>(&counted::get_proc);
  }
  return real(library, name);
}

}  // extern "C"
