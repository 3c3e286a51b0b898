#include "backends/cuda/libraries/library.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tenon::cuda {
namespace {

namespace fs = std::filesystem;

/// Folders that libraries are looked for in while this lives.
class Folders {
 public:
  Folders() : path_(fs::temp_directory_path() / ("tenon_library_" + std::to_string(getpid()))) {
    fs::create_directories(path_ / "first");
    fs::create_directories(path_ / "second");
    setenv("TENON_CUDA_LIBRARY_PATH", (first().string() + ":" + second().string()).c_str(), 1);
  }
  ~Folders() {
    unsetenv("TENON_CUDA_LIBRARY_PATH");
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path first() const { return path_ / "first"; }
  fs::path second() const { return path_ / "second"; }

 private:
  fs::path path_;
};

constexpr const char* kName = "libtenon_of_this_test.so";

TEST_CASE("a library that cannot be loaded does not hide the one in the next folder") {
  const Folders folders;
  std::ofstream(folders.first() / kName) << "no library";
  {
    Library none({kName});
    CHECK(none.error().find("cannot load " + (folders.first() / kName).string()) != std::string::npos);
  }
  for (const char* known : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"})
    if (fs::exists(known) && !fs::exists(folders.second() / kName)) fs::copy_file(known, folders.second() / kName);
  if (!fs::exists(folders.second() / kName)) return;
  Library found({kName});
  CHECK(found.error().empty());
  double (*cosine)(double) = nullptr;
  found.find("cos", cosine);
  CHECK(found.error().empty());
  REQUIRE(bool(cosine));
  CHECK(cosine(0) == 1);
}

TEST_CASE("a library that is not there, or lacks a function, is named") {
  Library absent{"libtenon_has_no_such.so.9", "libtenon_has_no_such.so.8"};
  CHECK(absent.error().starts_with("cannot load libtenon_has_no_such.so.9: "));
  int (*function)() = nullptr;
  absent.find("anything", function);
  CHECK_FALSE(bool(function));
  CHECK(absent.error().starts_with("cannot load libtenon_has_no_such.so.9: "));

  Library second{"libtenon_has_no_such.so.9", "libm.so.6"};
  CHECK(second.error().empty());
  second.find("cosine_of_nothing", function);
  CHECK_FALSE(bool(function));
  CHECK(second.error() == "the library has no function cosine_of_nothing");
  second.find("another_of_nothing", function);
  CHECK(second.error() == "the library has no function cosine_of_nothing");  // the first
}

}  // namespace
}  // namespace tenon::cuda
