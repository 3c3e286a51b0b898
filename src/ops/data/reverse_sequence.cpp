#include "ops/data/reverse_sequence.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

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
  const size_t batch = front_axis(a.batch_axis, dims.size()), time = front_axis(a.time_axis, dims.size());
  require(lengths.count() == dims[batch], ErrorCode::kShapeMismatch, lengths.count(),
          " lengths are given for a batch of ", dims[batch]);
  const ElementMover move(x, c.output(0, dims));
  const Dims strides = ir::strides_of(dims);
  Dims index(dims.size(), 0);
  for (int64_t i = 0; i < x.count(); ++i, advance(index, dims)) {
    const int64_t n = lengths.get_int(index[batch]), t = index[time];
    require(n >= 0 && n <= dims[time], ErrorCode::kInvalidArgument, "length ", n, " lies outside [0, ", dims[time],
            "]");
    move(t < n ? i + (n - 1 - 2 * t) * strides[time] : i, i);
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
