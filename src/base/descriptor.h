// Ownership of POSIX file descriptors, and the text of errno.
#pragma once
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace tenon {

/// Closes its descriptor on destruction. -1 means none.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      if (fd_ >= 0) ::close(fd_);
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// "No space left on device" for ENOSPC.
inline std::string errno_text(int error) { return std::generic_category().message(error); }

/// Repeats `call` while a signal interrupts it.
template <class Call>
auto retry_interrupted(Call call) {
  auto r = call();
  while (r < 0 && errno == EINTR) r = call();
  return r;
}

}  // namespace tenon
