// Files that appear whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/descriptor.h"

namespace tenon {

/// Writes a temporary file beside `path`; commit() syncs it, renames it over `path` and syncs the directory. Until
/// then, and after any error or destruction without commit(), the old file is untouched and the temporary is gone.
/// A symbolic link is followed, so that it goes on pointing at the new file; a device or FIFO is written directly.
/// Every failure throws Error kIo with the path and the system's text.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  uint64_t written() const { return written_; }
  void commit();

 private:
  [[noreturn]] void fail_io(std::string_view doing, int error);
  void discard() noexcept;
  std::string path_;       // as the caller named it, for messages
  std::string target_;     // links resolved
  std::string temporary_;  // empty when the target is written directly
  Descriptor fd_;
  uint64_t written_ = 0;
};

/// Writes `bytes` to `path` through AtomicFile.
void write_file_atomically(const std::string& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::string& path, std::string_view text);

}  // namespace tenon
