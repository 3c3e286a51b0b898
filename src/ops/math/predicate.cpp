// IsNaN and IsInf: bool for each floating-point element.
#include "ops/math/predicate.h"

#include <cmath>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_predicate(InferContext& c) {
  c.expect(ir::is_float(c.dtype(0)), "the input has the type ", ir::name(c.dtype(0)),
           ", accepted are floating-point types");
  c.output(0, DType::kBool, c.shape(0));
}

void eval_is_nan(EvalContext& c) {
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) y.set_int(i, std::isnan(x.get(i)));
}

void eval_is_inf(EvalContext& c) {
  const IsInfAttrs& a = c.attrs<IsInfAttrs>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    const double v = x.get(i);
    y.set_int(i, std::isinf(v) && (v < 0 ? a.detect_negative : a.detect_positive));
  }
}

void import_is_nan(ImportContext& c) { c.output(0, c.add("IsNaN", {c.required(0)})); }
void import_is_inf(ImportContext& c) {
  c.output(0, c.add("IsInf", {c.required(0)},
                    IsInfAttrs{c.attr_int("detect_negative", 1) != 0, c.attr_int("detect_positive", 1) != 0}));
}

}  // namespace

OpSet predicate() {
  return {{{.name = "IsNaN", .infer = infer_predicate, .eval = eval_is_nan, .form = OpForm::kUnary},
           {.name = "IsInf",
            .attrs = ir::schema_of<IsInfAttrs>(),
            .infer = infer_predicate,
            .eval = eval_is_inf,
            .form = OpForm::kUnary}},
          {{"", "IsNaN", 9, import_is_nan}, {"", "IsInf", 10, import_is_inf}}};
}

}  // namespace tenon::ops
