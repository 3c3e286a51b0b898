// A convolution's sizes, with one to three spatial axes written as three.
#pragma once
#include <memory>
#include <string>

#include "backends/kernel.h"
#include "base/error.h"

namespace tenon::cuda {

inline constexpr size_t kConvBias = 2, kConvExtras = 3;
/// Operands that may have a pitch: x, the epilogue's operands, y.
inline constexpr uint32_t kConvPitched = 0x1fff9;

struct ConvShape {
  int64_t batch = 0, c = 0, n = 0, group = 1;  ///< channels in and out, of all groups
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};  ///< pad before the first element
  int64_t x_pitch = 0, y_pitch = 0;                     ///< of the last axis
  bool channels_last = false;                           ///< of y
  bool x_channels_last = false;                         ///< the same unless read_conv_any() was asked
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  /// Rows of the result if its channels come last.
  int64_t rows() const { return batch * out[0] * out[1] * out[2]; }
  double flops() const { return 2.0 * double(rows()) * double(n) * double(c / group) * double(taps()); }
};

/// Reads a Conv whose x, w and y are all of one floating-point type and whose weights are constant. Returns why these
/// kernels cannot do it, or an empty string.
std::string read_conv(const Problem& p, ConvShape& s);
/// The same, but x may have its channels first where y has them last.
std::string read_conv_any(const Problem& p, ConvShape& s);
/// The same for a ConvTranspose; strides are those of its result.
std::string read_conv_transpose(const Problem& p, ConvShape& s);

/// A K of a convolution that `read`, a function like read_conv(), takes.
template <class K, class Read, class... Arguments>
std::unique_ptr<Kernel> make_conv(const Problem& p, const Read& read, const Arguments&... arguments) {
  ConvShape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<K>(p, s, arguments...);
}

}  // namespace tenon::cuda
