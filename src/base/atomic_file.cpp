#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"

namespace tenon {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string resolve_links(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) ? std::string(resolved) : path;
}

/// A name that no other process or thread uses: process id, a counter, and O_EXCL at creation for the rest.
std::string temporary_name(const std::string& target) {
  static std::atomic<unsigned> counter{0};
  return cat(target, ".tmp.", int64_t(::getpid()), ".", counter.fetch_add(1));
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), target_(resolve_links(path_)) {
  struct stat info;
  const bool exists = ::stat(target_.c_str(), &info) == 0;
  require(!exists || !S_ISDIR(info.st_mode), ErrorCode::kIo, "cannot write ", path_, ": a directory");
  if (exists && !S_ISREG(info.st_mode)) {
    fd_ = Descriptor(retry_interrupted([&] { return ::open(target_.c_str(), O_WRONLY | O_CLOEXEC); }));
    if (!fd_) fail_io("open", errno);
    return;
  }
  for (int attempt = 0; !fd_ && attempt < 100; ++attempt) {
    temporary_ = temporary_name(target_);
    fd_ = Descriptor(
        retry_interrupted([&] { return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
    if (!fd_ && errno != EEXIST) break;
  }
  if (!fd_) {
    const int error = errno;
    temporary_.clear();
    fail_io("create a file beside", error);
  }
  if (exists) (void)!::fchmod(fd_.get(), info.st_mode & 07777);
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ && !temporary_.empty()) ::unlink(temporary_.c_str());
  fd_ = Descriptor();
}

void AtomicFile::fail_io(std::string_view doing, int error) {
  discard();
  fail(ErrorCode::kIo, "cannot ", doing, " ", path_, ": ", errno_text(error));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  require(bool(fd_), ErrorCode::kInternal, "write to ", path_, " after it was committed or failed");
  while (!bytes.empty()) {
    const size_t chunk = std::min<size_t>(bytes.size(), size_t(1) << 30);  // one write() takes at most 2 GiB
    const ssize_t n = retry_interrupted([&] { return ::write(fd_.get(), bytes.data(), chunk); });
    if (n < 0) fail_io("write", errno);
    if (n == 0) fail_io("write", ENOSPC);
    bytes = bytes.subspan(size_t(n));
    written_ += uint64_t(n);
  }
}

void AtomicFile::commit() {
  require(bool(fd_), ErrorCode::kInternal, "commit of ", path_, " after it was committed or failed");
  if (temporary_.empty()) {
    if (::close(fd_.release()) != 0 && errno != EINTR) fail_io("write", errno);
    return;
  }
  if (retry_interrupted([&] { return ::fsync(fd_.get()); }) != 0) fail_io("sync", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_io("replace", errno);
  temporary_.clear();
  fd_ = Descriptor();
  Descriptor directory(::open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return;  // a directory may be writable and not readable; the rename itself is done
  const int synced = retry_interrupted([&] { return ::fsync(directory.get()); });
  if (synced != 0 && errno != EINVAL && errno != ENOTSUP) fail_io("sync the directory of", errno);
}

void write_file_atomically(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace tenon
