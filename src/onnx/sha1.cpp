#include "onnx/sha1.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace tenon::onnx {
namespace {

using State = std::array<uint32_t, 5>;

void add_block(State& h, const std::byte* block) {
  std::array<uint32_t, 80> w;
  for (size_t t = 0; t < 16; ++t)
    w[t] = uint32_t(block[4 * t]) << 24 | uint32_t(block[4 * t + 1]) << 16 | uint32_t(block[4 * t + 2]) << 8 |
           uint32_t(block[4 * t + 3]);
  for (size_t t = 16; t < 80; ++t) w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  auto [a, b, c, d, e] = h;
  for (size_t t = 0; t < 80; ++t) {
    const uint32_t f = t < 20 ? (b & c) | (~b & d) : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
    const uint32_t k = t < 20 ? 0x5a827999u : t < 40 ? 0x6ed9eba1u : t < 60 ? 0x8f1bbcdcu : 0xca62c1d6u;
    const uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
    e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

}  // namespace

std::string sha1_hex(std::span<const std::byte> bytes) {
  State h{0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
  const size_t whole = bytes.size() / 64 * 64, rest = bytes.size() - whole;
  for (size_t i = 0; i < whole; i += 64) add_block(h, bytes.data() + i);
  std::array<std::byte, 128> tail{};
  if (rest) std::memcpy(tail.data(), bytes.data() + whole, rest);
  tail[rest] = std::byte{0x80};
  const size_t padded = rest < 56 ? 64 : 128;
  for (size_t i = 0; i < 8; ++i) tail[padded - 1 - i] = std::byte((uint64_t(bytes.size()) * 8) >> (8 * i));
  for (size_t i = 0; i < padded; i += 64) add_block(h, tail.data() + i);
  std::string hex;
  for (uint32_t word : h)
    for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(word >> shift) & 15];
  return hex;
}

}  // namespace tenon::onnx
