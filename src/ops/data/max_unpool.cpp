#include "ops/data/max_unpool.h"

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

Shape unpooled(ir::SymbolTable& dims, const MaxUnpoolAttrs& a, const Shape& x) {
  Shape y{x[0], x[1]};
  const size_t n = a.kernel_shape.size();
  for (size_t i = 0; i < n; ++i) {
    const int64_t extra = checked_sub(a.kernel_shape[i], checked_add(a.pads[i], a.pads[n + i]));
    y.push_back(dims.add(dims.mul(dims.sub(x[2 + i], 1), a.strides[i]), extra));
  }
  return y;
}

void infer_max_unpool(InferContext& c) {
  const auto& a = c.attrs<MaxUnpoolAttrs>();
  const Shape x = c.shape(0);
  const size_t n = a.kernel_shape.size();
  c.expect(x.size() == n + 2 && a.strides.size() == n && a.pads.size() == 2 * n,
           "kernel_shape, strides and pads do not fit input ", c.text(x));
  c.expect(ir::is_integer(c.dtype(1)), "indices have type ", c.dtype(1), ", accepted are integers");
  Shape y = unpooled(c.dims(), a, x);
  if (c.has(2)) {
    const auto wanted = c.contents(2);
    c.expect(!wanted || wanted->size() == y.size(), "the output shape must have ", y.size(), " entries");
    for (size_t i = 0; i < y.size(); ++i) y[i] = wanted ? (*wanted)[i] : c.unknown();
  }
  c.output(0, c.dtype(0), std::move(y));
}

void eval_max_unpool(EvalContext& c) {
  const Tensor &x = c.input(0), &indices = c.input(1);
  require(x.dims() == indices.dims(), ErrorCode::kShapeMismatch, "input ", x.dims(), " and indices ", indices.dims(),
          " differ");
  ir::SymbolTable table;
  const Dims inner = ir::static_dims(unpooled(table, c.attrs<MaxUnpoolAttrs>(), ir::to_shape(x.dims())));
  const Dims yd = c.has(2) ? c.input(2).to_ints() : inner;
  require(yd.size() == inner.size(), ErrorCode::kShapeMismatch, "the output shape ", yd, " must have ", inner.size(),
          " entries");
  for (size_t i = 0; i < inner.size(); ++i)
    require(yd[i] >= inner[i], ErrorCode::kShapeMismatch, "the output shape ", yd, " is smaller than ", inner);
  const int64_t count = checked_product(inner);
  const ElementMover move(x, c.output(0, yd));
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t rest = front_index(indices.get_int(i), count), at = 0, stride = 1;
    for (size_t d = inner.size(); d-- > 0; rest /= inner[d], stride *= yd[d]) at += rest % inner[d] * stride;
    move(i, at);
  }
}

void import_max_unpool(ImportContext& c) {
  MaxUnpoolAttrs a;
  a.kernel_shape = c.attr_ints("kernel_shape");
  a.strides = c.attr_ints("strides", std::vector<int64_t>(a.kernel_shape.size(), 1));
  a.pads = c.attr_ints("pads", std::vector<int64_t>(2 * a.kernel_shape.size(), 0));
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  c.output(0, c.add("MaxUnpool", std::move(inputs), a));
}

}  // namespace

OpSet max_unpool() {
  return {{{.name = "MaxUnpool",
            .attrs = ir::schema_of<MaxUnpoolAttrs>(),
            .min_inputs = 2,
            .max_inputs = 3,
            .infer = infer_max_unpool,
            .eval = eval_max_unpool}},
          {{"", "MaxUnpool", 9, import_max_unpool}}};
}

}  // namespace tenon::ops
