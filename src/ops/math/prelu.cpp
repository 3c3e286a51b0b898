// PRelu: y = x < 0 ? slope * x : x. The slope broadcasts to x.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/reshape.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_prelu(InferContext& c) {
  c.expect(c.dtype(0) == c.dtype(1), "x and slope have the types ", ir::name(c.dtype(0)), " and ", ir::name(c.dtype(1)),
           ", accepted are equal types");
  const Shape x = c.shape(0);
  c.expect(c.rank(1) <= x.size(), "slope ", c.text(c.shape(1)), " does not broadcast to x ", c.text(x));
  c.broadcast(x, c.shape(1));
  c.output(0, c.dtype(0), x);
}

void eval_prelu(EvalContext& c) {
  const Tensor &x = c.input(0), &slope = c.input(1);
  Tensor& y = c.output(0, x.dims());
  const BroadcastIndex at(slope.dims(), x.dims());
  if (ir::is_float(x.dtype())) {
    for (int64_t i = 0; i < x.count(); ++i) y.set(i, x.get(i) < 0 ? x.get(i) * slope.get(at(i)) : x.get(i));
    return;
  }
  const bool is_u64 = x.dtype() == DType::kU64;
  for (int64_t i = 0; i < x.count(); ++i) {
    const uint64_t v = uint64_t(x.get_int(i)), s = uint64_t(slope.get_int(at(i)));
    y.set_int(i, int64_t(!is_u64 && int64_t(v) < 0 ? v * s : v));
  }
}

// Models from before opset 7, and some after, give one slope a channel as a vector that does not broadcast.
void import_prelu(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  ir::ValueId slope = c.required(1);
  const Shape xs = c.shape(x), ss = c.shape(slope);
  if (ss.size() == 1 && xs.size() > 2 && !(ss[0] == 1) && ss[0] == xs[1] && !(ss[0] == xs.back())) {
    std::vector<int64_t> dims(xs.size() - 1, 1);
    dims[0] = -1;
    slope = c.add("Reshape", {slope, c.constant(Tensor::vector_i64(dims))}, ReshapeAttrs{});
  }
  c.output(0, c.add("PRelu", {x, slope}));
}

}  // namespace

OpSet prelu() {
  return {{{.name = "PRelu",
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_prelu,
            .eval = eval_prelu,
            .form = OpForm::kBinary}},
          {{"", "PRelu", 7, import_prelu}}};
}

}  // namespace tenon::ops
