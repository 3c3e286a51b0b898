#include "base/cache_folder.h"

#include <cstdlib>
#include <filesystem>

#include "base/knobs.h"

namespace tenon {
namespace {

std::filesystem::path root() {
  if (std::string chosen = knob_text(Knob::kCacheDir); !chosen.empty()) return chosen;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/') return std::filesystem::path(cache) / "tenon";
  const char* home = std::getenv("HOME");
  if (home && *home == '/') return std::filesystem::path(home) / ".cache" / "tenon";
  return {};
}

}  // namespace

std::string cache_folder(const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path base = root();
  if (base.empty()) return {};
  const fs::path folder = base / name;
  std::error_code error;
  if (fs::is_directory(folder, error)) return folder.string();
  fs::create_directories(folder, error);
  if (error) return {};
  fs::permissions(folder, fs::perms::owner_all, error);
  return folder.string();
}

}  // namespace tenon
