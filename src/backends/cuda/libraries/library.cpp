#include "backends/cuda/libraries/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/knobs.h"
#include "base/text.h"

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kToolkit = "/usr/local/cuda/lib64";

std::vector<fs::path> search_folders() {
  std::vector<fs::path> folders;
  const std::string list = knob_text(Knob::kCudaLibraryPath);
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(':', at), list.size());
    if (end > at) {
      const fs::path folder = list.substr(at, end - at);
      folders.push_back(folder);
      std::error_code ignored;
      std::vector<fs::path> packages;
      for (const auto& entry : fs::directory_iterator(folder / "nvidia", ignored))
        packages.push_back(entry.path() / "lib");
      std::sort(packages.begin(), packages.end());
      folders.insert(folders.end(), packages.begin(), packages.end());
    }
    at = end + 1;
  }
  folders.push_back(kToolkit);
  return folders;
}

}  // namespace

Library::Library(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if ((handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL))) return;
  const char* reason = dlerror();
  const std::string first = reason ? reason : "";
  for (const fs::path& folder : search_folders())
    for (const char* name : names)
      if (std::error_code ignored; fs::exists(folder / name, ignored)) {
        if ((handle_ = dlopen((folder / name).c_str(), RTLD_NOW | RTLD_LOCAL))) {
          error_.clear();  // of one that was found before and cannot be loaded
          return;
        }
        reason = dlerror();
        error_ = cat("cannot load ", (folder / name).string(), ": ", reason ? reason : "");
      }
  if (error_.empty()) error_ = cat("cannot load ", *names.begin(), ": ", first);
}

void* Library::address(const char* symbol) {
  if (!handle_) return nullptr;
  void* found = dlsym(handle_, symbol);
  if (!found && error_.empty()) error_ = cat("the library has no function ", symbol);
  return found;
}

}  // namespace tenon::cuda
