// Compiled kernels kept in the user's cache folder, named by a hash of what they were compiled from.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace tenon::cuda {

/// One entry. A missing, damaged or unwritable file is never an error: the kernel is compiled instead. The folder is
/// kept below kMaxFiles and kMaxBytes by removing the entries used longest ago.
class KernelCache {
 public:
  static constexpr size_t kMaxFiles = 1000;
  static constexpr size_t kMaxBytes = 64 << 20;

  /// `key` is everything that the machine code depends on.
  explicit KernelCache(const std::string& key);
  std::optional<std::vector<char>> read() const;
  void write(const std::vector<char>& code) const;

 private:
  std::string key_, folder_, path_;
};

}  // namespace tenon::cuda
