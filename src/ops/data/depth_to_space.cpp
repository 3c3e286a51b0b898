#include "ops/data/depth_to_space.h"

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void check(InferContext& c, int64_t block) {
  c.expect(block >= 1 && block <= (int64_t(1) << 30), "blocksize is ", block, ", accepted are numbers from 1");
  c.expect(c.rank(0) == 4, "the input ", c.text(c.shape(0)), " must have rank 4");
}

void expect_multiple(InferContext& c, Dim d, int64_t of) {
  c.expect(!d.is_const() || d.constant() % of == 0, c.dims().text(d), " is not a multiple of ", of);
}

void infer_depth_to_space(InferContext& c) {
  const int64_t b = c.attrs<DepthToSpaceAttrs>().blocksize;
  check(c, b);
  const Shape x = c.shape(0);
  expect_multiple(c, x[1], b * b);
  auto& d = c.dims();
  c.output(0, c.dtype(0), {x[0], d.floor_div(x[1], b * b), d.mul(x[2], b), d.mul(x[3], b)});
}

void infer_space_to_depth(InferContext& c) {
  const int64_t b = c.attrs<DepthToSpaceAttrs>().blocksize;
  check(c, b);
  const Shape x = c.shape(0);
  expect_multiple(c, x[2], b);
  expect_multiple(c, x[3], b);
  auto& d = c.dims();
  c.output(0, c.dtype(0), {x[0], d.mul(x[1], b * b), d.floor_div(x[2], b), d.floor_div(x[3], b)});
}

void eval_depth_to_space(EvalContext& c) {
  const auto& a = c.attrs<DepthToSpaceAttrs>();
  const Dims& x = c.input(0).dims();
  const int64_t b = a.blocksize;
  require(x[1] % (b * b) == 0, ErrorCode::kShapeMismatch, x[1], " channels are not a multiple of ", b * b);
  const Dims yd{x[0], x[1] / (b * b), checked_mul(x[2], b), checked_mul(x[3], b)};
  Tensor& y = c.output(0, yd);
  const ElementMover move(c.input(0), y);
  Dims at(4, 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(at, yd)) {
    const int64_t block = at[2] % b * b + at[3] % b;
    const int64_t channel = a.column_row_depth ? at[1] * b * b + block : block * yd[1] + at[1];
    move(((at[0] * x[1] + channel) * x[2] + at[2] / b) * x[3] + at[3] / b, i);
  }
}

void eval_space_to_depth(EvalContext& c) {
  const Dims& x = c.input(0).dims();
  const auto& a = c.attrs<DepthToSpaceAttrs>();
  const int64_t b = a.blocksize;
  require(x[2] % b == 0 && x[3] % b == 0, ErrorCode::kShapeMismatch, "the input ", x,
          " does not divide into blocks of ", b);
  const Dims yd{x[0], checked_mul(x[1], b * b), x[2] / b, x[3] / b};
  Tensor& y = c.output(0, yd);
  const ElementMover move(c.input(0), y);
  Dims at(4, 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(at, yd)) {
    const int64_t block = a.column_row_depth ? at[1] % (b * b) : at[1] / x[1];
    const int64_t channel = a.column_row_depth ? at[1] / (b * b) : at[1] % x[1];
    move(((at[0] * x[1] + channel) * x[2] + at[2] * b + block / b) * x[3] + at[3] * b + block % b, i);
  }
}

void import_blocks(ImportContext& c) {
  const std::string mode = c.attr_string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") c.fail("mode is '", mode, "', accepted are DCR, CRD");
  c.output(0, c.add(c.node_op(), {c.required(0)}, DepthToSpaceAttrs{c.attr_int("blocksize", 0), mode == "CRD"}));
}

}  // namespace

OpSet depth_to_space() {
  return {{{.name = "DepthToSpace",
            .attrs = ir::schema_of<DepthToSpaceAttrs>(),
            .infer = infer_depth_to_space,
            .eval = eval_depth_to_space},
           {.name = "SpaceToDepth",
            .attrs = ir::schema_of<DepthToSpaceAttrs>(),
            .infer = infer_space_to_depth,
            .eval = eval_space_to_depth}},
          {{"", "DepthToSpace", 1, import_blocks}, {"", "SpaceToDepth", 1, import_blocks}}};
}

}  // namespace tenon::ops
