// Reduce: sums, means, extremes, products and norms along axes.
#include "ops/math/reduce.h"

#include <cmath>
#include <limits>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/math/integer.h"
#include "ops/math/reduce_along.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {

std::span<const std::string_view> enum_names(ReduceKind) {
  static constexpr std::string_view names[] = {"sum", "mean", "max",     "min",         "prod",
                                               "l1",  "l2",   "log_sum", "log_sum_exp", "sum_square"};
  return names;
}

namespace {

void reduce_contents(InferContext& c, const ReduceAttrs& a, bool reduced) {
  const auto in = c.contents(0);
  if (!in || c.rank(0) != 1 || !reduced || c.dtype(0) == DType::kU64) return;
  Dim r = a.kind == ReduceKind::kProd ? 1 : 0;
  try {
    if (in->empty() && (a.kind == ReduceKind::kMax || a.kind == ReduceKind::kMin)) return;
    for (size_t i = 0; i < in->size(); ++i) {
      const Dim d = (*in)[i];
      switch (a.kind) {
        case ReduceKind::kSum:
          r = c.dims().add(r, d);
          break;
        case ReduceKind::kProd:
          r = c.dims().mul(r, d);
          break;
        case ReduceKind::kMax:
          r = i == 0 ? d : *dim_max(c.dims(), r, d);
          break;
        case ReduceKind::kMin:
          r = i == 0 ? d : *dim_min(c.dims(), r, d);
          break;
        default:
          return;
      }
    }
  } catch (const Error&) {  // beyond 64 bits: nothing is known
    return;
  }
  if (keeps_value(c.dtype(0), r)) c.output_contents(0, {r});
}

void infer_reduce(InferContext& c) {
  const ReduceAttrs& a = c.attrs<ReduceAttrs>();
  const Shape& x = c.shape(0);
  const DType t = c.dtype(0);
  const bool extreme = a.kind == ReduceKind::kMax || a.kind == ReduceKind::kMin;
  c.expect(ir::is_float(t) || ir::is_integer(t) || (extreme && t == DType::kBool), "the input has the type ",
           ir::name(t), ", accepted are integers and floating-point numbers");
  std::vector<bool> gone(x.size(), false);
  for (size_t i : normalized_axes(a.axes, x.size())) gone[i] = true;
  Shape y;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!gone[i])
      y.push_back(x[i]);
    else if (a.keepdims)
      y.emplace_back(1);
  }
  c.output(0, t, y);
  reduce_contents(c, a, !a.axes.empty());
}

bool is_extreme(ReduceKind k) { return k == ReduceKind::kMax || k == ReduceKind::kMin; }

double start(ReduceKind k) {
  if (k == ReduceKind::kMax || k == ReduceKind::kLogSumExp) return -INFINITY;
  return k == ReduceKind::kMin ? INFINITY : k == ReduceKind::kProd ? 1 : 0;
}

double combine(ReduceKind k, double acc, double x) {
  switch (k) {
    case ReduceKind::kMax:
      return std::isnan(acc) || std::isnan(x) ? std::nan("") : std::fmax(acc, x);
    case ReduceKind::kMin:
      return std::isnan(acc) || std::isnan(x) ? std::nan("") : std::fmin(acc, x);
    case ReduceKind::kProd:
      return acc * x;
    case ReduceKind::kL1:
      return acc + std::fabs(x);
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      return acc + x * x;
    default:
      return acc + x;
  }
}

double finish(ReduceKind k, double acc, int64_t n) {
  switch (k) {
    case ReduceKind::kMean:
      return n == 0 ? std::nan("") : acc / double(n);
    case ReduceKind::kL2:
      return std::sqrt(acc);
    case ReduceKind::kLogSum:
      return std::log(acc);
    default:
      return acc;
  }
}

int64_t lowest(DType t) {
  switch (t) {
    case DType::kI8:
      return INT8_MIN;
    case DType::kI16:
      return INT16_MIN;
    case DType::kI32:
      return INT32_MIN;
    case DType::kI64:
      return INT64_MIN;
    default:
      return 0;
  }
}

int64_t combine_int(ReduceKind k, int64_t acc, int64_t x, bool u) {
  switch (k) {
    case ReduceKind::kMax:
      return integer::max(acc, x, u);
    case ReduceKind::kMin:
      return integer::min(acc, x, u);
    case ReduceKind::kProd:
      return integer::mul(acc, x);
    case ReduceKind::kL1:
      return integer::add(acc, !u && x < 0 ? integer::sub(0, x) : x);
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      return integer::add(acc, integer::mul(x, x));
    default:
      return integer::add(acc, x);
  }
}

/// Where each element of x goes, and how many elements meet there.
struct Plan {
  Dims y, kept;
  int64_t count = 1;
  Plan(const ReduceAttrs& a, const Dims& x) : kept(x) {
    std::vector<bool> gone(x.size(), false);
    for (size_t i : normalized_axes(a.axes, x.size())) gone[i] = true;
    for (size_t i = 0; i < x.size(); ++i) {
      if (gone[i]) {
        count = checked_mul(count, x[i]);
        kept[i] = 1;
        if (a.keepdims) y.push_back(1);
      } else {
        y.push_back(x[i]);
      }
    }
  }
};

