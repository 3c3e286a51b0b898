// Types of boundary nodes.
#include "ops/trt/boundary.h"

#include "ops/op.h"

namespace tenon::ops {
namespace trt {

ir::Attrs to_attrs(const BoundaryAttrs& attrs) { return attrs; }
const BoundaryAttrs& boundary_attrs(const ir::Attrs& attrs) { return attrs.as<BoundaryAttrs>(); }
bool is_boundary_of(const ir::Node& node, int64_t region) {
  return node.alive && &node.attrs.schema() == ir::schema_of<BoundaryAttrs>() &&
         node.attrs.as<BoundaryAttrs>().region == region;
}

}  // namespace trt

namespace {

using trt::BoundaryAttrs;

void infer_nothing(InferContext&) {}

void infer_state(InferContext& c) { c.output(0, c.dtype(0), c.shape(0)); }

void infer_input(InferContext& c) {
  c.output(0, c.dtype(0), c.shape(0));
  if (auto contents = c.contents(0)) c.output_contents(0, std::move(*contents));
}

void infer_iterator(InferContext& c) {
  Shape shape = c.shape(0);
  c.expect(!shape.empty(), "a number cannot be iterated over");
  shape.erase(shape.begin() + int64_t(c.axis(c.attrs<BoundaryAttrs>().axis, shape.size())));
  c.output(0, c.dtype(0), std::move(shape));
}

void infer_loop_output(InferContext& c) {
  const auto& a = c.attrs<BoundaryAttrs>();
  Shape shape = c.shape(0);
  if (a.kind != trt::kLastValue) {
    const auto length = c.contents(1);
    const size_t axis = c.axis(a.axis, shape.size() + 1);
    shape.insert(shape.begin() + int64_t(axis), length && length->size() == 1 ? (*length)[0] : c.unknown());
  }
  c.output(0, c.dtype(0), std::move(shape));
}

void infer_if_output(InferContext& c) {
  const Shape &a = c.shape(0), &b = c.shape(1);
  c.expect(c.dtype(0) == c.dtype(1), "one branch gives ", c.dtype(0), ", the other ", c.dtype(1));
  c.expect(a.size() == b.size(), "one branch gives ", c.text(a), ", the other ", c.text(b));
  Shape shape = a;
  for (size_t d = 0; d < a.size(); ++d)
    if (!(a[d] == b[d])) shape[d] = c.unknown();
  c.output(0, c.dtype(0), std::move(shape));
}

OpDef boundary(std::string_view name, size_t least, size_t most, void (*infer)(InferContext&)) {
  return {.name = name,
          .attrs = ir::schema_of<BoundaryAttrs>(),
          .min_inputs = least,
          .max_inputs = most,
          .infer = infer,
          .form = OpForm::kControlFlow};
}

}  // namespace

OpSet trt_boundaries() {
  return {{boundary("trt.Recurrence", 1, 1, infer_state), boundary("trt.Next", 1, 1, infer_nothing),
           boundary("trt.Iterator", 1, 1, infer_iterator), boundary("trt.TripLimit", 1, 1, infer_nothing),
           boundary("trt.LoopOutput", 1, 2, infer_loop_output), boundary("trt.Condition", 1, 1, infer_nothing),
           boundary("trt.IfInput", 1, 1, infer_input), boundary("trt.IfOutput", 2, 2, infer_if_output)},
          {}};
}

}  // namespace tenon::ops
