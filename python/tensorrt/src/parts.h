// The parts of the module, in the order in which they are bound.
#pragma once
#include "common.h"

namespace tenon::py {

/// `base`: the Python class that the classes of enumerations derive from.
void bind_enums(nb::module_& m, const nb::object& base);
void bind_values(nb::module_& m);
/// Interfaces that users implement in Python.
void bind_logger(nb::module_& m);
void bind_callbacks(nb::module_& m);
void bind_allocators(nb::module_& m);
void bind_calibrators(nb::module_& m);
void bind_plugins(nb::module_& m);
/// Generated: classes that users call.
void bind_units(nb::module_& m);
void bind_parsers(nb::module_& m);
void bind_legacy_parsers(nb::module_& m);

}  // namespace tenon::py
