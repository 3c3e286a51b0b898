#include "ops/shape/bounds.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "ops/dim_range.h"

namespace tenon::ops {

size_t rank_from(const InferContext& c, Dim length) {
  c.expect(length.is_const(), "the length of a list of sizes is not known");
  c.expect(length.constant() >= 0 && length.constant() <= int64_t(kMaxRank), "a list of ", length.constant(),
           " sizes is given, accepted are up to ", kMaxRank);
  return size_t(length.constant());
}

using ir::DimOp;

bool provably_nonnegative(ir::SymbolTable& table, Dim d) {
  const DimRange range = range_of(table, d);
  return range.low && *range.low >= 0;
}

bool provably_at_most(ir::SymbolTable& table, Dim a, Dim b) {
  if (a == b) return true;
  if (a.is_const() && b.is_const()) return a.constant() <= b.constant();
  auto at_most = [&](Dim x, Dim y) { return provably_at_most(table, x, y); };
  if (!b.is_const()) {
    const auto e = table.expr(b.symbol_id());
    if (e.op == DimOp::kMax && (at_most(a, e.a) || at_most(a, e.b))) return true;
    if (e.op == DimOp::kMin) return at_most(a, e.a) && at_most(a, e.b);
  }
  if (!a.is_const()) {
    const auto e = table.expr(a.symbol_id());
    if (e.op == DimOp::kMin && (at_most(e.a, b) || at_most(e.b, b))) return true;
    if (e.op == DimOp::kMax) return at_most(e.a, b) && at_most(e.b, b);
    // n // k <= b exactly where n <= k * b + k - 1.
    if (e.op == DimOp::kFloorDiv && e.b.is_const() && e.b.constant() > 0 &&
        at_most(e.a, table.add(table.mul(b, e.b), e.b.constant() - 1)))
      return true;
    // m * (n // k) <= b where m * n <= k * b.
    if (e.op == DimOp::kMul && e.b.is_const() && e.b.constant() > 0 && !e.a.is_const()) {
      const auto q = table.expr(e.a.symbol_id());
      if (q.op == DimOp::kFloorDiv && q.b.is_const() && q.b.constant() > 0 &&
          at_most(table.mul(q.a, e.b), table.mul(b, q.b)))
        return true;
    }
  }
  return provably_nonnegative(table, table.sub(b, a));
}

Dim tight_min(ir::SymbolTable& table, Dim a, Dim b) {
  if (provably_at_most(table, a, b)) return a;
  return provably_at_most(table, b, a) ? b : table.min(a, b);
}

Dim tight_max(ir::SymbolTable& table, Dim a, Dim b) {
  if (provably_at_most(table, a, b)) return b;
  return provably_at_most(table, b, a) ? a : table.max(a, b);
}

Dim product(ir::SymbolTable& table, const Shape& dims) {
  Dim p = 1;
  for (Dim d : dims) p = table.mul(p, d);
  return p;
}

namespace {
void factors_of(const ir::SymbolTable& table, Dim d, Shape& out) {
  if (!d.is_const()) {
    const auto& e = table.expr(d.symbol_id());
    if (e.op == DimOp::kMul) {
      factors_of(table, e.a, out);
      factors_of(table, e.b, out);
      return;
    }
  }
  out.push_back(d);
}
}  // namespace

std::optional<Dim> divide_products(ir::SymbolTable& table, const Shape& num, const Shape& den) {
  Shape above, below;
  for (Dim d : num) factors_of(table, d, above);
  for (Dim d : den) {
    Shape parts;
    factors_of(table, d, parts);
    for (Dim part : parts) {
      auto it = std::find(above.begin(), above.end(), part);
      if (it != above.end())
        above.erase(it);
      else
        below.push_back(part);
    }
  }
  int64_t top = 1, bottom = 1;
  Shape top_symbols, bottom_symbols;
  for (Dim d : above) d.is_const() ? void(top = checked_mul(top, d.constant())) : top_symbols.push_back(d);
  for (Dim d : below) d.is_const() ? void(bottom = checked_mul(bottom, d.constant())) : bottom_symbols.push_back(d);
  if (bottom == 0) return std::nullopt;
  if (top_symbols.empty() && bottom_symbols.empty()) {
    if (top % bottom != 0) return std::nullopt;
    return Dim(top / bottom);
  }
  const int64_t common = std::gcd(top, bottom);
  if (common > 1) top /= common, bottom /= common;
  const Dim n = table.mul(product(table, top_symbols), top), d = table.mul(product(table, bottom_symbols), bottom);
  return table.floor_div(n, d);
}

}  // namespace tenon::ops
