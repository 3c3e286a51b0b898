#include "backends/cuda/kernel_cache.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

/// A folder that the cache uses while this lives.
class CacheFolder {
 public:
  CacheFolder() : path_(fs::temp_directory_path() / ("tenon_kernel_cache_" + std::to_string(getpid()))) {
    setenv("TENON_CACHE_DIR", path_.c_str(), 1);
  }
  ~CacheFolder() {
    unsetenv("TENON_CACHE_DIR");
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& e : fs::directory_iterator(path_ / "kernels")) all.push_back(e.path());
    return all;
  }

 private:
  fs::path path_;
};

TEST_CASE("kernel cache: what was written is found by its key alone") {
  const CacheFolder folder;
  const std::vector<char> code = {1, 2, 3, 0, -1};
  CHECK_FALSE(KernelCache("a").read().has_value());
  KernelCache("a").write(code);
  REQUIRE(KernelCache("a").read().has_value());
  CHECK(*KernelCache("a").read() == code);
  CHECK_FALSE(KernelCache("b").read().has_value());
}

TEST_CASE("kernel cache: a damaged or foreign file is as good as none") {
  const CacheFolder folder;
  KernelCache("key").write({10, 20, 30});
  REQUIRE(folder.files().size() == 1);
  const fs::path file = folder.files()[0];
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i >= 28 && i < 32) continue;  // unused
    std::string damaged = bytes;
    damaged[i] = char(damaged[i] ^ 0x40);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged;
    CAPTURE(i);
    CHECK_FALSE(KernelCache("key").read().has_value());
  }
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes.substr(0, bytes.size() - 1);
  CHECK_FALSE(KernelCache("key").read().has_value());
  KernelCache("key").write({10, 20, 30});
  CHECK(KernelCache("key").read().has_value());
}

TEST_CASE("kernel cache: a place that cannot be written is no error") {
  setenv("TENON_CACHE_DIR", "/proc/no/such/place", 1);
  KernelCache("key").write({1});
  CHECK_FALSE(KernelCache("key").read().has_value());
  unsetenv("TENON_CACHE_DIR");
}

}  // namespace
}  // namespace tenon::cuda
