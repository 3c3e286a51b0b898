#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/mmap.h"

namespace fs = std::filesystem;
using namespace tenon;

namespace {

struct TempDir {
  fs::path path;
  TempDir() {
    std::string name = (fs::temp_directory_path() / "tenon_files_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  std::string operator/(const char* leaf) const { return (path / leaf).string(); }
  size_t entries() const { return size_t(std::distance(fs::directory_iterator(path), fs::directory_iterator())); }
};

std::string contents(const std::string& path) {
  auto file = MappedFile::open(path);
  return {reinterpret_cast<const char*>(file->bytes().data()), file->size()};
}

std::string io_error(auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kIo);
    return e.what();
  }
  return "no error";
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a mapping outlives the name of its file") {
  TempDir dir;
  write_file_atomically(dir / "a", "hello");
  auto file = MappedFile::open(dir / "a");
  write_file_atomically(dir / "a", "other text");
  fs::remove(dir / "a");
  CHECK(std::memcmp(file->bytes().data(), "hello", 5) == 0);
  CHECK(file->size() == 5);
}

TEST_CASE("mapping refuses what is not a regular file") {
  TempDir dir;
  write_file_atomically(dir / "empty", "");
  CHECK(MappedFile::open(dir / "empty")->bytes().empty());
  CHECK(has(io_error([&] { MappedFile::open(dir / "missing"); }), "missing: No such file"));
  CHECK(has(io_error([&] { MappedFile::open(dir.path.string()); }), "a directory, not a file"));
  CHECK(has(io_error([&] { MappedFile::open("/dev/zero"); }), "not a regular file"));
  REQUIRE(::mkfifo((dir / "fifo").c_str(), 0600) == 0);
  CHECK(has(io_error([&] { MappedFile::open(dir / "fifo"); }), "not a regular file"));
}

TEST_CASE("an atomic file replaces the old one only at commit") {
  TempDir dir;
  const std::string path = dir / "plan";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("half of the new");
    CHECK(contents(path) == "old");
  }
  CHECK(contents(path) == "old");
  CHECK(dir.entries() == 1);
  AtomicFile file(path);
  file.write("new ");
  file.write("text");
  CHECK(file.written() == 8);
  file.commit();
  CHECK(contents(path) == "new text");
  CHECK(dir.entries() == 1);
}

TEST_CASE("an atomic write keeps permissions and follows links") {
  TempDir dir;
  write_file_atomically(dir / "real", "old");
  REQUIRE(::chmod((dir / "real").c_str(), 0640) == 0);
  fs::create_symlink(dir / "real", dir / "link");
  write_file_atomically(dir / "link", "new");
  CHECK(fs::is_symlink(dir / "link"));
  CHECK(contents(dir / "real") == "new");
  struct stat info;
  REQUIRE(::stat((dir / "real").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0640);
}

TEST_CASE("a full device is reported, a missing or wrong directory too") {
  TempDir dir;
  CHECK(has(io_error([] { write_file_atomically("/dev/full", "x"); }), "/dev/full: No space left on device"));
  CHECK(has(io_error([&] { write_file_atomically(dir / "no/such/file", "x"); }), "No such file or directory"));
  CHECK(has(io_error([&] { write_file_atomically(dir.path.string(), "x"); }), "a directory"));
  write_file_atomically("/dev/null", "x");
}

TEST_CASE("a write that stops short leaves the old file and no temporary") {
  TempDir dir;
  const std::string path = dir / "plan";
  write_file_atomically(path, "old");
  const pid_t child = ::fork();
  if (child == 0) {  // the limit and the ignored signal are the child's alone
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    int code = ::setrlimit(RLIMIT_FSIZE, &limit) == 0 ? 1 : 2;
    try {
      write_file_atomically(path, std::string(100000, 'x'));
    } catch (const Error& e) {
      code = has(e.what(), "File too large") ? 0 : 3;
    }
    ::_exit(code);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(contents(path) == "old");
  CHECK(dir.entries() == 1);
}

TEST_CASE("a lock file excludes a second holder until it is released") {
  TempDir dir;
  const std::string path = dir / "cache.lock";
  {
    FileLock lock(path);
    CHECK(!FileLock::try_lock(path).has_value());
  }
  auto held = FileLock::try_lock(path);
  CHECK(held.has_value());
  held.reset();
  FileLock again(path);
  CHECK(has(io_error([&] { FileLock bad(dir / "no/dir.lock"); }), "cannot open lock file"));
}