void reduce_ints(const ReduceAttrs& a, const Plan& plan, const Tensor& x, Tensor& y) {
  const bool u = x.dtype() == DType::kU64;
  const int64_t low = lowest(x.dtype());
  int64_t first = a.kind == ReduceKind::kProd ? 1 : a.kind == ReduceKind::kMax ? low : 0;
  if (a.kind == ReduceKind::kMin) first = x.dtype() == DType::kBool ? 1 : ~low;
  if (a.kind == ReduceKind::kMin && low == 0 && x.dtype() != DType::kBool && x.dtype() != DType::kU64)
    first = (int64_t(1) << ir::bits(x.dtype())) - 1;
  std::vector<int64_t> acc(size_t(y.count()), first);
  const BroadcastIndex to(plan.kept, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    int64_t& slot = acc[size_t(to(i))];
    slot = combine_int(a.kind, slot, x.get_int(i), u);
  }
  for (int64_t i = 0; i < y.count(); ++i) {
    int64_t v = acc[size_t(i)];
    if (a.kind == ReduceKind::kMean) v = integer::div(v, plan.count, u);
    if (a.kind == ReduceKind::kL2 || a.kind == ReduceKind::kLogSum)
      y.set(i, finish(a.kind, double(v), plan.count));
    else
      y.set_int(i, v);
  }
}

std::vector<double> log_sum_exp(const BroadcastIndex& to, const Tensor& x, const std::vector<double>& top) {
  std::vector<double> sum(top.size(), 0);
  for (int64_t i = 0; i < x.count(); ++i) {
    const size_t k = size_t(to(i));
    sum[k] += std::isinf(top[k]) ? std::exp(x.get(i)) : std::exp(x.get(i) - top[k]);
  }
  for (size_t k = 0; k < sum.size(); ++k) sum[k] = std::log(sum[k]) + (std::isinf(top[k]) ? 0 : top[k]);
  return sum;
}

void eval_reduce(EvalContext& c) {
  const ReduceAttrs& a = c.attrs<ReduceAttrs>();
  const Tensor& x = c.input(0);
  const Plan plan(a, x.dims());
  Tensor& y = c.output(0, plan.y);
  if (!ir::is_float(x.dtype()) && a.kind != ReduceKind::kLogSumExp) return reduce_ints(a, plan, x, y);
  const BroadcastIndex to(plan.kept, x.dims());
  std::vector<double> acc(size_t(y.count()), start(a.kind));
  const bool exponential = a.kind == ReduceKind::kLogSumExp;
  for (int64_t i = 0; i < x.count(); ++i) {
    double& slot = acc[size_t(to(i))];
    slot = combine(exponential ? ReduceKind::kMax : a.kind, slot, x.get(i));
  }
  if (exponential) acc = log_sum_exp(to, x, acc);
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, finish(a.kind, acc[size_t(i)], plan.count));
}

/// Axes from the attribute or the constant input; nullopt if neither is given.
std::optional<std::vector<int64_t>> given_axes(ImportContext& c) {
  if (c.has_attr("axes")) return c.attr_ints("axes");
  if (!c.has(1)) return std::nullopt;
  return c.constant_ints(1);
}

template <ReduceKind Kind>
void import_reduce(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  const size_t rank = c.shape(x).size();
  ReduceAttrs a;
  a.kind = Kind;
  a.keepdims = c.attr_int("keepdims", 1) != 0;
  if (!c.has_attr("axes") && c.has(1) && !c.constant_ints(1)) {
    const ReduceAlongAttrs along{a.kind, a.keepdims, c.attr_int("noop_with_empty_axes", 0) != 0};
    return c.output(0, c.add("ReduceAlong", {x, c.input(1)}, along));
  }
  a.axes = given_axes(c).value_or(std::vector<int64_t>());
  if (a.axes.empty() && c.attr_int("noop_with_empty_axes", 0) != 0) {
    const bool same =
        Kind == ReduceKind::kSum || Kind == ReduceKind::kMean || Kind == ReduceKind::kProd || is_extreme(Kind);
    return c.output(0, same ? x : c.add("Reduce", {x}, a));
  }
  if (a.axes.empty())
    for (size_t i = 0; i < rank; ++i) a.axes.push_back(int64_t(i));
  for (int64_t& axis : a.axes) axis = int64_t(normalized_axis(axis, rank));
  c.output(0, c.add("Reduce", {x}, a));
}

}  // namespace

OpSet reduce() {
  return {{{.name = "Reduce", .attrs = ir::schema_of<ReduceAttrs>(), .infer = infer_reduce, .eval = eval_reduce}},
          {{"", "ReduceSum", 1, import_reduce<ReduceKind::kSum>},
           {"", "ReduceMean", 1, import_reduce<ReduceKind::kMean>},
           {"", "ReduceMax", 1, import_reduce<ReduceKind::kMax>},
           {"", "ReduceMin", 1, import_reduce<ReduceKind::kMin>},
           {"", "ReduceProd", 1, import_reduce<ReduceKind::kProd>},
           {"", "ReduceL1", 1, import_reduce<ReduceKind::kL1>},
           {"", "ReduceL2", 1, import_reduce<ReduceKind::kL2>},
           {"", "ReduceLogSum", 1, import_reduce<ReduceKind::kLogSum>},
           {"", "ReduceLogSumExp", 1, import_reduce<ReduceKind::kLogSumExp>},
           {"", "ReduceSumSquare", 1, import_reduce<ReduceKind::kSumSquare>}}};
}

}  // namespace tenon::ops
