#include "ops/shape/constant_of_shape.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_constant_of_shape(InferContext& c) {
  const Tensor& value = c.attrs<ConstantOfShapeAttrs>().value;
  c.expect(value.count() == 1, "value has ", value.count(), " elements, accepted is 1");
  Shape y;
  if (auto dims = c.contents(0)) {
    y = std::move(*dims);
  } else {
    const Shape& s = c.shape(0);
    c.expect(s.size() == 1, "the shape input ", c.text(s), " must have rank 1");
    for (size_t i = rank_from(c, s[0]); i > 0; --i) y.push_back(c.unknown());
  }
  const bool integers = ir::is_integer(value.dtype()) || value.dtype() == DType::kBool;
  const bool small = y.empty() || (y.size() == 1 && y[0].is_const() && y[0].constant() >= 0 && y[0].constant() <= 4096);
  const size_t count = small && !y.empty() ? size_t(y[0].constant()) : 1;
  c.output(0, value.dtype(), std::move(y));
  if (integers && small) c.output_contents(0, std::vector<Dim>(count, value.get_int(0)));
}

void eval_constant_of_shape(EvalContext& c) {
  const Tensor value = c.attrs<ConstantOfShapeAttrs>().value.cast(c.output_type(0));
  Tensor& y = c.output(0, c.input(0).to_ints());
  const ElementMover move(value, y);
  for (int64_t i = 0; i < y.count(); ++i) move(0, i);
}

void import_constant_of_shape(ImportContext& c) {
  ConstantOfShapeAttrs a;
  if (auto value = c.attr_tensor("value")) a.value = *value;
  c.output(0, c.add("ConstantOfShape", {c.required(0)}, a));
}

}  // namespace

OpSet constant_of_shape() {
  return {{{.name = "ConstantOfShape",
            .attrs = ir::schema_of<ConstantOfShapeAttrs>(),
            .infer = infer_constant_of_shape,
            .eval = eval_constant_of_shape}},
          {{"", "ConstantOfShape", 9, import_constant_of_shape}}};
}

}  // namespace tenon::ops
