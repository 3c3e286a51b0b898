// Exclusion between processes that update one file.
#pragma once
#include <optional>
#include <string>

#include "base/descriptor.h"

namespace tenon {

/// Holds an exclusive flock() on a lock file until destroyed, process exit included. The lock file is made when it is
/// missing and is never removed: removing it would let two holders coexist. Lock "FILE.lock" to update "FILE".
class FileLock {
 public:
  /// Waits until the lock is free. Throws Error kIo if the lock file cannot be opened.
  explicit FileLock(const std::string& path);
  /// Gives nullopt at once while another holder has the lock.
  static std::optional<FileLock> try_lock(const std::string& path);

 private:
  explicit FileLock(Descriptor fd) : fd_(std::move(fd)) {}
  Descriptor fd_;
};

}  // namespace tenon
