// SHA-1 (FIPS 180-4), for the checksums that ONNX's external data carries. Not for security.
#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace tenon::onnx {

/// The digest as 40 lower-case hexadecimal digits.
std::string sha1_hex(std::span<const std::byte> bytes);

}  // namespace tenon::onnx
