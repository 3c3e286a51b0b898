// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, import only:
//   loss[n, d] = -w[t] x[n, t, d] with t = target[n, d], w 0 where t is the ignored class; then all, their sum, or the
//   sum over that of the weights.
#include "ops/import.h"
#include "ops/math/reduce.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

ir::ValueId sum_of_all(ImportContext& c, ir::ValueId v, ReduceKind kind) {
  std::vector<int64_t> axes;
  for (size_t i = 0; i < c.shape(v).size(); ++i) axes.push_back(int64_t(i));
  return c.add("Reduce", {v}, ReduceAttrs{kind, axes, false});
}

/// The loss of `x`, log-probabilities [N, C, …].
ir::ValueId likelihood_loss(ImportContext& c, ir::ValueId x, ir::ValueId target, ir::ValueId weight) {
  const std::string reduction = c.attr_string("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    c.fail("reduction is '", reduction, "', accepted are none, sum, mean");
  const DType type = c.dtype(x), index_type = c.dtype(target);
  ir::ValueId ignored = ir::kNone, w = ir::kNone;
  if (c.has_attr("ignore_index")) {
    const auto none =
        c.constant(Tensor::of<int64_t>(index_type, {}, std::vector<int64_t>{c.attr_int("ignore_index", 0)}));
    ignored = c.add("Equal", {target, none});
    target = c.add("Where", {ignored, c.constant(scalar(index_type, 0)), target});
  }
  if (weight != ir::kNone) w = c.add("Gather", {weight, target}, AxisAttrs{0});
  if (ignored != ir::kNone) {
    const ir::ValueId kept = w != ir::kNone ? w : c.constant(scalar(type, 1));
    w = c.add("Where", {ignored, c.constant(scalar(type, 0)), kept});
  }
  const ir::ValueId index = c.add("Unsqueeze", {target}, AxesAttrs{{1}});
  const ir::ValueId chosen = c.add("GatherElements", {x, index}, AxisAttrs{1});
  ir::ValueId loss = c.add("Neg", {c.add("Squeeze", {chosen}, AxesAttrs{{1}})});
  if (w != ir::kNone) loss = c.add("Mul", {loss, w});
  if (reduction == "none") return loss;
  if (reduction == "sum") return sum_of_all(c, loss, ReduceKind::kSum);
  if (w == ir::kNone) return sum_of_all(c, loss, ReduceKind::kMean);
  return c.add("Div", {sum_of_all(c, loss, ReduceKind::kSum), sum_of_all(c, w, ReduceKind::kSum)});
}

void import_likelihood(ImportContext& c) { c.output(0, likelihood_loss(c, c.required(0), c.required(1), c.input(2))); }

void import_cross_entropy(ImportContext& c) {
  const ir::ValueId x = c.add("LogSoftmax", {c.required(0)}, AxisAttrs{1});
  c.output(0, likelihood_loss(c, x, c.required(1), c.input(2)));
  if (c.output_count() > 1) c.output(1, x);
}

}  // namespace

OpSet losses() {
  return {{},
          {{"", "NegativeLogLikelihoodLoss", 12, import_likelihood},
           {"", "SoftmaxCrossEntropyLoss", 12, import_cross_entropy}}};
}

}  // namespace tenon::ops
