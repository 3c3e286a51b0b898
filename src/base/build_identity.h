// Which build a library is of.
#pragma once
#include <string_view>

namespace tenon {

/// The release, and a hash of the compiler and of the headers that our libraries share: libraries of other identities
/// disagree about the layout of objects and may not be loaded beside each other.
std::string_view build_identity();

}  // namespace tenon
