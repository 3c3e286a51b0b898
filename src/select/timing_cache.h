// Measured kernel times, kept between builds: same graph, device and cache give the same choices.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tenon::select {

/// What a time was measured for: a problem's signature and a kernel, on one device.
struct TimingKey {
  uint64_t problem = 0;
  uint64_t device = 0;
  std::string kernel;
  auto operator<=>(const TimingKey&) const = default;
};

/// Thread-safe. The file form is text with a version line and a checksum line; unreadable files are refused whole.
class TimingCache {
 public:
  TimingCache() = default;
  std::optional<float> find(const TimingKey& key) const;
  void put(const TimingKey& key, float time_us);
  size_t size() const;
  std::vector<std::pair<TimingKey, float>> entries() const;
  /// Takes entries of `other` that this one lacks.
  void merge(const TimingCache& other);
  void clear();

  std::vector<std::byte> serialize() const;
  /// Throws kCorruptFile or kVersionMismatch.
  static void parse(std::span<const std::byte> bytes, TimingCache& into);
  /// Adds the file's entries; a file that does not exist is an empty cache.
  void load(const std::string& path);
  /// Merges with what the file holds now, under a lock file beside it, and replaces it atomically.
  void save(const std::string& path);

 private:
  mutable std::mutex mutex_;
  std::map<TimingKey, float> times_;
};

}  // namespace tenon::select
