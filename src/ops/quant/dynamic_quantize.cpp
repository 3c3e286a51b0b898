// DynamicQuantizeLinear as core nodes.
#include "ops/import.h"
#include "ops/math/cast.h"
#include "ops/math/clip.h"
#include "ops/math/reduce.h"
#include "ops/op.h"
#include "ops/quant/quantize.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

// scale = (max(x, 0) - min(x, 0)) / 255, 1 where that is 0; zero point = clip(round(-min / scale), 0, 255).
void import_dynamic_quantize(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  const Shape shape = c.shape(x);
  std::vector<int64_t> axes;
  for (size_t i = 0; i < shape.size(); ++i) axes.push_back(int64_t(i));
  auto number = [&](double v) { return c.constant(scalar(c.dtype(x), v)); };
  auto extreme = [&](ReduceKind kind) { return c.add("Reduce", {x}, ReduceAttrs{kind, axes, false}); };
  const ir::ValueId zero = number(0);
  const ir::ValueId high = c.add("Max", {extreme(ReduceKind::kMax), zero});
  const ir::ValueId low = c.add("Min", {extreme(ReduceKind::kMin), zero});
  ir::ValueId scale = c.add("Div", {c.add("Sub", {high, low}), number(255)});
  scale = c.add("Where", {c.add("Equal", {scale, zero}), number(1), scale});
  const ir::ValueId shift = c.add("Round", {c.add("Neg", {c.add("Div", {low, scale})})});
  const ir::ValueId point = c.add("Cast", {c.add("Clip", {shift}, ClipAttrs{0, 255})}, CastAttrs{DType::kU8});
  c.output(0, c.add("QuantizeLinear", {x, scale, point}, QuantizeAttrs{DType::kU8}));
  if (c.output_count() > 1) c.output(1, scale);
  if (c.output_count() > 2) c.output(2, point);
}

}  // namespace

OpSet dynamic_quantize() { return {{}, {{"", "DynamicQuantizeLinear", 11, import_dynamic_quantize}}}; }

}  // namespace tenon::ops
