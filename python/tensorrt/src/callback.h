// What calls of the user's Python objects have in common.
#pragma once
#include "common.h"

namespace tenon::py {

/// Has the call that called back raise KeyboardInterrupt where it fails; defined in logger.cpp.
void keep_interrupt();

/// Runs `body` with the interpreter's lock; `what` names the callback where its result has a wrong type.
template <class Body>
auto called_back(const char* what, Body&& body) -> decltype(body()) {
  nb::gil_scoped_acquire lock;
  try {
    return body();
  } catch (const nb::python_error& error) {
    if (error.matches(PyExc_KeyboardInterrupt)) keep_interrupt();
    throw;
  } catch (const std::bad_cast&) {
    nb::raise("%s returned a value of a wrong type", what);
  }
}

/// Shows an exception that goes no further; KeyboardInterrupt is raised in the main thread as soon as that may be.
inline void show_unraisable(nb::python_error& error, const char* what) {
  const bool interrupt = error.matches(PyExc_KeyboardInterrupt);
  error.discard_as_unraisable(what);
  if (interrupt) PyErr_SetInterrupt();
}

}  // namespace tenon::py
