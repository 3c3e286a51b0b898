#include "backends/cpu/kernels/conv_problem.h"

#include "ops/nn/conv_transpose.h"

namespace tenon::cpu {
namespace {

/// Sizes, whatever the types are and where the weights come from.
template <class Attrs>
std::string read_window(const Problem& p, const Attrs& a, ConvShape& s) {
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  const size_t spatial = x.dims.size() - 2;
  if (!a.channels_last) return "channels come first, accepted is channels last";
  if (spatial < 1 || spatial > 3) return cat(spatial, " spatial axes, accepted are 1 to 3");
  if (y.count() == 0 || x.count() == 0) return "an operand is empty";
  s.batch = x.dims[0];
  s.c = x.dims.back();
  s.n = y.dims.back();
  s.group = a.group;
  s.ldx = x.pitch;
  s.ldy = y.pitch;
  for (size_t i = 0; i < spatial; ++i) {
    const size_t to = 3 - spatial + i;
    s.in[to] = x.dims[1 + i];
    s.out[to] = y.dims[1 + i];
    s.kernel[to] = w.dims[2 + i];
    s.stride[to] = a.strides[i];
    s.dilation[to] = a.dilations[i];
    s.pad[to] = a.pads[i];
  }
  return {};
}

/// Why vector loops of floating-point numbers cannot do the problem, or an empty string.
std::string refused_types(const Problem& p, bool any_weights = false) {
  const ir::DType x = p.inputs[0].dtype, y = p.outputs[0].dtype;
  if (!has_isa_type(x) || !has_isa_type(y))
    return cat("types ", ir::name(x), " and ", ir::name(y), ", accepted are f32 and bf16");
  if (p.constants[1]) return "";
  if (!any_weights) return "weights are not constant";
  const TensorDesc& w = p.inputs[1];
  return w.dtype == x && w.dense() ? "" : cat("weights are ", ir::name(w.dtype), ", accepted is x's type, dense");
}

}  // namespace

std::string read_conv_window(const Problem& p, ConvShape& s) {
  const auto& a = p.attrs<ops::ConvAttrs>();
  if (a.x_channels_first) return "channels of x come first, accepted is channels last";
  return read_window(p, a, s);
}
std::string read_conv(const Problem& p, ConvShape& s, bool any_weights) {
  const std::string reason = read_conv_window(p, s);
  return reason.empty() ? refused_types(p, any_weights) : reason;
}
std::string read_conv_transpose(const Problem& p, ConvShape& s) {
  const std::string reason = read_window(p, p.attrs<ops::ConvTransposeAttrs>(), s);
  return reason.empty() ? refused_types(p) : reason;
}

}  // namespace tenon::cpu
