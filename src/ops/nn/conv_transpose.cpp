#include "ops/nn/conv_transpose.h"

#include "base/checked.h"
#include "ops/dim_range.h"
#include "ops/fused/epilogue.h"
#include "ops/import.h"
#include "ops/nn/window.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

Dim output_size(ir::SymbolTable& d, const ConvTransposeAttrs& a, Dim in, Dim kernel, size_t axis, size_t spatial) {
  const int64_t stride = a.strides[axis], dilation = a.dilations[axis];
  require(stride >= 1 && dilation >= 1, ErrorCode::kShapeMismatch, "stride ", stride, " and dilation ", dilation,
          " on spatial axis ", axis, ", accepted are numbers from 1");
  require(!kernel.is_const() || kernel.constant() >= 1, ErrorCode::kShapeMismatch, "kernel size ", d.text(kernel),
          " on spatial axis ", axis, ", accepted are numbers from 1");
  const Dim window = d.add(d.mul(d.sub(kernel, 1), dilation), 1);
  const Dim full = d.add(d.add(d.mul(d.sub(in, 1), stride), window), a.output_padding[axis]);
  const Dim size = d.sub(full, checked_add(a.pads[axis], a.pads[spatial + axis]));
  const DimRange range = range_of(d, size);
  require(!range.high || *range.high >= 0, ErrorCode::kShapeMismatch, "pads on spatial axis ", axis,
          " leave the negative size ", d.text(size));
  return size;
}

void infer_conv_transpose(InferContext& c) {
  const ConvTransposeAttrs& a = c.attrs<ConvTransposeAttrs>();
  const Shape &x = c.shape(0), &w = c.shape(1);
  c.expect(x.size() >= 3 && w.size() == x.size(), "input ", c.text(x), " and weights ", c.text(w),
           " must have the same rank, at least 3");
  const size_t spatial = x.size() - 2, first = a.channels_last ? 1 : 2;
  c.expect(a.strides.size() == spatial && a.dilations.size() == spatial && a.output_padding.size() == spatial &&
               a.pads.size() == 2 * spatial,
           "strides, dilations, output_padding and pads must have ", spatial, ", ", spatial, ", ", spatial, " and ",
           2 * spatial, " entries");
  for (int64_t p : a.output_padding)
    c.expect(p >= 0, "output_padding ", a.output_padding, ", accepted are numbers from 0");
  const Dim channels = a.channels_last ? x.back() : x[1];
  c.expect(channels == w[0] || !channels.is_const() || !w[0].is_const(), "input ", c.text(x), " has ",
           c.dims().text(channels), " channels, the weights ", c.text(w), " take ", c.dims().text(w[0]));
  c.expect(a.group >= 1 && (!w[0].is_const() || w[0].constant() % a.group == 0), "group is ", a.group,
           ", accepted are divisors of the ", c.dims().text(w[0]), " input channels");
  const Dim out_channels = c.dims().mul(w[1], a.group);
  expect_bias(c, 2, out_channels);
  Shape y(x.size());
  y[0] = x[0];
  (a.channels_last ? y.back() : y[1]) = out_channels;
  for (size_t i = 0; i < spatial; ++i) y[first + i] = output_size(c.dims(), a, x[first + i], w[2 + i], i, spatial);
  c.output(0, c.dtype(0), y);
}

/// Adds x[n, :, position] times the weights into the window of y that the position reaches.
struct Scatter {
  const ConvTransposeAttrs& a;
  const Dims &xd, &wd, &yd;
  Dims xs, ys, taps, in;
  size_t spatial, first;
  int64_t tap_count, per_group_in, per_group_out, x_channel, y_channel;

  Scatter(const ConvTransposeAttrs& attrs, const Dims& x, const Dims& w, const Dims& y)
      : a(attrs),
        xd(x),
        wd(w),
        yd(y),
        xs(ir::strides_of(x)),
        ys(ir::strides_of(y)),
        taps(w.begin() + 2, w.end()),
        spatial(x.size() - 2),
        first(attrs.channels_last ? 1 : 2) {
    in.assign(xd.begin() + int64_t(first), xd.begin() + int64_t(first + spatial));
    tap_count = checked_product(taps);
    per_group_in = wd[0] / a.group, per_group_out = wd[1];
    x_channel = a.channels_last ? 1 : xs[1], y_channel = a.channels_last ? 1 : ys[1];
  }
  void position(const double* x, const double* w, double* y, int64_t n, int64_t p) const {
    int64_t x_at = n * xs[0];
    Dims origin(spatial);
    for (size_t i = spatial; i-- > 0; p /= in[i]) {
      x_at += p % in[i] * xs[first + i];
      origin[i] = p % in[i] * a.strides[i] - a.pads[i];
    }
    for (int64_t t = 0; t < tap_count; ++t) {
      int64_t left = t, y_at = n * ys[0];
      bool inside = true;
      for (size_t i = spatial; i-- > 0; left /= taps[i]) {
        const int64_t at = origin[i] + left % taps[i] * a.dilations[i];
        inside = inside && at >= 0 && at < yd[first + i];
        y_at += at * ys[first + i];
      }
      if (!inside) continue;
      for (int64_t k = 0; k < wd[0]; ++k) {
        const double v = x[x_at + k * x_channel];
        double* out = y + y_at + k / per_group_in * per_group_out * y_channel;
        for (int64_t m = 0; m < per_group_out; ++m)
          out[m * y_channel] += v * w[(k * per_group_out + m) * tap_count + t];
      }
    }
  }
};

