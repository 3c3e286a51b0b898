// What every part of the module `tensorrt` uses.
#pragma once
#include <string>
#include <utility>

#include "casters.h"

namespace tenon::py {

/// True with TENON_RAISE=1: a failed call raises instead of returning None or False.
bool raises();
/// The release that TENON_TRT_API chooses: 7, 8, 10 or 11.
int release();

/// Remembers an error's text for the exception that a failed call raises; called by every logger of ours.
void remember_error(const char* message);
/// Raises RuntimeError with the last error logged on this thread if raises(); `what` names the call.
void failed(const char* what);

/// Keeps the logger that the interface remembers, the first one, as long as the process.
void keep_first_logger();

/// Passes a pointer on; null is a failed call.
template <class T>
T* made(T* object, const char* what) {
  if (object == nullptr) failed(what);
  return object;
}
/// Passes success on; false is a failed call.
inline bool done(bool success, const char* what) {
  if (!success) failed(what);
  return success;
}

/// Runs `body` without the interpreter's lock and takes the lock back for what follows.
template <class Body>
auto unlocked(Body&& body) {
  nb::gil_scoped_release release;
  return body();
}

/// `with x as y:` does nothing but bind, as in TensorRT, where leaving the block used to free the object.
template <class T, class... Options>
void add_context_manager(nb::class_<T, Options...>& type) {
  type.def("__enter__", [](nb::handle self) { return nb::borrow(self); });
  type.def("__exit__", [](nb::handle, nb::args) {});
  type.def("__del__", [](nb::handle) {});
}

/// A C string that may be null.
inline const char* text(const std::string& value) { return value.c_str(); }

}  // namespace tenon::py
