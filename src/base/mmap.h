// Read-only views of whole files.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace tenon {

/// A regular file mapped read-only. The mapping lives as long as any shared owner: tensors refer into it.
/// The file must not shrink while it is mapped (writers here replace files by rename, which keeps old mappings whole).
class MappedFile {
 public:
  /// Maps `path`. Throws Error kIo if it cannot be opened or is not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  /// Maps an open descriptor, which stays the caller's; `path` serves messages only.
  static std::shared_ptr<const MappedFile> from_descriptor(int fd, const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size) : path_(std::move(path)), data_(data), size_(size) {}
  std::string path_;
  const std::byte* data_;
  size_t size_;
};

}  // namespace tenon
