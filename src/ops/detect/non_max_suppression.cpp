#include "ops/detect/non_max_suppression.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_nms(InferContext& c) {
  const Shape &boxes = c.shape(0), &scores = c.shape(1);
  c.expect(boxes.size() == 3 && (!boxes[2].is_const() || boxes[2] == 4), "boxes ", c.text(boxes), " must be [N, B, 4]");
  c.expect(scores.size() == 3, "scores ", c.text(scores), " must be [N, C, B]");
  c.output(0, DType::kI64, {c.unknown(), 3});
}

using Box = std::array<double, 4>;  // low y, low x, high y, high x

Box read_box(const Tensor& t, int64_t i, bool center) {
  const double a = t.get(i * 4), b = t.get(i * 4 + 1), c = t.get(i * 4 + 2), d = t.get(i * 4 + 3);
  if (center) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};
  return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
}

double intersection_over_union(const Box& a, const Box& b) {
  const double h = std::min(a[2], b[2]) - std::max(a[0], b[0]), w = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (!(h > 0 && w > 0)) return 0;
  auto area = [](const Box& x) { return (x[2] - x[0]) * (x[3] - x[1]); };
  const double both = area(a) + area(b) - h * w;
  return both > 0 ? h * w / both : 0;
}

double scalar(const EvalContext& c, size_t i, double fallback) {
  if (!c.has(i) || c.input(i).count() == 0) return fallback;
  require(c.input(i).count() == 1, ErrorCode::kShapeMismatch, "input ", i, " must have one element");
  return c.input(i).get(0);
}

void eval_nms(EvalContext& c) {
  const Tensor &boxes = c.input(0), &scores = c.input(1);
  const Dims &bd = boxes.dims(), &sd = scores.dims();
  require(bd[0] == sd[0] && bd[1] == sd[2] && bd[2] == 4, ErrorCode::kShapeMismatch, "boxes ", bd, " and scores ", sd,
          " do not fit");
  const double most = scalar(c, 2, 0), iou = scalar(c, 3, 0), least = scalar(c, 4, -INFINITY);
  require(iou >= 0 && iou <= 1, ErrorCode::kInvalidArgument, "the IoU threshold is ", iou, ", accepted are 0 to 1");
  const bool center = c.attrs<NonMaxSuppressionAttrs>().center_point_box;
  std::vector<int64_t> out;
  for (int64_t row = 0; row < sd[0] * sd[1]; ++row) {
    const int64_t n = row / sd[1];
    std::vector<std::pair<double, int64_t>> order;
    for (int64_t b = 0; b < bd[1]; ++b)
      if (const double s = scores.get(row * bd[1] + b); s > least) order.emplace_back(-s, b);
    std::sort(order.begin(), order.end());
    std::vector<Box> kept;
    for (const auto& [score, b] : order) {
      if (double(kept.size()) >= most) break;
      const Box box = read_box(boxes, n * bd[1] + b, center);
      auto overlaps = [&box, iou](const Box& k) { return intersection_over_union(k, box) > iou; };
      if (std::any_of(kept.begin(), kept.end(), overlaps)) continue;
      kept.push_back(box);
      out.insert(out.end(), {n, row % sd[1], b});
    }
  }
  c.outputs[0] = Tensor::vector_i64(out).reshaped({int64_t(out.size()) / 3, 3});
}

void import_nms(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  for (size_t i = 2; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.output(
      0, c.add("NonMaxSuppression", std::move(inputs), NonMaxSuppressionAttrs{c.attr_int("center_point_box", 0) != 0}));
}

}  // namespace

OpSet non_max_suppression() {
  return {{{.name = "NonMaxSuppression",
            .attrs = ir::schema_of<NonMaxSuppressionAttrs>(),
            .min_inputs = 2,
            .max_inputs = 5,
            .infer = infer_nms,
            .eval = eval_nms,
            .data_dependent = true}},
          {{"", "NonMaxSuppression", 10, import_nms}}};
}

}  // namespace tenon::ops
