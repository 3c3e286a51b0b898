#include "backends/cuda/kernels/conv_gemm.h"

#include "backends/cuda/device/turned_tile.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {

std::shared_ptr<const void> weights_by_taps(const Problem& p, const ConvShape& s) {
  const int64_t channels = s.c, taps = s.taps();
  return packed_rows(p, 1, "conv by taps", s.n, channels * taps, [=](int64_t column, int64_t k) {
    return (column * channels + k % channels) * taps + k / channels;
  });
}

std::string read_turned(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv(p, s); !reason.empty()) return reason;
  if (info_of(p).sm != 90) return "compute capability other than 9.0";
  if (p.inputs[0].dtype == ir::DType::kF32) return "f32, accepted are f16 and bf16";
  if (!s.channels_last) return "channels come first, accepted is channels last";
  if (s.group != 1 || s.c % 8 != 0 || s.n % 8 != 0 || s.x_pitch % 8 != 0 || s.y_pitch % 8 != 0)
    return cat(s.c, " and ", s.n, " channels in ", s.group, " groups, pitches ", s.x_pitch, " and ", s.y_pitch,
               ", accepted are multiples of 8 in one group");
  ProductEpilogue epilogue;
  const std::string& program = p.attrs<ops::ConvAttrs>().epilogue;
  if (std::string reason = epilogue.read(p, program, kConvBias, kConvExtras); !reason.empty()) return reason;
  const Epilogue& form = epilogue.form();
  if (!epilogue.in_kernel() || !turned_does(form) || (form.join != Join::kNone && form.extra_pitch % 8 != 0))
    return cat("the epilogue '", program, "' is not one of this kernel's");
  return {};
}

ConvGemm::ConvGemm(const Problem& p, const ConvShape& s, const std::string& epilogue,
                   std::shared_ptr<const void> weights)
    : shape_(s), type_(elem_of(p.inputs[0].dtype)), weights_(std::move(weights)) {
  const std::string reason = epilogue_.read(p, epilogue, kConvBias, kConvExtras, s.channels_last);
  require(reason.empty(), ErrorCode::kInternal, reason);
  epilogue_.prepare(p);
}

bool ConvGemm::aligned_for_copies(const RunArgs& args, const Epilogue& epilogue) {
  for (const void* address : {args.inputs[0], static_cast<const void*>(args.outputs[0]), epilogue.extra})
    if (reinterpret_cast<uintptr_t>(address) % 16 != 0) return false;
  return true;
}

SimtGemmArgs ConvGemm::simt_args(const RunArgs& args) const {
  const ConvShape& s = shape_;
  SimtGemmArgs g;
  g.a = args.inputs[0];
  // Elements between neighbours along an axis and along the channels, of x and of y.
  const int64_t x_line = s.x_channels_last ? s.in[2] * s.x_pitch : s.x_pitch;
  g.a_channel = s.x_channels_last ? 1 : s.in[0] * s.in[1] * s.x_pitch;
  g.a_axis[2] = s.x_channels_last ? s.x_pitch : 1;
  g.a_axis[1] = x_line;
  g.a_axis[0] = s.in[1] * x_line;
  g.a_image = s.x_channels_last ? s.in[0] * g.a_axis[0] : s.c * g.a_channel;
  g.a_group = s.c / s.group * g.a_channel;
  const int64_t pixels = s.out[0] * s.out[1] * s.out[2];
  g.pixels = Divisor(uint32_t(pixels));
  const int64_t y_pitch = epilogue_.in_kernel() ? s.y_pitch : s.channels_last ? s.n : s.out[2];
  g.y_column = s.channels_last ? 1 : pixels / s.out[2] * y_pitch;
  g.y_pixel = s.channels_last ? y_pitch : 1;
  g.y_image = s.channels_last ? pixels * y_pitch : s.n * g.y_column;
  for (int i = 0; i < 3; ++i) {
    g.in[i] = int(s.in[i]);
    g.stride[i] = int(s.stride[i]);
    g.dilation[i] = int(s.dilation[i]);
    g.pad[i] = int(s.pad[i]);
    g.out[i] = Divisor(uint32_t(s.out[i]));
    g.kernel[i] = Divisor(uint32_t(s.kernel[i]));
  }
  g.channels = Divisor(uint32_t(s.c / s.group));
  g.b = weights_.get();
  g.b_column = packed_pitch(depth());
  g.y_is_sums = !epilogue_.in_kernel();
  g.y = g.y_is_sums ? args.workspace : args.outputs[0];
  g.rows = int(s.rows());
  g.columns = int(s.n / s.group);
  g.depth = int(depth());
  g.groups = int(s.group);
  g.epilogue = epilogue_.bind(args);
  return g;
}

}  // namespace tenon::cuda
