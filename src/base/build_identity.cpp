#include "base/build_identity.h"

#include "build_identity_text.h"

namespace tenon {

std::string_view build_identity() { return TENON_BUILD_IDENTITY; }

}  // namespace tenon
