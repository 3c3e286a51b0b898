#include "ops/math/clip.h"

#include <cmath>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_clip(InferContext& c) {
  c.expect(ir::is_float(c.dtype(0)), "the input has the type ", ir::name(c.dtype(0)),
           ", accepted are floating-point types");
  c.output(0, c.dtype(0), c.shape(0));
}

void eval_clip(EvalContext& c) {
  const ClipAttrs& a = c.attrs<ClipAttrs>();
  const Tensor& x = c.input(0);
  Tensor& y = c.output(0, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    const double v = x.get(i);
    y.set(i, std::isnan(v) ? v : std::fmin(std::fmax(v, double(a.min)), double(a.max)));
  }
}

void import_clip_attributes(ImportContext& c) {
  ClipAttrs a;
  a.min = c.attr_float("min", a.min);
  a.max = c.attr_float("max", a.max);
  c.output(0, c.add("Clip", {c.required(0)}, a));
}

/// A bound that a ClipAttrs can hold exactly.
std::optional<float> bound(ImportContext& c, size_t i, float none) {
  if (!c.has(i)) return none;
  const Tensor* t = c.constant(c.input(i));
  if (!t || t->count() != 1 || std::isnan(t->get(0)) || double(float(t->get(0))) != t->get(0)) return std::nullopt;
  return float(t->get(0));
}

// Bounds that are not constant, or integers, read y = min(max(x, low), high).
void import_clip_inputs(ImportContext& c) {
  ir::ValueId x = c.required(0);
  const ClipAttrs open;
  const auto low = bound(c, 1, open.min), high = bound(c, 2, open.max);
  if (low && high && ir::is_float(c.dtype(x))) return c.output(0, c.add("Clip", {x}, ClipAttrs{*low, *high}));
  if (c.has(1)) x = c.add("Max", {x, c.input(1)});
  if (c.has(2)) x = c.add("Min", {x, c.input(2)});
  c.output(0, x);
}

}  // namespace

OpSet clip() {
  return {{{.name = "Clip",
            .attrs = ir::schema_of<ClipAttrs>(),
            .infer = infer_clip,
            .eval = eval_clip,
            .form = OpForm::kUnary}},
          {{"", "Clip", 6, import_clip_attributes}, {"", "Clip", 11, import_clip_inputs}}};
}

}  // namespace tenon::ops
