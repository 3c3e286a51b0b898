// A dimension: a constant, or an expression over named symbols ("batch", "floor_div(height + 1, 2)").
//
// Expressions are interned in a SymbolTable, so equal expressions have equal ids and Dim compares by value.
// A graph owns one table; every Dim of the graph refers to it.
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/error.h"

namespace tenon::ir {

/// Constant (>= 0), or an id into a SymbolTable. A value of an integer tensor may be negative: see `DimValue`.
class Dim {
 public:
  constexpr Dim() = default;
  /// The few numbers that stand for symbols (INT64_MIN + 1 and the next 2^31) become INT64_MIN, no size either.
  constexpr Dim(int64_t constant)  // NOLINT: numbers are dimensions
      : value_(constant >= kSymbolBase && constant <= kSymbolBase + INT32_MAX ? INT64_MIN : constant) {}
  static constexpr Dim symbol(int32_t id) {
    Dim d;
    d.value_ = kSymbolBase + id;
    return d;
  }
  constexpr bool is_const() const { return value_ > kSymbolBase + INT32_MAX || value_ < kSymbolBase; }
  constexpr int64_t constant() const { return value_; }                          ///< only if is_const()
  constexpr int32_t symbol_id() const { return int32_t(value_ - kSymbolBase); }  ///< only if !is_const()
  friend constexpr bool operator==(Dim, Dim) = default;
  friend constexpr bool operator==(Dim a, int64_t b) { return a.is_const() && a.value_ == b; }

 private:
  // Symbols live in a range no size can reach; negative constants (element values of shape tensors) stay usable.
  static constexpr int64_t kSymbolBase = INT64_MIN + 1;
  int64_t value_ = 0;
};

enum class DimOp : uint8_t { kSymbol, kAdd, kMul, kFloorDiv, kMod, kMin, kMax };

/// Interned expressions and the arithmetic that builds them. Simplifies constants, sums and products.
class SymbolTable {
 public:
  struct Expr {
    DimOp op;
    Dim a, b;
    std::string name;  // of a kSymbol
  };
  /// The symbol called `name`, made on first use.
  Dim named(const std::string& name);
  /// A symbol that equals nothing else, e.g. a data-dependent size. `hint` starts its name.
  Dim fresh(const std::string& hint);

  Dim add(Dim a, Dim b);
  Dim sub(Dim a, Dim b) { return add(a, mul(b, -1)); }
  Dim mul(Dim a, Dim b);
  Dim floor_div(Dim a, Dim b);  ///< rounds towards minus infinity; division by a constant zero throws
  Dim ceil_div(Dim a, Dim b) { return mul(floor_div(mul(a, -1), b), -1); }
  Dim mod(Dim a, Dim b);
  Dim min(Dim a, Dim b);
  Dim max(Dim a, Dim b);

  /// Value under `bindings` (symbol id → value); nullopt while a needed symbol is unbound. Throws on overflow.
  std::optional<int64_t> evaluate(Dim d, const std::unordered_map<int32_t, int64_t>& bindings) const;
  std::string text(Dim d) const;
  const Expr& expr(int32_t id) const { return exprs_.at(size_t(id)); }
  size_t size() const { return exprs_.size(); }
  /// Parses the form that text() prints; used by the IR text reader and plans. Throws Error.
  Dim parse(std::string_view text);

 private:
  Dim intern(DimOp op, Dim a, Dim b);
  std::vector<Expr> exprs_;
  std::map<std::string, int32_t> names_;
  std::map<std::tuple<DimOp, int64_t, int64_t>, int32_t> interned_;
  int fresh_count_ = 0;
};

using Shape = std::vector<Dim>;

bool is_static(const Shape& shape);
/// The constant dimensions of a static shape. Throws if a dimension is symbolic.
std::vector<int64_t> static_dims(const Shape& shape);
Shape to_shape(std::span<const int64_t> dims);

}  // namespace tenon::ir
