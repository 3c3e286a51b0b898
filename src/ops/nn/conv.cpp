#include "ops/nn/conv.h"

#include "base/checked.h"
#include "ops/fused/epilogue.h"
#include "ops/import.h"
#include "ops/nn/window.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_conv(InferContext& c) {
  const ConvAttrs& a = c.attrs<ConvAttrs>();
  const Shape &x = c.shape(0), &w = c.shape(1);
  c.expect(x.size() >= 3 && w.size() == x.size(), "input ", c.text(x), " and weights ", c.text(w),
           " must have the same rank, at least 3");
  const size_t spatial = x.size() - 2, first = a.channels_last ? 1 : 2;
  const Dim channels = a.channels_last ? x.back() : x[1];
  c.expect(a.strides.size() == spatial && a.dilations.size() == spatial && a.pads.size() == 2 * spatial,
           "strides, dilations and pads must have ", spatial, ", ", spatial, " and ", 2 * spatial, " entries");
  c.expect(a.group >= 1, "group is ", a.group, ", accepted are numbers from 1");
  const Dim expected = c.dims().mul(w[1], a.group);
  c.expect(channels == expected || !channels.is_const() || !expected.is_const(), "input ", c.text(x), " has ",
           c.dims().text(channels), " channels, the weights ", c.text(w), " with ", a.group, " groups take ",
           c.dims().text(expected));
  c.expect(!w[0].is_const() || w[0].constant() % a.group == 0, "the number of output channels, ", c.dims().text(w[0]),
           ", is not a multiple of group ", a.group);
  Shape y(x.size());
  y[0] = x[0];
  (a.channels_last ? y.back() : y[1]) = w[0];
  for (size_t i = 0; i < spatial; ++i) {
    const WindowAxis window{x[first + i], w[2 + i], a.strides[i], a.dilations[i], a.pads[i], a.pads[spatial + i]};
    y[first + i] = window_output(c.dims(), window, false, i);
  }
  c.output(0, c.dtype(0), y);
}

// Direct sum in double over any number of spatial axes; odometers walk output positions and window taps.
void eval_conv(EvalContext& c) {
  const ConvAttrs& a = c.attrs<ConvAttrs>();
  const Dims &xd = c.input(0).dims(), &wd = c.input(1).dims();
  const size_t spatial = xd.size() - 2, first = a.channels_last ? 1 : 2;
  const std::vector<double> x = c.input(0).to_doubles(), w = c.input(1).to_doubles();
  const std::vector<double> bias = c.has(2) ? c.input(2).to_doubles() : std::vector<double>();
  const Dims xs = ir::strides_of(xd);
  const int64_t in_channels = wd[1], out_channels = wd[0], per_group = out_channels / a.group;
  const int64_t channel_stride = a.channels_last ? 1 : xs[1];
  Dims yd(xd.size()), taps(wd.begin() + 2, wd.end());
  yd[0] = xd[0];
  (a.channels_last ? yd.back() : yd[1]) = out_channels;
  ir::SymbolTable none;
  for (size_t i = 0; i < spatial; ++i)
    yd[first + i] =
        window_output(none, {xd[first + i], taps[i], a.strides[i], a.dilations[i], a.pads[i], a.pads[spatial + i]},
                      false, i)
            .constant();
  const Dims ys = ir::strides_of(yd);
  const int64_t y_channel = a.channels_last ? 1 : ys[1], tap_count = checked_product(taps);
  std::vector<double> y(size_t(checked_product(yd)));
  Dims out(yd.begin() + int64_t(first), yd.begin() + int64_t(first + spatial));
  const int64_t positions = checked_product(out);
  for (int64_t n = 0; n < yd[0]; ++n)
    for (int64_t p = 0; p < positions; ++p) {
      int64_t rest = p, y_at = n * ys[0];
      Dims origin(spatial);
      for (size_t i = spatial; i-- > 0; rest /= out[i]) {
        const int64_t o = rest % out[i];
        y_at += o * ys[first + i];
        origin[i] = o * a.strides[i] - a.pads[i];
      }
      for (int64_t m = 0; m < out_channels; ++m) {
        double sum = bias.empty() ? 0 : bias[size_t(m)];
        const int64_t channel0 = m / per_group * in_channels;
        for (int64_t t = 0; t < tap_count; ++t) {
          int64_t left = t, x_at = n * xs[0];
          bool inside = true;
          for (size_t i = spatial; i-- > 0; left /= taps[i]) {
            const int64_t at = origin[i] + left % taps[i] * a.dilations[i];
            inside = inside && at >= 0 && at < xd[first + i];
            x_at += at * xs[first + i];
          }
          if (!inside) continue;
          const double* wp = &w[size_t((m * in_channels) * tap_count + t)];
          const double* xp = &x[size_t(x_at + channel0 * channel_stride)];
          for (int64_t k = 0; k < in_channels; ++k) sum += xp[k * channel_stride] * wp[k * tap_count];
        }
        y[size_t(y_at + m * y_channel)] = sum;
      }
    }
  store_with_epilogue(c, a.epilogue, 3, y, yd);
}

void import_conv(ImportContext& c) {
  const ConvAttrs a = import_conv_attrs(c, c.shape(c.required(1)));
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  c.output(0, c.add("Conv", std::move(inputs), a));
}

}  // namespace

ConvAttrs import_conv_attrs(ImportContext& c, const Shape& w) {
  if (w.size() < 3) c.fail("the weights have rank ", w.size(), ", accepted are ranks from 3");
  const std::vector<Dim> kernel(w.begin() + 2, w.end());
  const std::vector<int64_t> declared = c.attr_ints("kernel_shape");
  for (size_t i = 0; i < declared.size(); ++i)
    if (declared.size() != kernel.size() || (kernel[i].is_const() && kernel[i].constant() != declared[i]))
      c.fail("kernel_shape ", declared, " differs from the kernel of the weights on axis ", i);
  WindowAttrs window = import_window(c, kernel);
  ConvAttrs a;
  a.strides = std::move(window.strides);
  a.dilations = std::move(window.dilations);
  a.pads = std::move(window.pads);
  a.group = c.attr_int("group", 1);
  return a;
}

OpSet conv() {
  return {{{.name = "Conv",
            .attrs = ir::schema_of<ConvAttrs>(),
            .min_inputs = 2,
            .max_inputs = 16,
            .infer = infer_conv,
            .eval = eval_conv}},
          {{"", "Conv", 1, import_conv}}};
}

}  // namespace tenon::ops