void eval_conv_transpose(EvalContext& c) {
  const ConvTransposeAttrs& a = c.attrs<ConvTransposeAttrs>();
  const Dims &xd = c.input(0).dims(), &wd = c.input(1).dims();
  const size_t spatial = xd.size() - 2, first = a.channels_last ? 1 : 2;
  const int64_t out_channels = checked_mul(wd[1], a.group);
  Dims yd(xd.size());
  yd[0] = xd[0];
  (a.channels_last ? yd.back() : yd[1]) = out_channels;
  ir::SymbolTable none;
  for (size_t i = 0; i < spatial; ++i)
    yd[first + i] = output_size(none, a, xd[first + i], wd[2 + i], i, spatial).constant();
  std::vector<double> y(size_t(checked_product(yd)), 0);
  const std::vector<double> x = c.input(0).to_doubles(), w = c.input(1).to_doubles();
  const Scatter scatter(a, xd, wd, yd);
  if (c.has(2))
    for (size_t i = 0; i < y.size(); ++i) y[i] = c.input(2).get(int64_t(i) / scatter.y_channel % out_channels);
  const int64_t positions = checked_product(scatter.in);
  for (int64_t n = 0; n < xd[0]; ++n)
    for (int64_t p = 0; p < positions; ++p) scatter.position(x.data(), w.data(), y.data(), n, p);
  store_with_epilogue(c, a.epilogue, 3, y, yd);
}

/// Splits the total padding of each axis between its ends; a negative total extends the output at its end.
void split_padding(ConvTransposeAttrs& a, size_t axis, int64_t total, bool upper) {
  const size_t spatial = a.strides.size();
  if (total < 0) a.output_padding[axis] = checked_sub(a.output_padding[axis], total);
  total = std::max<int64_t>(total, 0);
  const int64_t half = total / 2;
  a.pads[axis] = upper ? half : total - half;
  a.pads[spatial + axis] = upper ? total - half : half;
}

void import_conv_transpose(ImportContext& c) {
  const Shape x = c.shape(c.required(0)), w = c.shape(c.required(1));
  if (w.size() < 3 || x.size() != w.size())
    c.fail("the ranks are ", x.size(), " and ", w.size(), ", accepted are equal ranks from 3");
  const size_t spatial = w.size() - 2;
  ConvTransposeAttrs a;
  a.strides = c.attr_ints("strides", std::vector<int64_t>(spatial, 1));
  a.dilations = c.attr_ints("dilations", std::vector<int64_t>(spatial, 1));
  a.pads = c.attr_ints("pads", std::vector<int64_t>(2 * spatial, 0));
  a.output_padding = c.attr_ints("output_padding", std::vector<int64_t>(spatial, 0));
  a.group = c.attr_int("group", 1);
  if (a.strides.size() != spatial || a.dilations.size() != spatial || a.output_padding.size() != spatial ||
      a.pads.size() != 2 * spatial)
    c.fail("strides, dilations, output_padding and pads must have ", spatial, ", ", spatial, ", ", spatial, " and ",
           2 * spatial, " entries");
  const std::string auto_pad = c.attr_string("auto_pad", "NOTSET");
  const std::vector<int64_t> wanted = c.attr_ints("output_shape");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID")
    c.fail("auto_pad is '", auto_pad, "', accepted are NOTSET, SAME_UPPER, SAME_LOWER, VALID");
  if (auto_pad == "VALID") a.pads.assign(2 * spatial, 0);
  if (!wanted.empty() && wanted.size() != spatial && wanted.size() != spatial + 2)
    c.fail("output_shape ", wanted, " must have ", spatial, " entries");
  for (size_t i = 0; i < spatial && (same || !wanted.empty()); ++i) {
    if (!w[2 + i].is_const()) c.fail("the kernel size on spatial axis ", i, " must be constant");
    const int64_t window = checked_add(checked_mul(checked_sub(w[2 + i].constant(), 1), a.dilations[i]), 1);
    int64_t total = checked_sub(checked_add(window, a.output_padding[i]), a.strides[i]);
    if (!wanted.empty()) {
      if (!x[2 + i].is_const()) c.fail("output_shape needs a constant input size on spatial axis ", i);
      const int64_t scaled = checked_mul(x[2 + i].constant(), a.strides[i]);
      total = checked_sub(checked_add(total, scaled), wanted[wanted.size() - spatial + i]);
    }
    split_padding(a, i, total, auto_pad == "SAME_UPPER");
  }
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  c.output(0, c.add("ConvTranspose", std::move(inputs), a));
}

}  // namespace

OpSet conv_transpose() {
  return {{{.name = "ConvTranspose",
            .attrs = ir::schema_of<ConvTransposeAttrs>(),
            .min_inputs = 2,
            .max_inputs = 64,
            .infer = infer_conv_transpose,
            .eval = eval_conv_transpose}},
          {{"", "ConvTranspose", 1, import_conv_transpose}}};
}

}  // namespace tenon::ops
