// Range. Inputs: start, limit, delta, scalars of one type. y[i] = start + i * delta for i < ceil((limit - start) /
// delta).
#include <cmath>

#include "ops/import.h"
#include "ops/math/integer.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"

namespace tenon::ops {
namespace {

int64_t range_count(int64_t start, int64_t limit, int64_t delta) {
  require(delta != 0, ErrorCode::kShapeMismatch, "delta is 0");
  if (delta > 0 ? limit <= start : limit >= start) return 0;
  const uint64_t distance = delta > 0 ? uint64_t(limit) - uint64_t(start) : uint64_t(start) - uint64_t(limit);
  const uint64_t step = delta > 0 ? uint64_t(delta) : 0 - uint64_t(delta);
  const uint64_t count = (distance - 1) / step + 1;
  require(count <= uint64_t(INT64_MAX), ErrorCode::kShapeMismatch, "the range has ", count, " elements");
  return int64_t(count);
}

int64_t range_count(double start, double limit, double delta) {
  const double n = std::ceil((limit - start) / delta);
  require(std::isfinite(n) && n < 9e18, ErrorCode::kShapeMismatch, "the range from ", start, " to ", limit, " by ",
          delta, " has no finite length");
  return n > 0 ? int64_t(n) : 0;
}

void infer_range(InferContext& c) {
  const DType type = c.dtype(0);
  const auto start = c.contents(0), limit = c.contents(1), delta = c.contents(2);
  const bool known = start && limit && delta && start->size() == 1 && limit->size() == 1 && delta->size() == 1 &&
                     (*delta)[0].is_const() && !((*delta)[0] == 0);
  if (known && (*start)[0].is_const() && (*limit)[0].is_const()) {
    const int64_t first = (*start)[0].constant(), step = (*delta)[0].constant();
    const int64_t n = range_count(first, (*limit)[0].constant(), step);
    c.output(0, type, {n});
    if (n > 4096) return;
    std::vector<Dim> elements;
    for (int64_t i = 0; i < n; ++i) elements.push_back(integer::add(first, integer::mul(i, step)));
    c.output_contents(0, std::move(elements));
  } else if (known) {
    auto& d = c.dims();
    c.output(0, type, {tight_max(d, d.ceil_div(d.sub((*limit)[0], (*start)[0]), (*delta)[0]), 0)});
  } else if (const Tensor* a = c.constant(0), *b = c.constant(1), *s = c.constant(2);
             a && b && s && ir::is_float(type) && a->count() == 1 && b->count() == 1 && s->count() == 1) {
    c.output(0, type, {range_count(a->get(0), b->get(0), s->get(0))});
  } else {
    c.output(0, type, {c.unknown()});
  }
}

void eval_range(EvalContext& c) {
  for (size_t i = 0; i < 3; ++i)
    require(c.input(i).count() == 1, ErrorCode::kShapeMismatch, "input ", i, " has ", c.input(i).count(),
            " elements, accepted is 1");
  if (ir::is_float(c.input(0).dtype())) {
    const double start = c.input(0).get(0), delta = c.input(2).get(0);
    Tensor& y = c.output(0, {range_count(start, c.input(1).get(0), delta)});
    for (int64_t i = 0; i < y.count(); ++i) y.set(i, start + double(i) * delta);
  } else {
    const int64_t start = c.input(0).get_int(0), delta = c.input(2).get_int(0);
    Tensor& y = c.output(0, {range_count(start, c.input(1).get_int(0), delta)});
    for (int64_t i = 0; i < y.count(); ++i) y.set_int(i, integer::add(start, integer::mul(i, delta)));
  }
}

void import_range(ImportContext& c) { c.output(0, c.add("Range", {c.required(0), c.required(1), c.required(2)})); }

}  // namespace

OpSet range() {
  return {{{.name = "Range", .min_inputs = 3, .max_inputs = 3, .infer = infer_range, .eval = eval_range}},
          {{"", "Range", 11, import_range}}};
}

}  // namespace tenon::ops
