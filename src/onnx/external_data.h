// Tensor bytes that lie in files beside the model. A model names them; nothing it says may reach outside its folder.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/mmap.h"

namespace tenon::onnx {

/// Where a tensor's bytes lie, as the model says.
struct ExternalReference {
  std::string location;  ///< relative path, no ".." component
  int64_t offset = 0;    ///< bytes
  std::optional<int64_t> length;
  std::string checksum;  ///< SHA-1 of the whole file in hexadecimal, or ""
};
/// Reads the key-value pairs of a tensor. Throws kInvalidModel for unknown, repeated, missing or malformed ones.
ExternalReference parse_external_reference(const std::vector<std::pair<std::string, std::string>>& entries);

/// Opens `location` below the folder `directory` for reading. No component may be "..", a symbolic link or a mount of
/// procfs links; throws kInvalidModel where the location itself is at fault, kIo where the system is. The kernel checks
/// where it can (openat2), else each component is opened in turn; `walk` forces the latter.
Descriptor open_beneath(int directory, const std::string& location, bool walk = false);

/// The files of one model. Each is opened and mapped once, and lives as long as a tensor refers to it.
class ExternalData {
 public:
  struct Options {
    bool allow_hard_links = false;  ///< accept files with several names, as content-addressed caches make them
  };
  struct Bytes {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  /// Throws kIo if `directory` cannot be opened.
  ExternalData(const std::string& directory, Options options);
  explicit ExternalData(const std::string& directory) : ExternalData(directory, Options{}) {}

  /// The `size` bytes that `reference` names. Throws if the length differs from `size`, if the file is not regular,
  /// too short, hard-linked, outside the folder, or does not have the checksum.
  Bytes get(const ExternalReference& reference, int64_t size);

 private:
  struct File {
    std::shared_ptr<const MappedFile> mapped;
    std::string sha1;  // computed on first need
  };
  File& file(const std::string& location);
  std::string directory_;
  Options options_;
  Descriptor descriptor_;
  std::map<std::string, File> files_;
};

}  // namespace tenon::onnx
