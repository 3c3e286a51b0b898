// CRC-32C (Castagnoli), the checksum of file sections.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon {

/// CRC-32C of `bytes`; `previous` continues over pieces: crc32c(b, crc32c(a)) is that of a then b.
/// Uses the processor's instruction where there is one; the value is the same everywhere.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t previous = 0);
/// The table-driven form alone.
uint32_t crc32c_portable(std::span<const std::byte> bytes, uint32_t previous = 0);

}  // namespace tenon
