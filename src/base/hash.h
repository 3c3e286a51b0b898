// A 64-bit content hash (wyhash-style multiply-mix). Stable across machines: timing caches and plans store it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace tenon {

class Hasher {
 public:
  void add(uint64_t v) { state_ = mix(state_ ^ v, 0x9e3779b97f4a7c15u ^ ++count_); }
  void add_bytes(std::span<const std::byte> bytes) {
    add(bytes.size());
    size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      uint64_t w;
      std::memcpy(&w, bytes.data() + i, 8);
      state_ = mix(state_ ^ w, 0xe7037ed1a0b428dbu);
    }
    uint64_t tail = 0;
    if (i < bytes.size()) std::memcpy(&tail, bytes.data() + i, bytes.size() - i);
    add(tail);
  }
  void add_text(std::string_view s) { add_bytes(std::as_bytes(std::span(s.data(), s.size()))); }
  uint64_t value() const { return mix(state_, 0xa0761d6478bd642fu); }

 private:
  static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 p = static_cast<unsigned __int128>(a) * b;
    return uint64_t(p) ^ uint64_t(p >> 64);
  }
  uint64_t state_ = 0x243f6a8885a308d3u, count_ = 0;
};

}  // namespace tenon
