// Bounded writing and reading of little-endian fields. The reader is the only code that touches a plan's raw bytes.
#pragma once
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace tenon::plan {

static_assert(std::endian::native == std::endian::little, "plans are little-endian");

class Writer {
 public:
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void put(const T& v) {
    const auto* p = reinterpret_cast<const std::byte*>(&v);
    out_.insert(out_.end(), p, p + sizeof v);
  }
  void raw(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void text(std::string_view s) {
    put(uint32_t(s.size()));
    raw(std::as_bytes(std::span(s.data(), s.size())));
  }
  template <class T>
  void list(const std::vector<T>& v) {
    put(uint32_t(v.size()));
    raw(std::as_bytes(std::span(v)));
  }
  void align(size_t to) { out_.resize((out_.size() + to - 1) / to * to); }
  size_t size() const { return out_.size(); }
  std::vector<std::byte>& bytes() { return out_; }

 private:
  std::vector<std::byte> out_;
};

/// Every read is checked; running over the end throws kCorruptFile naming the section and the offset in the file.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string section, size_t file_offset)
      : bytes_(bytes), section_(std::move(section)), base_(file_offset) {}

  template <class T>
  requires std::is_trivially_copyable_v<T> T get() {
    T v;
    std::memcpy(&v, take(sizeof v).data(), sizeof v);
    return v;
  }
  std::string text() {
    auto b = take(get<uint32_t>());
    return {reinterpret_cast<const char*>(b.data()), b.size()};
  }
  template <class T>
  std::vector<T> list() {
    const size_t n = count(sizeof(T));
    std::vector<T> v(n);
    auto b = take(n * sizeof(T));
    if (n) std::memcpy(v.data(), b.data(), b.size());
    return v;
  }
  /// A number of items that follow, each at least `item_bytes` long: refused if they cannot fit in what is left.
  size_t count(size_t item_bytes) {
    const size_t n = get<uint32_t>();
    if (n > (bytes_.size() - at_) / (item_bytes ? item_bytes : 1)) corrupt("a count of ", n, " does not fit");
    return n;
  }
  std::span<const std::byte> take(size_t n) {
    if (n > bytes_.size() - at_) corrupt("needs ", n, " bytes, ", bytes_.size() - at_, " are left");
    auto s = bytes_.subspan(at_, n);
    at_ += n;
    return s;
  }
  bool done() const { return at_ == bytes_.size(); }
  template <class... Parts>
  [[noreturn]] void corrupt(const Parts&... parts) const {
    throw Error(ErrorCode::kCorruptFile, cat(parts...), cat("plan section '", section_, "' at offset ", base_ + at_));
  }

 private:
  std::span<const std::byte> bytes_;
  std::string section_;
  size_t base_, at_ = 0;
};

}  // namespace tenon::plan
