// Dropout at inference is the identity.
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void import_dropout(ImportContext& c) {
  if (c.has(2)) {
    const Tensor* training = c.constant(c.input(2));
    if (!training || training->count() != 1 || training->get(0) != 0)
      c.fail("training_mode is not the constant false, accepted is inference");
  }
  const ir::ValueId x = c.required(0);
  c.output(0, x);
  if (c.output_count() < 2) return;
  // The mask keeps every element.
  const ir::ValueId yes = c.constant(Tensor::of<int64_t>(DType::kBool, {}, std::vector<int64_t>{1}));
  const ir::ValueId same = c.add("Equal", {x, x});
  c.output(1, c.add("Or", {same, yes}));
}

}  // namespace

OpSet dropout() { return {{}, {{"", "Dropout", 7, import_dropout}}}; }

}  // namespace tenon::ops
