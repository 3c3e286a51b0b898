// Shape and Size: dimensions as data.
#include "ops/shape/shape_of.h"

#include <algorithm>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"

namespace tenon::ops {
namespace {

template <class Dimensions>
Dimensions slice_dims(const ShapeAttrs& a, const Dimensions& dims) {
  const int64_t rank = int64_t(dims.size());
  auto place = [&](int64_t p) { return std::clamp<int64_t>(p < 0 ? p + rank : p, 0, rank); };
  const int64_t first = place(a.start), last = std::max(first, place(a.end));
  return Dimensions(dims.begin() + first, dims.begin() + last);
}

void infer_shape(InferContext& c) {
  Shape dims = slice_dims(c.attrs<ShapeAttrs>(), c.shape(0));
  c.output(0, DType::kI64, {int64_t(dims.size())});
  c.output_contents(0, std::move(dims));
}

void eval_shape(EvalContext& c) {
  c.outputs[0] = Tensor::vector_i64(slice_dims(c.attrs<ShapeAttrs>(), c.input(0).dims()));
}

void import_shape(ImportContext& c) {
  ShapeAttrs a;
  a.start = c.attr_int("start", a.start);
  a.end = c.attr_int("end", a.end);
  c.output(0, c.add("Shape", {c.required(0)}, a));
}

void infer_size(InferContext& c) {
  const Dim count = product(c.dims(), c.shape(0));
  c.output(0, DType::kI64, {});
  c.output_contents(0, {count});
}

void eval_size(EvalContext& c) { c.outputs[0] = Tensor::scalar_i64(c.input(0).count()); }
void import_size(ImportContext& c) { c.output(0, c.add("Size", {c.required(0)})); }

}  // namespace

OpSet shape_of() {
  return {{{.name = "Shape", .attrs = ir::schema_of<ShapeAttrs>(), .infer = infer_shape, .eval = eval_shape},
           {.name = "Size", .infer = infer_size, .eval = eval_size}},
          {{"", "Shape", 1, import_shape}, {"", "Size", 1, import_size}}};
}

}  // namespace tenon::ops
