// A Python object's memory as an argument: bytes, bytearray, memoryview, numpy arrays, IHostMemory.
#pragma once
#include "common.h"

namespace tenon::py {

/// Holds the buffer as long as it lives.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept : view_(std::exchange(other.view_, Py_buffer{})) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(view_, other.view_);
    return *this;
  }
  ~Buffer() {
    if (view_.obj != nullptr) PyBuffer_Release(&view_);
  }
  /// False with no exception set if the object has no contiguous memory.
  bool open(PyObject* object) noexcept {
    if (PyObject_CheckBuffer(object) == 0 || PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE) != 0) {
      PyErr_Clear();
      return false;
    }
    return true;
  }
  const void* data() const { return view_.buf; }
  size_t size() const { return static_cast<size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

}  // namespace tenon::py

namespace nanobind::detail {

template <>
struct type_caster<tenon::py::Buffer> {
  NB_TYPE_CASTER(tenon::py::Buffer, const_name("typing_extensions.Buffer"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept { return value.open(source.ptr()); }
};

}  // namespace nanobind::detail
