#pragma once
#include <cstdint>

namespace tenon {

/// Pseudo-random numbers for test data and timings: Marsaglia's xorshift over 64 bits. The same everywhere.
class Xorshift {
 public:
  explicit Xorshift(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x243f6a8885a308d3u) {
    if (state_ == 0) state_ = 1;
  }
  uint64_t next() {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_;
  }
  /// Of [0, 1).
  double unit() { return double(next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace tenon
