#include "ops/shape/pad.h"

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_pad(InferContext& c) {
  Shape y = c.shape(0);
  const auto pads = c.contents(1);
  const auto axes = c.ints(3);
  if (pads && (!c.has(3) || axes)) {
    const size_t n = axes ? axes->size() : y.size();
    c.expect(pads->size() == 2 * n, "pads have ", pads->size(), " entries for ", n, " axes");
    for (size_t i = 0; i < n; ++i) {
      Dim& d = y[c.axis(axes ? (*axes)[i] : int64_t(i), y.size())];
      d = c.dims().add(d, c.dims().add((*pads)[i], (*pads)[n + i]));
    }
  } else {
    for (Dim& d : y) d = c.unknown();
  }
  c.output(0, c.dtype(0), std::move(y));
}

/// The source position of padded position `p` on an axis of `extent`, or -1 where the padding value is read.
int64_t source(PadMode mode, int64_t p, int64_t extent) {
  if (p >= 0 && p < extent) return p;
  switch (mode) {
    case PadMode::kConstant:
      return -1;
    case PadMode::kEdge:
      return p < 0 ? 0 : extent - 1;
    case PadMode::kWrap:
      return (p % extent + extent) % extent;
    case PadMode::kReflect:
      break;
  }
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1), m = (p % period + period) % period;
  return m < extent ? m : period - m;
}

void eval_pad(EvalContext& c) {
  const Tensor& x = c.input(0);
  const PadMode mode = c.attrs<PadAttrs>().mode;
  const Dims& xd = x.dims();
  const std::vector<int64_t> pads = c.input(1).to_ints();
  const std::vector<int64_t> axes = c.has(3) ? c.input(3).to_ints() : std::vector<int64_t>();
  const size_t n = c.has(3) ? axes.size() : xd.size();
  require(pads.size() == 2 * n, ErrorCode::kShapeMismatch, "pads have ", pads.size(), " entries for ", n, " axes");
  Dims yd = xd, begin(xd.size(), 0);
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = normalized_axis(c.has(3) ? axes[i] : int64_t(i), xd.size());
    begin[axis] = pads[i];
    yd[axis] = checked_add(yd[axis], checked_add(pads[i], pads[n + i]));
    require(mode == PadMode::kConstant || xd[axis] > 0 || yd[axis] == 0, ErrorCode::kShapeMismatch, "axis ", axis,
            " of ", xd, " is empty and has nothing to repeat");
  }
  Tensor& y = c.output(0, yd);
  const Tensor value = c.has(2) ? c.input(2).cast(y.dtype()) : Tensor(y.dtype(), {1});
  require(value.count() == 1, ErrorCode::kShapeMismatch, "the padding value has ", value.count(), " elements");
  const ElementMover move(x, y), fill(value, y);
  const Dims strides = ir::strides_of(xd);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) {
    int64_t at = 0;
    for (size_t d = 0; d < yd.size() && at >= 0; ++d) {
      const int64_t p = source(mode, index[d] - begin[d], xd[d]);
      at = p < 0 ? -1 : at + p * strides[d];
    }
    if (at < 0)
      fill(0, i);
    else
      move(at, i);
  }
}

PadAttrs import_mode(ImportContext& c) {
  const std::string mode = c.attr_string("mode", "constant");
  const auto names = enum_names(PadMode());
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == mode) return {PadMode(int64_t(i))};
  c.fail("mode is '", mode, "', accepted are constant, reflect, edge, wrap");
}

void import_attributes(ImportContext& c) {
  const ir::ValueId x = c.required(0), pads = c.constant(Tensor::vector_i64(c.attr_ints("pads")));
  Tensor value(c.dtype(x), {});
  value.set(0, double(c.attr_float("value", 0)));
  c.output(0, c.add("Pad", {x, pads, c.constant(std::move(value))}, import_mode(c)));
}

// Constant axes are folded into pads over every axis, so that passes see one form.
void import_inputs(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  std::vector<ir::ValueId> inputs{x, c.required(1)};
  if (c.has(2) || c.has(3)) inputs.push_back(c.has(2) ? c.input(2) : ir::kNone);
  if (c.has(3)) {
    const auto pads = c.constant_ints(1), axes = c.constant_ints(3);
    if (pads && axes && c.graph().value(x).ranked) {
      const size_t rank = c.shape(x).size(), n = axes->size();
      if (pads->size() != 2 * n) c.fail("pads have ", pads->size(), " entries for ", n, " axes");
      std::vector<int64_t> all(2 * rank, 0);
      for (size_t i = 0; i < n; ++i) {
        const size_t axis = normalized_axis((*axes)[i], rank);
        all[axis] = (*pads)[i];
        all[rank + axis] = (*pads)[n + i];
      }
      inputs[1] = c.constant(Tensor::vector_i64(all));
      if (!c.has(2)) inputs.pop_back();
    } else {
      inputs.push_back(c.input(3));
    }
  }
  c.output(0, c.add("Pad", std::move(inputs), import_mode(c)));
}

}  // namespace

OpSet pad() {
  return {{{.name = "Pad",
            .attrs = ir::schema_of<PadAttrs>(),
            .min_inputs = 2,
            .max_inputs = 4,
            .infer = infer_pad,
            .eval = eval_pad}},
          {{"", "Pad", 2, import_attributes}, {"", "Pad", 11, import_inputs}}};
}

}  // namespace tenon::ops
