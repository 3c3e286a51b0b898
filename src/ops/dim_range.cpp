#include "ops/dim_range.h"

#include <algorithm>

namespace tenon::ops {
namespace {

using Bound = std::optional<int64_t>;

Bound add(Bound a, Bound b) {
  int64_t r;
  if (!a || !b || __builtin_add_overflow(*a, *b, &r)) return std::nullopt;
  return r;
}
Bound mul(Bound a, int64_t b) {
  int64_t r;
  if (!a || __builtin_mul_overflow(*a, b, &r)) return std::nullopt;
  return r;
}
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && a < 0 ? 1 : 0); }

DimRange product(DimRange a, DimRange b) {
  if (b.low && b.high && *b.low == *b.high) {
    DimRange r{mul(a.low, *b.low), mul(a.high, *b.low)};
    if (*b.low < 0) std::swap(r.low, r.high);
    return r;
  }
  if (!a.low || !b.low || *a.low < 0 || *b.low < 0) return {};
  return {mul(a.low, *b.low), a.high && b.high ? mul(a.high, *b.high) : std::nullopt};
}

DimRange range_at(const ir::SymbolTable& table, ir::Dim d, int depth) {
  if (d.is_const()) return {d.constant(), d.constant()};
  if (depth > 64) return {};
  const auto& e = table.expr(d.symbol_id());
  if (e.op == ir::DimOp::kSymbol) return {0, std::nullopt};
  const DimRange a = range_at(table, e.a, depth + 1), b = range_at(table, e.b, depth + 1);
  const bool positive = b.low && *b.low > 0;
  switch (e.op) {
    case ir::DimOp::kAdd:
      return {add(a.low, b.low), add(a.high, b.high)};
    case ir::DimOp::kMul:
      return product(a, b);
    case ir::DimOp::kFloorDiv:
      if (!positive) return a.low && *a.low >= 0 && b.low && *b.low >= 0 ? DimRange{0, a.high} : DimRange{};
      if (!b.high || *b.high != *b.low) return a.low && *a.low >= 0 ? DimRange{0, a.high} : DimRange{};
      return {a.low ? Bound(floor_div(*a.low, *b.low)) : std::nullopt,
              a.high ? Bound(floor_div(*a.high, *b.low)) : std::nullopt};
    case ir::DimOp::kMod:
      return b.low && *b.low >= 0 ? DimRange{0, add(b.high, -1)} : DimRange{};
    case ir::DimOp::kMin:
      return {a.low && b.low ? Bound(std::min(*a.low, *b.low)) : std::nullopt, a.high && b.high
                                                                                   ? std::min(*a.high, *b.high)
                                                                               : a.high ? a.high
                                                                                        : b.high};
    case ir::DimOp::kMax:
      return {a.low && b.low ? std::max(*a.low, *b.low)
              : a.low        ? a.low
                             : b.low,
              a.high && b.high ? Bound(std::max(*a.high, *b.high)) : std::nullopt};
    case ir::DimOp::kSymbol:
      break;
  }
  return {};
}

}  // namespace

DimRange range_of(const ir::SymbolTable& table, ir::Dim d) { return range_at(table, d, 0); }

std::optional<int> compare_dims(ir::SymbolTable& table, ir::Dim a, ir::Dim b) {
  if (a == b) return 0;
  if (a.is_const() && b.is_const()) return a.constant() < b.constant() ? -1 : 1;
  try {
    const DimRange r = range_of(table, table.sub(a, b));
    if (r.low && *r.low > 0) return 1;
    if (r.high && *r.high < 0) return -1;
    if (r.low && r.high && *r.low == 0 && *r.high == 0) return 0;
  } catch (const Error&) {  // the difference does not fit: nothing is known
  }
  return std::nullopt;
}

}  // namespace tenon::ops
