#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"

namespace tenon {
namespace {

Descriptor open_lock_file(const std::string& path) {
  Descriptor fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); }));
  require(bool(fd), ErrorCode::kIo, "cannot open lock file ", path, ": ", errno_text(errno));
  return fd;
}

}  // namespace

FileLock::FileLock(const std::string& path) : fd_(open_lock_file(path)) {
  require(retry_interrupted([&] { return ::flock(fd_.get(), LOCK_EX); }) == 0, ErrorCode::kIo, "cannot lock ", path,
          ": ", errno_text(errno));
}

std::optional<FileLock> FileLock::try_lock(const std::string& path) {
  Descriptor fd = open_lock_file(path);
  if (retry_interrupted([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) == 0) return FileLock(std::move(fd));
  require(errno == EWOULDBLOCK, ErrorCode::kIo, "cannot lock ", path, ": ", errno_text(errno));
  return std::nullopt;
}

}  // namespace tenon
