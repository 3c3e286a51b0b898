#include "ops/nn/conv.h"

#include <algorithm>

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
  const size_t spatial = x.size() - 2, from = a.x_channels_last() ? 1 : 2, to = a.channels_last ? 1 : 2;
  const Dim channels = a.x_channels_last() ? x.back() : x[1];
  c.expect(a.channels_last || !a.x_channels_first, "x_channels_first is set without channels_last");
  c.expect(a.strides.size() == spatial && a.dilations.size() == spatial && a.pads.size() == 2 * spatial,
           "strides, dilations and pads must have ", spatial, ", ", spatial, " and ", 2 * spatial, " entries");
  c.expect(a.group >= 1, "group is ", a.group, ", accepted are numbers from 1");
  const Dim expected = c.dims().mul(w[1], a.group);
  c.expect(channels == expected || !channels.is_const() || !expected.is_const(), "input ", c.text(x), " has ",
           c.dims().text(channels), " channels, the weights ", c.text(w), " with ", a.group, " groups take ",
           c.dims().text(expected));
  c.expect(!w[0].is_const() || w[0].constant() % a.group == 0, "the number of output channels, ", c.dims().text(w[0]),
           ", is not a multiple of group ", a.group);
  expect_bias(c, 2, w[0]);
  Shape y(x.size());
  y[0] = x[0];
  (a.channels_last ? y.back() : y[1]) = w[0];
  for (size_t i = 0; i < spatial; ++i) {
    const WindowAxis window{x[from + i], w[2 + i], a.strides[i], a.dilations[i], a.pads[i], a.pads[spatial + i]};
    y[to + i] = window_output(c.dims(), window, false, i);
  }
  c.output(0, c.dtype(0), y);
}

Dims static_output(const ConvAttrs& a, const Dims& x, const Dims& w) {
  const size_t spatial = x.size() - 2, from = a.x_channels_last() ? 1 : 2, to = a.channels_last ? 1 : 2;
  ir::SymbolTable none;
  Dims y(x.size());
  y[0] = x[0];
  (a.channels_last ? y.back() : y[1]) = w[0];
  for (size_t i = 0; i < spatial; ++i) {
    const WindowAxis window{x[from + i], w[2 + i], a.strides[i], a.dilations[i], a.pads[i], a.pads[spatial + i]};
    y[to + i] = window_output(none, window, false, i).constant();
  }
  return y;
}

/// A convolution of one plane by one kernel tap at a time: y[o] += w * x[o * stride + offset] over all spatial axes.
struct Planes {
  Dims in, out, taps, strides, dilations, begin;  // one a spatial axis
  Dims x_strides, y_strides;                      // in elements of a plane
  int64_t in_count = 1, out_count = 1, tap_count = 1;

  Planes(const ConvAttrs& a, const Dims& x, const Dims& w)
      : taps(w.begin() + 2, w.end()), strides(a.strides), dilations(a.dilations) {
    const size_t spatial = taps.size();
    const auto from = int64_t(a.x_channels_last() ? 1 : 2), to = int64_t(a.channels_last ? 1 : 2);
    const Dims y = static_output(a, x, w);
    in.assign(x.begin() + from, x.begin() + from + int64_t(spatial));
    out.assign(y.begin() + to, y.begin() + to + int64_t(spatial));
    begin.assign(a.pads.begin(), a.pads.begin() + int64_t(spatial));
    in_count = checked_product(in), out_count = checked_product(out), tap_count = checked_product(taps);
    // A 1x1 kernel without stride and padding sees each plane as one line.
    const bool dense = std::all_of(strides.begin(), strides.end(), [](int64_t stride) { return stride == 1; });
    if (tap_count == 1 && in == out && dense) {
      in.assign(1, in_count);
      out.assign(1, out_count);
      for (Dims* unit : {&taps, &strides, &dilations}) unit->assign(1, 1);
      begin.assign(1, 0);
    }
    x_strides = ir::strides_of(in), y_strides = ir::strides_of(out);
  }
  void add_tap(const double* x, int64_t tap, double w, double* y) const {
    Dims offsets(in.size());
    for (size_t i = in.size(); i-- > 0; tap /= taps[i]) offsets[i] = tap % taps[i] * dilations[i] - begin[i];
    add_axis(0, offsets, x, w, y);
  }
  void add_axis(size_t axis, const Dims& offsets, const double* x, double w, double* y) const {
    const int64_t offset = offsets[axis], stride = strides[axis];
    const int64_t low = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    const int64_t high = in[axis] - 1 < offset ? 0 : std::min(out[axis], (in[axis] - 1 - offset) / stride + 1);
    if (axis + 1 == in.size()) {
      for (int64_t o = low; o < high; ++o) y[o] += w * x[o * stride + offset];
      return;
    }
    for (int64_t o = low; o < high; ++o)
      add_axis(axis + 1, offsets, x + (o * stride + offset) * x_strides[axis], w, y + o * y_strides[axis]);
  }
};

/// Elements of [N, C, plane] as [N, plane, C], or back.
std::vector<double> exchanged(const std::vector<double>& v, int64_t n, int64_t rows, int64_t columns) {
  std::vector<double> out(v.size());
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        out[size_t((b * columns + j) * rows + i)] = v[size_t((b * rows + i) * columns + j)];
  return out;
}

void eval_conv(EvalContext& c) {
  const ConvAttrs& a = c.attrs<ConvAttrs>();
  const Dims &xd = c.input(0).dims(), &wd = c.input(1).dims();
  const int64_t batch = xd[0], in_channels = wd[1], out_channels = wd[0], per_group = out_channels / a.group;
  const int64_t x_channels = in_channels * a.group;
  const Planes planes(a, xd, wd);
  std::vector<double> x = c.input(0).to_doubles();
  if (a.x_channels_last()) x = exchanged(x, batch, planes.in_count, x_channels);
  const std::vector<double> w = c.input(1).to_doubles();
  const std::vector<double> bias = c.has(2) ? c.input(2).to_doubles() : std::vector<double>(size_t(out_channels), 0);
  std::vector<double> y(size_t(checked_mul(checked_mul(batch, out_channels), planes.out_count)));
  for (int64_t n = 0; n < batch && !y.empty(); ++n)
    for (int64_t m = 0; m < out_channels; ++m) {
      double* plane = y.data() + (n * out_channels + m) * planes.out_count;
      std::fill(plane, plane + planes.out_count, bias[size_t(m)]);
      for (int64_t k = 0; k < in_channels; ++k) {
        const double* from = x.data() + (n * x_channels + m / per_group * in_channels + k) * planes.in_count;
        const double* taps = w.data() + (m * in_channels + k) * planes.tap_count;
        for (int64_t t = 0; t < planes.tap_count; ++t) planes.add_tap(from, t, taps[t], plane);
      }
    }
  if (a.channels_last) y = exchanged(y, batch, out_channels, planes.out_count);
  store_with_epilogue(c, a.epilogue, 3, y, static_output(a, xd, wd));
}

void import_conv(ImportContext& c) {
  const Shape w = c.shape(c.required(1));
  const ConvAttrs a = import_conv_attrs(c, w);
  std::vector<ir::ValueId> inputs{pad_same(c, c.required(0), {w.begin() + 2, w.end()}, a.strides, a.dilations, 0),
                                  c.required(1)};
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
