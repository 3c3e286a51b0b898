// Assert. Inputs: a tensor, a condition (bool). The tensor is handed on where each element of the condition is true;
// else the operator fails with the message: while shapes are inferred, if these decide it, or when it runs.
#include "ops/control/assertion.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_assert(InferContext& c) {
  const auto& message = c.attrs<AssertAttrs>().message;
  c.expect(c.dtype(1) == DType::kBool, "the condition has the type ", ir::name(c.dtype(1)), ", accepted is bool");
  if (const auto known = c.contents(1))
    c.expect(std::none_of(known->begin(), known->end(), [](const Dim& d) { return d == 0; }),
             "assertion failed: ", message);
  auto elements = c.elements(0);
  c.output(0, c.dtype(0), c.shape(0));
  if (elements) c.output_elements(0, std::move(*elements));
}

void eval_assert(EvalContext& c) {
  const Tensor& condition = c.input(1);
  for (int64_t i = 0; i < condition.count(); ++i)
    require(condition.get_int(i) != 0, ErrorCode::kInvalidArgument,
            "assertion failed: ", c.attrs<AssertAttrs>().message);
  c.outputs[0] = c.input(0);
}

}  // namespace

OpSet assertion() {
  return {{{.name = "Assert",
            .attrs = ir::schema_of<AssertAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_assert,
            .eval = eval_assert}},
          {}};
}

}  // namespace tenon::ops
