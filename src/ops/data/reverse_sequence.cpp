#include "ops/data/reverse_sequence.h"

#include <algorithm>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_reverse_sequence(InferContext& c) {
  const auto& a = c.attrs<ReverseSequenceAttrs>();
  const size_t rank = c.rank(0);
  c.expect(c.axis(a.batch_axis, rank) != c.axis(a.time_axis, rank), "batch and time are the same axis");
  c.output(0, c.dtype(0), c.shape(0));
}

void eval_reverse_sequence(EvalContext& c) {
  const auto& a = c.attrs<ReverseSequenceAttrs>();
  const Tensor &x = c.input(0), &lengths = c.input(1);
  const Dims& dims = x.dims();
  const size_t batch = normalized_axis(a.batch_axis, dims.size()), time = normalized_axis(a.time_axis, dims.size());
  require(lengths.count() == dims[batch], ErrorCode::kShapeMismatch, lengths.count(),
          " lengths are given for a batch of ", dims[batch]);
  for (int64_t b = 0; b < lengths.count(); ++b)
    require(lengths.get_int(b) >= 0 && lengths.get_int(b) <= dims[time], ErrorCode::kInvalidArgument, "length ",
            lengths.get_int(b), " lies outside [0, ", dims[time], "]");
  const ElementMover move(x, c.output(0, dims));
  const Dims strides = ir::strides_of(dims);
  const size_t outer = std::max(batch, time) + 1;  // what follows both axes moves as one
  const Dims walked(dims.begin(), dims.begin() + int64_t(outer));
  const int64_t run = count_between(dims, outer, dims.size());
  Dims index(outer, 0);
  for (int64_t i = 0; i < x.count(); i += run, advance(index, walked)) {
    const int64_t n = lengths.get_int(index[batch]), t = index[time];
    move(t < n ? i + (n - 1 - 2 * t) * strides[time] : i, i, run);
  }
}

void import_reverse_sequence(ImportContext& c) {
  ReverseSequenceAttrs a{c.attr_int("batch_axis", 1), c.attr_int("time_axis", 0)};
  c.output(0, c.add("ReverseSequence", {c.required(0), c.required(1)}, a));
}

}  // namespace

OpSet reverse_sequence() {
  return {{{.name = "ReverseSequence",
            .attrs = ir::schema_of<ReverseSequenceAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_reverse_sequence,
            .eval = eval_reverse_sequence}},
          {{"", "ReverseSequence", 10, import_reverse_sequence}}};
}

}  // namespace tenon::ops
