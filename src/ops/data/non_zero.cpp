// NonZero: indices of elements other than zero, one row an axis, [rank, count] of i64. A scalar counts as a vector.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_non_zero(InferContext& c) {
  const int64_t rank = std::max<int64_t>(int64_t(c.rank(0)), 1);
  c.output(0, DType::kI64, {rank, c.unknown()});
}

void eval_non_zero(EvalContext& c) {
  const Tensor& x = c.input(0);
  const Dims xd = x.dims().empty() ? Dims{1} : x.dims();
  Dims found;
  const bool real = ir::is_float(x.dtype());
  for (int64_t i = 0; i < x.count(); ++i)
    if (real ? x.get(i) != 0 : x.get_int(i) != 0) found.push_back(i);
  const auto n = int64_t(found.size()), rank = int64_t(xd.size());
  Tensor& y = c.output(0, {rank, n});
  for (int64_t i = 0; i < n; ++i) {
    int64_t rest = found[size_t(i)];
    for (int64_t d = rank; d-- > 0; rest /= xd[size_t(d)]) y.set_int(d * n + i, rest % xd[size_t(d)]);
  }
}

void import_non_zero(ImportContext& c) { c.output(0, c.add("NonZero", {c.required(0)})); }

}  // namespace

OpSet non_zero() {
  return {{{.name = "NonZero", .infer = infer_non_zero, .eval = eval_non_zero, .data_dependent = true}},
          {{"", "NonZero", 9, import_non_zero}}};
}

}  // namespace tenon::ops
