#include "backends/cuda/kernel_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/cache_folder.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mmap.h"

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

/// The file: this header, the key, the code.
struct Header {
  std::array<char, 8> magic = {'T', 'N', 'K', 'E', 'R', 'N', '0', '1'};
  uint64_t key_bytes = 0, code_bytes = 0;
  uint32_t crc = 0, unused = 0;
};

std::string hex(uint64_t v) {
  std::string s;
  for (int i = 60; i >= 0; i -= 4) s += "0123456789abcdef"[v >> i & 15];
  return s;
}

template <class T>
std::span<const std::byte> bytes_of(const T& items) {
  return std::as_bytes(std::span(items.data(), items.size()));
}

struct Entry {
  fs::path path;
  fs::file_time_type used;
  size_t bytes;
};

/// Removes the entries used longest ago until the rest fits.
void trim(const std::string& folder) {
  std::error_code error;
  std::vector<Entry> entries;
  size_t bytes = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(folder, error)) {
    if (e.path().extension() != ".cubin") continue;
    const fs::file_time_type used = e.last_write_time(error);
    const size_t size = error ? 0 : size_t(e.file_size(error));
    if (error) continue;
    entries.push_back({e.path(), used, size});
    bytes += size;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  size_t count = entries.size();
  for (const Entry& e : entries) {
    if (count <= KernelCache::kMaxFiles && bytes <= KernelCache::kMaxBytes) break;
    fs::remove(e.path, error);
    bytes -= e.bytes;
    --count;
  }
}

}  // namespace

KernelCache::KernelCache(const std::string& key) : key_(key), folder_(cache_folder("kernels")) {
  Hasher hasher;
  hasher.add_text(key);
  if (!folder_.empty()) path_ = folder_ + "/" + hex(hasher.value()) + ".cubin";
}

std::optional<std::vector<char>> KernelCache::read() const {
  std::error_code error;
  if (path_.empty() || !fs::is_regular_file(path_, error)) return std::nullopt;
  try {
    const auto file = MappedFile::open(path_);
    std::span<const std::byte> rest = file->bytes();
    Header h;
    if (rest.size() < sizeof h) return std::nullopt;
    std::memcpy(&h, rest.data(), sizeof h);
    rest = rest.subspan(sizeof h);
    if (h.magic != Header().magic || h.key_bytes != key_.size() || rest.size() < h.key_bytes ||
        rest.size() - h.key_bytes != h.code_bytes || crc32c(rest) != h.crc ||
        std::memcmp(rest.data(), key_.data(), key_.size()) != 0)
      return std::nullopt;
    const char* code = reinterpret_cast<const char*>(rest.data()) + key_.size();
    utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
    return std::vector<char>(code, code + h.code_bytes);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void KernelCache::write(const std::vector<char>& code) const {
  if (path_.empty()) return;
  try {
    Header h;
    h.key_bytes = key_.size();
    h.code_bytes = code.size();
    h.crc = crc32c(bytes_of(code), crc32c(bytes_of(key_)));
    AtomicFile file(path_);
    file.write(std::as_bytes(std::span(&h, 1)));
    file.write(key_);
    file.write(bytes_of(code));
    file.commit();
    trim(folder_);
  } catch (const std::exception&) {
    // The next process compiles again.
  }
}

}  // namespace tenon::cuda
