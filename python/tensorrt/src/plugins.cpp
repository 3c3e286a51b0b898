#include "parts.h"
namespace tenon::py {
void bind_plugins(nb::module_&) {}
}  // namespace tenon::py
