#include "select/timing_cache.h"

#include <unistd.h>

#include <charconv>
#include <cmath>

#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/mmap.h"

namespace tenon::select {
namespace {

constexpr std::string_view kHeader = "tenon-timing-cache 1\n";

std::string hex(uint64_t v) {
  char buffer[17];
  auto end = std::to_chars(buffer, buffer + 17, v, 16).ptr;
  return {buffer, end};
}

[[noreturn]] void corrupt(std::string_view why, size_t line) {
  throw Error(ErrorCode::kCorruptFile, std::string(why), cat("timing cache line ", line));
}

std::string_view field(std::string_view& line, size_t number) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) corrupt("four fields are expected", number);
  std::string_view f = line.substr(0, space);
  line.remove_prefix(space + 1);
  return f;
}

uint64_t parse_hex(std::string_view s, size_t number) {
  uint64_t v = 0;
  auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v, 16);
  if (error != std::errc() || end != s.data() + s.size()) corrupt("a hexadecimal number is expected", number);
  return v;
}

}  // namespace

std::optional<float> TimingCache::find(const TimingKey& key) const {
  std::lock_guard lock(mutex_);
  auto it = times_.find(key);
  return it == times_.end() ? std::nullopt : std::optional(it->second);
}

void TimingCache::put(const TimingKey& key, float time_us) {
  std::lock_guard lock(mutex_);
  times_[key] = time_us;
}

size_t TimingCache::size() const {
  std::lock_guard lock(mutex_);
  return times_.size();
}

std::vector<std::pair<TimingKey, float>> TimingCache::entries() const {
  std::lock_guard lock(mutex_);
  return {times_.begin(), times_.end()};
}

void TimingCache::merge(const TimingCache& other) {
  const auto theirs = other.entries();
  std::lock_guard lock(mutex_);
  times_.insert(theirs.begin(), theirs.end());
}

void TimingCache::clear() {
  std::lock_guard lock(mutex_);
  times_.clear();
}

std::vector<std::byte> TimingCache::serialize() const {
  std::string body;
  for (const auto& [key, us] : entries())
    body += cat(hex(key.problem), " ", hex(key.device), " ", us, " ", key.kernel, "\n");
  std::string text =
      cat(kHeader, "crc32c ", hex(crc32c(std::as_bytes(std::span(body.data(), body.size())))), "\n", body);
  auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

void TimingCache::parse(std::span<const std::byte> bytes, TimingCache& into) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kName = "tenon-timing-cache ";
  if (!text.starts_with(kName)) corrupt("this is not a timing cache of Tenon", 1);
  if (!text.starts_with(kHeader))
    throw Error(ErrorCode::kVersionMismatch,
                cat("the timing cache has the format '", text.substr(0, text.find('\n')), "', this version reads 1"));
  text.remove_prefix(kHeader.size());
  const size_t end = text.find('\n');
  if (!text.starts_with("crc32c ") || end == std::string_view::npos) corrupt("the checksum is missing", 2);
  const uint64_t crc = parse_hex(text.substr(7, end - 7), 2);
  text.remove_prefix(end + 1);
  if (crc32c(std::as_bytes(std::span(text.data(), text.size()))) != crc) corrupt("the checksum does not match", 2);
  std::lock_guard lock(into.mutex_);
  for (size_t number = 3; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    TimingKey key;
    key.problem = parse_hex(field(line, number), number);
    key.device = parse_hex(field(line, number), number);
    const std::string_view us = field(line, number);
    float value = 0;
    if (std::from_chars(us.data(), us.data() + us.size(), value).ec != std::errc() || std::isnan(value))
      corrupt("a time is expected", number);
    key.kernel = line;
    into.times_.emplace(std::move(key), value);
  }
}

void TimingCache::load(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return;
  auto file = MappedFile::open(path);
  try {
    parse(file->bytes(), *this);
  } catch (const Error& e) {
    throw e.at(path);
  }
}

void TimingCache::save(const std::string& path) {
  FileLock lock(path + ".lock");
  TimingCache current;
  try {
    current.load(path);
  } catch (const Error&) {
    current.clear();  // a damaged cache is replaced: its times can be measured again
  }
  merge(current);
  write_file_atomically(path, serialize());
}

}  // namespace tenon::select
