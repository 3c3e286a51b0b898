#include "base/mmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/descriptor.h"
#include "base/error.h"

namespace tenon {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK keeps a FIFO without a writer from blocking; it means nothing for regular files.
  Descriptor fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  require(bool(fd), ErrorCode::kIo, "cannot open ", path, ": ", errno_text(errno));
  return from_descriptor(fd.get(), path);
}

std::shared_ptr<const MappedFile> MappedFile::from_descriptor(int fd, const std::string& path) {
  struct stat info;
  require(::fstat(fd, &info) == 0, ErrorCode::kIo, "cannot examine ", path, ": ", errno_text(errno));
  require(S_ISREG(info.st_mode), ErrorCode::kIo, "cannot read ", path, ": ",
          S_ISDIR(info.st_mode) ? "a directory, not a file" : "not a regular file");
  const size_t size = size_t(info.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {
    void* p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    require(p != MAP_FAILED, ErrorCode::kIo, "cannot map ", path, " (", size, " bytes): ", errno_text(errno));
    data = static_cast<const std::byte*>(p);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace tenon
