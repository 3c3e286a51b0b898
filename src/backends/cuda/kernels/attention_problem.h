// FusedAttention as the device's kernels read it.
#pragma once
#include <string>

#include "backends/cuda/device/attention.h"
#include "backends/kernel.h"

namespace tenon::cuda {

/// The operand that holds the mask.
inline constexpr size_t kAttentionMask = 3;
/// Reads types and sizes; returns why no kernel here takes them, or an empty string.
std::string check_attention(const Problem& p);
/// Everything but the addresses, of a problem that check_attention() accepts.
AttentionParams attention_params(const Problem& p);

/// Why rows are not made of 16-byte pieces of 16-bit elements, or an empty string.
std::string check_16_byte_rows(const AttentionParams& a);
double attention_flops(const AttentionParams& a);

}  // namespace tenon::cuda
