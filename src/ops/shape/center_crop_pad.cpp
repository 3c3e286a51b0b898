// CenterCropPad: crops or zero-pads axes to the given sizes, around the centre. Inputs: data, sizes (integer vector).
// Attributes: AxesAttrs, empty for all axes.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_center_crop_pad(InferContext& c) {
  const std::vector<int64_t>& axes = c.attrs<AxesAttrs>().axes;
  Shape y = c.shape(0);
  const size_t n = axes.empty() ? y.size() : axes.size();
  const auto sizes = c.contents(1);
  c.expect(!sizes || sizes->size() == n, "the sizes do not match ", n, " axes");
  for (size_t i = 0; i < n; ++i) y[axes.empty() ? i : c.axis(axes[i], y.size())] = sizes ? (*sizes)[i] : c.unknown();
  c.output(0, c.dtype(0), std::move(y));
}

void eval_center_crop_pad(EvalContext& c) {
  const std::vector<int64_t>& axes = c.attrs<AxesAttrs>().axes;
  const std::vector<int64_t> sizes = c.input(1).to_ints();
  const Dims& xd = c.input(0).dims();
  const size_t n = axes.empty() ? xd.size() : axes.size();
  require(sizes.size() == n, ErrorCode::kShapeMismatch, sizes.size(), " sizes are given for ", n, " axes");
  Dims yd = xd, shift(xd.size(), 0);  // y[i] = x[i + shift]
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = axes.empty() ? i : normalized_axis(axes[i], xd.size());
    require(sizes[i] >= 0, ErrorCode::kShapeMismatch, "size ", sizes[i], " is negative");
    yd[axis] = sizes[i];
    shift[axis] = xd[axis] > sizes[i] ? (xd[axis] - sizes[i]) / 2 : -((sizes[i] - xd[axis]) / 2);
  }
  Tensor& y = c.output(0, yd);
  const ElementMover move(c.input(0), y);
  const Dims strides = ir::strides_of(xd);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) {
    int64_t at = 0;
    bool inside = true;
    for (size_t d = 0; d < xd.size(); ++d) {
      const int64_t p = index[d] + shift[d];
      inside = inside && p >= 0 && p < xd[d];
      at += p * strides[d];
    }
    if (inside) move(at, i);
  }
}

void import_center_crop_pad(ImportContext& c) {
  c.output(0, c.add("CenterCropPad", {c.required(0), c.required(1)}, AxesAttrs{c.attr_ints("axes")}));
}

}  // namespace

OpSet center_crop_pad() {
  return {{{.name = "CenterCropPad",
            .attrs = ir::schema_of<AxesAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_center_crop_pad,
            .eval = eval_center_crop_pad}},
          {{"", "CenterCropPad", 18, import_center_crop_pad}}};
}

}  // namespace tenon::ops
