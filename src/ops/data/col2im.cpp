#include "ops/data/col2im.h"

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_col2im(InferContext& c) {
  const Shape x = c.shape(0);
  c.expect(x.size() == 3, "the columns ", c.text(x), " must have rank 3");
  const auto image = c.contents(1), block = c.contents(2);
  const Shape& length = c.shape(1);
  c.expect(length.size() == 1, "the image's sizes ", c.text(length), " must have rank 1");
  const size_t axes = rank_from(c, length[0]);
  Dim per_channel = 1;
  if (block)
    for (Dim d : *block) per_channel = c.dims().mul(per_channel, d);
  c.expect(!(per_channel == 0), "a block has no elements");
  Shape y{x[0], block ? c.dims().floor_div(x[1], per_channel) : c.unknown()};
  for (size_t i = 0; i < axes; ++i) y.push_back(image ? (*image)[i] : c.unknown());
  c.output(0, c.dtype(0), std::move(y));
}

void eval_col2im(EvalContext& c) {
  const Dims image = c.input(1).to_ints(), block = c.input(2).to_ints();
  const size_t n = image.size();
  Col2ImAttrs a = c.attrs<Col2ImAttrs>();
  if (a.dilations.empty()) a.dilations.assign(n, 1);
  if (a.strides.empty()) a.strides.assign(n, 1);
  if (a.pads.empty()) a.pads.assign(2 * n, 0);
  require(block.size() == n && a.dilations.size() == n && a.strides.size() == n && a.pads.size() == 2 * n,
          ErrorCode::kShapeMismatch,
          "image, block, dilations, strides and pads must speak of one number of spatial axes");
  const Dims& xd = c.input(0).dims();
  const int64_t taps = checked_product(block);
  require(taps > 0 && xd[1] % taps == 0, ErrorCode::kShapeMismatch, xd[1],
          " column rows are not a multiple of the block's ", taps, " elements");
  Dims positions(n);
  for (size_t i = 0; i < n; ++i) {
    require(a.strides[i] >= 1 && a.dilations[i] >= 1, ErrorCode::kShapeMismatch,
            "strides and dilations must be positive");
    const int64_t window = checked_add(checked_mul(block[i] - 1, a.dilations[i]), 1);
    const int64_t padded = checked_add(image[i], checked_add(a.pads[i], a.pads[n + i]));
    require(padded >= window, ErrorCode::kShapeMismatch, "the block is larger than the padded image on spatial axis ",
            i);
    positions[i] = (padded - window) / a.strides[i] + 1;
  }
  require(checked_product(positions) == xd[2], ErrorCode::kShapeMismatch, "the columns have ", xd[2],
          " positions, the image has ", checked_product(positions));
  const int64_t channels = xd[1] / taps;
  Dims yd{xd[0], channels};
  yd.insert(yd.end(), image.begin(), image.end());
  Tensor& y = c.output(0, yd);
  std::vector<double> sum(static_cast<size_t>(y.count()), 0.0);
  const int64_t pixels = checked_product(image);
  Dims grid{xd[0], channels};
  grid.insert(grid.end(), block.begin(), block.end());
  grid.insert(grid.end(), positions.begin(), positions.end());
  Dims index(grid.size(), 0);
  for (int64_t i = 0; i < c.input(0).count(); ++i, advance(index, grid)) {
    int64_t at = index[0] * channels + index[1];
    bool inside = pixels > 0;
    for (size_t d = 0; d < n; ++d) {
      const int64_t p = index[2 + n + d] * a.strides[d] - a.pads[d] + index[2 + d] * a.dilations[d];
      inside = inside && p >= 0 && p < image[d];
      at = at * image[d] + p;
    }
    if (inside) sum[size_t(at)] += c.input(0).get(i);
  }
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, sum[size_t(i)]);
}

void import_col2im(ImportContext& c) {
  Col2ImAttrs a{.dilations = c.attr_ints("dilations"), .strides = c.attr_ints("strides"), .pads = c.attr_ints("pads")};
  c.output(0, c.add("Col2Im", {c.required(0), c.required(1), c.required(2)}, a));
}

}  // namespace

OpSet col2im() {
  return {{{.name = "Col2Im",
            .attrs = ir::schema_of<Col2ImAttrs>(),
            .min_inputs = 3,
            .max_inputs = 3,
            .infer = infer_col2im,
            .eval = eval_col2im}},
          {{"", "Col2Im", 18, import_col2im}}};
}

}  // namespace tenon::ops
