#include "ops/math/dim_arithmetic.h"

#include "ops/dim_range.h"

namespace tenon::ops {
namespace {

using Result = std::optional<Dim>;
using ir::SymbolTable;

bool at_least(SymbolTable& t, Dim d, int64_t low) {
  const DimRange r = range_of(t, d);
  return r.low && *r.low >= low;
}

/// 1 if the sign of a - b is in `when`, 0 if it is not, nullopt if it is not known.
Result decide(SymbolTable& t, Dim a, Dim b, bool negative, bool zero, bool positive) {
  if (negative != zero || zero != positive) {
    if (const auto sign = compare_dims(t, a, b)) return Dim(*sign < 0 ? negative : *sign > 0 ? positive : zero);
    const DimRange r = range_of(t, t.sub(a, b));
    if (r.low && *r.low == 0 && zero == positive) return Dim(positive);
    if (r.high && *r.high == 0 && zero == negative) return Dim(negative);
  }
  return std::nullopt;
}

}  // namespace

Result dim_add(SymbolTable& t, Dim a, Dim b) { return t.add(a, b); }
Result dim_sub(SymbolTable& t, Dim a, Dim b) { return t.sub(a, b); }
Result dim_mul(SymbolTable& t, Dim a, Dim b) { return t.mul(a, b); }

// trunc(a / b) = max(floor(a / b), 0) + min(ceil(a / b), 0) for b > 0.
Result dim_div(SymbolTable& t, Dim a, Dim b) {
  if (b == 0) return Dim(0);
  if (!at_least(t, b, b.is_const() ? 1 : 0)) return std::nullopt;
  if (at_least(t, a, 0)) return t.floor_div(a, b);
  return t.add(t.max(t.floor_div(a, b), 0), t.min(t.ceil_div(a, b), 0));
}
Result dim_mod(SymbolTable& t, Dim a, Dim b) {
  if (b == 0) return Dim(0);
  return t.mod(a, b);
}
Result dim_min(SymbolTable& t, Dim a, Dim b) {
  const DimRange difference = range_of(t, t.sub(a, b));
  if (difference.high && *difference.high <= 0) return a;
  return difference.low && *difference.low >= 0 ? b : t.min(a, b);
}
Result dim_max(SymbolTable& t, Dim a, Dim b) {
  const DimRange difference = range_of(t, t.sub(a, b));
  if (difference.high && *difference.high <= 0) return b;
  return difference.low && *difference.low >= 0 ? a : t.max(a, b);
}
Result dim_equal(SymbolTable& t, Dim a, Dim b) { return decide(t, a, b, false, true, false); }
Result dim_less(SymbolTable& t, Dim a, Dim b) { return decide(t, a, b, true, false, false); }
Result dim_less_equal(SymbolTable& t, Dim a, Dim b) { return decide(t, a, b, true, true, false); }
Result dim_greater(SymbolTable& t, Dim a, Dim b) { return decide(t, a, b, false, false, true); }
Result dim_greater_equal(SymbolTable& t, Dim a, Dim b) { return decide(t, a, b, false, true, true); }

bool keeps_value(DType type, Dim value) {
  if (!value.is_const()) return ir::bits(type) >= 32;
  const int64_t v = value.constant(), magnitude = v < 0 ? -(v + 1) : v;
  if (!(Dim(v) == v)) return false;
  if (ir::is_float(type))
    return magnitude < (type == DType::kF64 ? int64_t(1) << 53 : type == DType::kF32 ? 1 << 24 : 1 << 8);
  const int width = ir::bits(type);
  if (type == DType::kBool) return v == 0 || v == 1;
  const bool is_signed = type == DType::kI8 || type == DType::kI16 || type == DType::kI32 || type == DType::kI64 ||
                         type == DType::kI4 || type == DType::kI2;
  if (!is_signed && v < 0) return false;
  return width >= 64 || (magnitude >> (is_signed ? width - 1 : width)) == 0;
}

void propagate_contents(InferContext& c, int64_t (*exact)(int64_t, int64_t, bool), DimFn symbolic) {
  const ir::Value& y = c.graph().value(c.node().outputs.at(0));
  const auto a = c.contents(0), b = c.contents(1);
  if (!a || !b || y.shape.size() > 1) return;
  const size_t n = a->size() == 1 ? b->size() : a->size();
  if (b->size() != n && b->size() != 1) return;
  const DType type = c.dtype(0), result = y.dtype;
  // On floating-point numbers only a division can leave the whole numbers.
  const bool real = ir::is_float(type), divides = real && symbolic == dim_div;
  if (type == DType::kU64 || (real && symbolic == nullptr)) return;
  std::vector<Dim> out;
  try {
    for (size_t i = 0; i < n; ++i) {
      const Dim p = (*a)[a->size() == 1 ? 0 : i], q = (*b)[b->size() == 1 ? 0 : i];
      Result r;
      if (divides && q == 0) return;
      if (p.is_const() && q.is_const()) {
        const int64_t v = exact(p.constant(), q.constant(), false);
        if (v != INT64_MIN && !keeps_value(result, v)) return;
        r = Dim(v);
      } else if (symbolic) {
        r = symbolic(c.dims(), p, q);
      }
      if (!r || !keeps_value(result, *r)) return;
      if (divides && c.dims().mul(*r, q) != p) return;
      out.push_back(*r);
    }
  } catch (const Error&) {  // a value beyond 64 bits: nothing is known about the result
    return;
  }
  c.output_contents(0, std::move(out));
}

}  // namespace tenon::ops
