// Allocators of device memory written in Python.
#include <nanobind/trampoline.h>

#include "common.h"
#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

/// Calls a method that takes and returns addresses.
template <class... Args>
nb::object call(nb::handle self, const char* method, Args... args) {
  return self.attr(method)(args...);
}

uintptr_t number(const void* address) { return reinterpret_cast<uintptr_t>(address); }

void* pointer(const nb::object& result) { return nb::cast<Address>(result).as<void*>(); }

bool truth(const nb::object& result) { return PyObject_IsTrue(result.ptr()) == 1; }

/// Methods that a Python allocator may leave out fall back as the interface says.
template <class Base>
struct PyAllocator : Base {
  NB_TRAMPOLINE(Base);

  void* allocate(uint64_t size, uint64_t alignment, AllocatorFlags flags) override {
    nb::gil_scoped_acquire lock;
    if (!overrides("allocate")) return pointer(call(self(), "allocate_async", size, alignment, flags, 0));
    return pointer(call(self(), "allocate", size, alignment, flags));
  }
  void free(void* memory) override { deallocate(memory); }
  void* reallocate(void* memory, uint64_t alignment, uint64_t size) override {
    nb::gil_scoped_acquire lock;
    if (!overrides("reallocate")) return nullptr;
    return pointer(call(self(), "reallocate", number(memory), alignment, size));
  }
  bool deallocate(void* memory) override {
    nb::gil_scoped_acquire lock;
    if (overrides("deallocate")) return truth(call(self(), "deallocate", number(memory)));
    if (overrides("deallocate_async")) return truth(call(self(), "deallocate_async", number(memory), 0));
    call(self(), "free", number(memory));
    return true;
  }
  void* allocateAsync(uint64_t size, uint64_t alignment, AllocatorFlags flags, cudaStream_t stream) override {
    nb::gil_scoped_acquire lock;
    if (!overrides("allocate_async")) return allocate(size, alignment, flags);
    return pointer(call(self(), "allocate_async", size, alignment, flags, number(stream)));
  }
  bool deallocateAsync(void* memory, cudaStream_t stream) override {
    nb::gil_scoped_acquire lock;
    if (!overrides("deallocate_async")) return deallocate(memory);
    return truth(call(self(), "deallocate_async", number(memory), number(stream)));
  }

 private:
  nb::handle self() const { return this->nb_trampoline.base(); }
  /// Whether the user's class has the method: our own ones are those of the bound class.
  bool overrides(const char* method) const {
    nb::object own = nb::getattr(self().type(), method, nb::none());
    nb::object bound = nb::getattr(nb::type<Base>(), method, nb::none());
    return !own.is_none() && !own.is(bound);
  }
};

template <class Type, class... Rest>
void define(nb::class_<Type, Rest...>& c) {
  c.def(nb::init<>());
  c.def(
      "allocate", [](Type&, uint64_t, uint64_t, uint32_t) { return nb::none(); }, nb::arg("size"), nb::arg("alignment"),
      nb::arg("flags"), "An address of `size` bytes, aligned to `alignment`; None if there is no memory.");
  c.def(
      "reallocate", [](Type&, Address, uint64_t, uint64_t) { return nb::none(); }, nb::arg("address"),
      nb::arg("alignment"), nb::arg("new_size"),
      "An address of `new_size` bytes with the same contents; None if that can't be done, and the old memory stays.");
  c.def(
      "deallocate", [](Type&, Address) { return false; }, nb::arg("memory"),
      "Gives memory back. Whether it was known.");
  c.def(
      "free", [](Type&, Address) {}, nb::arg("memory"), "The former name of deallocate().");
  c.def(
      "allocate_async", [](Type&, uint64_t, uint64_t, uint32_t, Address) { return nb::none(); }, nb::arg("size"),
      nb::arg("alignment"), nb::arg("flags"), nb::arg("stream"), "The same in the order of a stream.");
  c.def(
      "deallocate_async", [](Type&, Address, Address) { return false; }, nb::arg("memory"), nb::arg("stream"),
      "The same in the order of a stream.");
}

}  // namespace

void bind_allocators(nb::module_& m) {
  nb::class_<IGpuAllocator, IVersionedInterface, PyAllocator<IGpuAllocator>> plain(
      m, "IGpuAllocator",
      "Allocates device memory. A class has allocate() and deallocate(); addresses are integers, None for failure.");
  define(plain);
  nb::class_<IGpuAsyncAllocator, IGpuAllocator, PyAllocator<IGpuAsyncAllocator>> async(
      m, "IGpuAsyncAllocator",
      "Allocates device memory in the order of streams. A class has allocate_async() and deallocate_async().");
  define(async);
}

}  // namespace tenon::py
