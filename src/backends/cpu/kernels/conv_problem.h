// A channels-last convolution as the vector loops see it, shared by the convolution kernels.
#pragma once
#include "backends/cpu/kernels/product.h"
#include "ops/nn/conv.h"

namespace tenon::cpu {

struct ConvShape {
  int64_t batch, c, n, group;  ///< channels in and out, of all groups
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  int64_t ldx, ldy;
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t rows() const { return batch * out[0] * out[1] * out[2]; }
  double multiply_adds() const { return double(rows()) * double(n) * double(c / group) * double(taps()); }
  double x_elements() const { return double(batch * in[0] * in[1] * in[2]) * double(c); }

  /// Copies everything but channels and addresses into the arguments of a vector loop.
  template <class Args>
  void set(Args& a) const {
    a.batch = batch;
    a.ldx = ldx;
    a.ldy = ldy;
    for (int i = 0; i < 3; ++i) {
      a.in[i] = in[i];
      a.out[i] = out[i];
      a.pad[i] = pad[i];
    }
  }
  template <class Args>
  void set_window(Args& a) const {
    for (int i = 0; i < 3; ++i) {
      a.kernel[i] = kernel[i];
      a.stride[i] = stride[i];
      a.dilation[i] = dilation[i];
    }
  }
};

/// Reads the sizes, or says why they are not those of a convolution on channels-last tensors.
std::string read_conv_window(const Problem& p, ConvShape& s);
/// Reads the problem, or says why these kernels cannot do it. Weights are constant, or with `any_weights` of x's type.
std::string read_conv(const Problem& p, ConvShape& s, bool any_weights = false);
/// The same for a transposed convolution.
std::string read_conv_transpose(const Problem& p, ConvShape& s);
/// Where the weights of channel `i` of `c` lie in each tap of a depthwise convolution, as isa::Depthwise::paired says.
inline int64_t depthwise_place(int64_t i, int64_t c, int64_t lanes, bool paired) {
  const int64_t run = 2 * lanes, first = i / run * run, in_run = i - first;
  return paired && first + run <= c ? first + in_run / 2 + (in_run % 2) * lanes : i;
}
inline constexpr size_t kConvBias = 2, kConvExtras = 3;
/// Operands that may have a pitch: x, the epilogue's operands, y.
inline constexpr uint32_t kConvPitched = 0x1fff9;

}  // namespace tenon::cpu
