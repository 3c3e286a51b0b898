#include "ops/nn/conv.h"

#include "base/checked.h"
#include "ops/fused/epilogue.h"
#include "ops/import.h"
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
    c.expect(a.strides[i] >= 1 && a.dilations[i] >= 1, "strides and dilations must be positive");
    auto& d = c.dims();
    Dim window = d.add(d.mul(d.sub(w[2 + i], 1), a.dilations[i]), 1);
    Dim padded = d.add(x[first + i], checked_add(a.pads[i], a.pads[spatial + i]));
    Dim room = d.sub(padded, window);
    c.expect(!room.is_const() || room.constant() >= 0, "the window ", d.text(window), " is larger than the padded input ",
             d.text(padded), " on spatial axis ", i);
    y[first + i] = d.add(d.floor_div(room, a.strides[i]), 1);
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
  for (size_t i = 0; i < spatial; ++i)
    yd[first + i] = (xd[first + i] + a.pads[i] + a.pads[spatial + i] - (a.dilations[i] * (taps[i] - 1) + 1)) / a.strides[i] + 1;
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

/// Spatial attributes common to Conv, ConvTranspose and pooling in ONNX.
void import_conv(ImportContext& c) {
  const size_t spatial = c.shape(c.required(1)).size() - 2;
  ConvAttrs a;
  a.strides = c.attr_ints("strides", std::vector<int64_t>(spatial, 1));
  a.dilations = c.attr_ints("dilations", std::vector<int64_t>(spatial, 1));
  a.pads = c.attr_ints("pads", std::vector<int64_t>(2 * spatial, 0));
  a.group = c.attr_int("group", 1);
  const std::string auto_pad = c.attr_string("auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    const Shape &x = c.shape(c.input(0)), &w = c.shape(c.input(1));
    for (size_t i = 0; i < spatial; ++i) {
      if (!x[2 + i].is_const() || !w[2 + i].is_const())
        c.fail("auto_pad ", auto_pad, " needs a constant input size on spatial axis ", i);
      const int64_t in = x[2 + i].constant(), stride = a.strides.at(i), out = (in + stride - 1) / stride;
      const int64_t window = (w[2 + i].constant() - 1) * a.dilations.at(i) + 1;
      const int64_t total = std::max<int64_t>((out - 1) * stride + window - in, 0);
      const int64_t small = total / 2, large = total - small;
      a.pads.at(i) = auto_pad == "SAME_UPPER" ? small : large;
      a.pads.at(spatial + i) = auto_pad == "SAME_UPPER" ? large : small;
    }
  } else if (auto_pad == "VALID") {
    a.pads.assign(2 * spatial, 0);
  } else if (auto_pad != "NOTSET") {
    c.fail("auto_pad is '", auto_pad, "', accepted are NOTSET, SAME_UPPER, SAME_LOWER, VALID");
  }
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  c.output(0, c.add("Conv", std::move(inputs), a));
}

}  // namespace

OpSet conv() {
  return {{{.name = "Conv", .attrs = ir::schema_of<ConvAttrs>(), .min_inputs = 2, .max_inputs = 16, .infer = infer_conv,
            .eval = eval_conv}},
          {{"", "Conv", 1, import_conv}}};
}

}  // namespace tenon::ops
