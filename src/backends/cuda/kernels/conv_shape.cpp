#include "backends/cuda/kernels/conv_shape.h"

#include "backends/cuda/elem.h"
#include "ops/nn/conv.h"
#include "ops/nn/conv_transpose.h"

namespace tenon::cuda {
namespace {

template <class Attrs>
std::string read(const Problem& p, const Attrs& a, bool x_channels_last, ConvShape& s) {
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  const size_t spatial = x.dims.size() - 2;
  if (spatial < 1 || spatial > 3) return cat(spatial, " spatial axes, accepted are 1 to 3");
  if (!is_elem(x.dtype) || x.dtype != w.dtype || x.dtype != y.dtype)
    return cat("types ", ir::name(x.dtype), ", ", ir::name(w.dtype), " and ", ir::name(y.dtype),
               ", accepted is one of f32, f16 and bf16");
  if (!p.constants[1]) return "weights are not constant";
  if (y.count() == 0 || x.count() == 0) return "an operand is empty";
  if (!a.channels_last && !y.dense()) return "y has a pitch and its channels come first";
  s.channels_last = a.channels_last;
  s.x_channels_last = x_channels_last;
  s.batch = x.dims[0];
  s.c = x_channels_last ? x.dims.back() : x.dims[1];
  s.n = a.channels_last ? y.dims.back() : y.dims[1];
  s.group = a.group;
  s.x_pitch = x.pitch;
  s.y_pitch = y.pitch;
  const size_t from = x_channels_last ? 1 : 2, first = a.channels_last ? 1 : 2;
  for (size_t i = 0; i < spatial; ++i) {
    const size_t to = 3 - spatial + i;
    s.in[to] = x.dims[from + i];
    s.out[to] = y.dims[first + i];
    s.kernel[to] = w.dims[2 + i];
    s.stride[to] = a.strides[i];
    s.dilation[to] = a.dilations[i];
    s.pad[to] = a.pads[i];
  }
  const int64_t limit = int64_t(1) << 31;
  if (x.count() / x.dims.back() * x.pitch >= limit || y.count() / y.dims.back() * y.pitch >= limit)
    return "an operand has 2^31 elements or more";
  return {};
}

}  // namespace

std::string read_conv_any(const Problem& p, ConvShape& s) {
  const auto& a = p.attrs<ops::ConvAttrs>();
  return read(p, a, a.x_channels_last(), s);
}
std::string read_conv(const Problem& p, ConvShape& s) {
  if (p.attrs<ops::ConvAttrs>().x_channels_first) return "channels of x come first and those of y last";
  return read_conv_any(p, s);
}
std::string read_conv_transpose(const Problem& p, ConvShape& s) {
  const auto& a = p.attrs<ops::ConvTransposeAttrs>();
  return read(p, a, a.channels_last, s);
}

}  // namespace tenon::cuda
