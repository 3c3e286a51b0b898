// The folder for what can be made again: compiled kernels, measured times.
#pragma once
#include <string>

namespace tenon {

/// `name` inside the user's cache folder (TENON_CACHE_DIR, else $XDG_CACHE_HOME/tenon, else ~/.cache/tenon), created
/// for this user alone where it is missing. Empty if there is no such place or it cannot be created.
std::string cache_folder(const std::string& name);

}  // namespace tenon
