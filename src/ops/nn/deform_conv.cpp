// Deformable convolution (Dai et al., 2017; Zhu et al., 2019): y[p] = sum over taps k of w[k] m[k, p] x(p + k + d[k,
// p]), x between elements by bilinear interpolation, zero outside.
#include "ops/nn/deform_conv.h"

#include <cmath>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_deform_conv(InferContext& c) {
  const auto& a = c.attrs<DeformConvAttrs>();
  const Shape x = c.shape(0), w = c.shape(1);
  c.expect(x.size() == 4 && w.size() == 4 && c.rank(2) == 4, "input, weights and offsets must have rank 4");
  c.expect(
      a.strides.size() == 2 && a.dilations.size() == 2 && a.pads.size() == 4 && a.group >= 1 && a.offset_group >= 1,
      "strides, dilations and pads must have 2, 2 and 4 entries, groups must be positive");
  auto& d = c.dims();
  Shape y{x[0], w[0]};
  for (size_t i = 0; i < 2; ++i) {
    c.expect(a.strides[i] >= 1 && a.dilations[i] >= 1, "strides and dilations must be positive");
    const Dim window = d.add(d.mul(d.sub(w[2 + i], 1), a.dilations[i]), 1);
    const Dim room = d.sub(d.add(x[2 + i], checked_add(a.pads[i], a.pads[2 + i])), window);
    c.expect(!room.is_const() || room.constant() >= 0, "the window ", d.text(window),
             " is larger than the padded input");
    y.push_back(d.add(d.floor_div(room, a.strides[i]), 1));
  }
  c.output(0, c.dtype(0), std::move(y));
}

/// x at a position between elements of a plane.
double bilinear(const Tensor& x, int64_t plane, int64_t height, int64_t width, double row, double column) {
  if (!(row > -1 && row < double(height) && column > -1 && column < double(width))) return 0;
  const double top = std::floor(row), left = std::floor(column);
  double sum = 0;
  for (int k = 0; k < 4; ++k) {
    const double r = top + k / 2, q = left + k % 2;
    if (r < 0 || r >= double(height) || q < 0 || q >= double(width)) continue;
    sum += (1 - std::fabs(row - r)) * (1 - std::fabs(column - q)) * x.get(plane + int64_t(r) * width + int64_t(q));
  }
  return sum;
}

void check(const EvalContext& c, const Dims& yd) {
  const auto& a = c.attrs<DeformConvAttrs>();
  const Dims &x = c.input(0).dims(), &w = c.input(1).dims();
  const int64_t taps = checked_mul(checked_mul(w[2], w[3]), a.offset_group);
  require(x[1] == checked_mul(w[1], a.group) && w[0] % a.group == 0 && x[1] % a.offset_group == 0,
          ErrorCode::kShapeMismatch, "input ", x, ", weights ", w, " and ", a.group, " and ", a.offset_group,
          " groups do not fit");
  require(c.input(2).dims() == Dims{x[0], checked_mul(taps, 2), yd[2], yd[3]}, ErrorCode::kShapeMismatch, "offsets ",
          c.input(2).dims(), " do not fit output ", yd);
  require(!c.has(3) || c.input(3).count() == w[0], ErrorCode::kShapeMismatch, "the bias does not fit ", w[0],
          " channels");
  require(!c.has(4) || c.input(4).dims() == Dims{x[0], taps, yd[2], yd[3]}, ErrorCode::kShapeMismatch,
          "the mask does not fit output ", yd);
}

void eval_deform_conv(EvalContext& c) {
  const auto& a = c.attrs<DeformConvAttrs>();
  const Tensor &x = c.input(0), &w = c.input(1), &offset = c.input(2);
  const Dims &xd = x.dims(), &wd = w.dims();
  Dims yd{xd[0], wd[0], 0, 0};
  for (size_t i = 0; i < 2; ++i)
    yd[2 + i] = (xd[2 + i] + a.pads[i] + a.pads[2 + i] - (a.dilations[i] * (wd[2 + i] - 1) + 1)) / a.strides[i] + 1;
  check(c, yd);
  Tensor& y = c.output(0, yd);
  const int64_t taps = wd[2] * wd[3], pixels = yd[2] * yd[3], per_offset = xd[1] / a.offset_group;
  for (int64_t i = 0; i < y.count(); ++i) {
    const int64_t p = i % pixels, m = i / pixels % yd[1], n = i / pixels / yd[1], first = m / (wd[0] / a.group) * wd[1];
    double sum = c.has(3) ? c.input(3).get(m) : 0;
    for (int64_t t = 0; t < wd[1] * taps; ++t) {
      const int64_t channel = first + t / taps, tap = t % taps,
                    at = (n * a.offset_group + channel / per_offset) * taps + tap;
      const double row = double(p / yd[3] * a.strides[0] - a.pads[0] + tap / wd[3] * a.dilations[0]);
      const double column = double(p % yd[3] * a.strides[1] - a.pads[1] + tap % wd[3] * a.dilations[1]);
      const double v = bilinear(x, (n * xd[1] + channel) * xd[2] * xd[3], xd[2], xd[3],
                                row + offset.get(2 * at * pixels + p), column + offset.get((2 * at + 1) * pixels + p));
      sum += w.get(m * wd[1] * taps + t) * v * (c.has(4) ? c.input(4).get(at * pixels + p) : 1);
    }
    y.set(i, sum);
  }
}

void import_deform_conv(ImportContext& c) {
  DeformConvAttrs a;
  a.strides = c.attr_ints("strides", {1, 1});
  a.dilations = c.attr_ints("dilations", {1, 1});
  a.pads = c.attr_ints("pads", {0, 0, 0, 0});
  a.group = c.attr_int("group", 1);
  a.offset_group = c.attr_int("offset_group", 1);
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1), c.required(2)};
  for (size_t i = 3; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.output(0, c.add("DeformConv", std::move(inputs), a));
}

}  // namespace

OpSet deform_conv() {
  return {{{.name = "DeformConv",
            .attrs = ir::schema_of<DeformConvAttrs>(),
            .min_inputs = 3,
            .max_inputs = 5,
            .infer = infer_deform_conv,
            .eval = eval_deform_conv}},
          {{"", "DeformConv", 19, import_deform_conv}}};
}

}  // namespace tenon::ops
