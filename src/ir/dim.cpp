#include "ir/dim.h"

#include <algorithm>
#include <cctype>

#include "base/checked.h"

namespace tenon::ir {
namespace {

int64_t floor_div_const(int64_t a, int64_t b) {
  require(b != 0, ErrorCode::kInvalidArgument, "dimension expression divides by zero");
  require(!(a == INT64_MIN && b == -1), ErrorCode::kInvalidArgument, "size overflow: ", a, " / ", b);
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

int64_t apply(DimOp op, int64_t a, int64_t b) {
  switch (op) {
    case DimOp::kAdd:
      return checked_add(a, b);
    case DimOp::kMul:
      return checked_mul(a, b);
    case DimOp::kFloorDiv:
      return floor_div_const(a, b);
    case DimOp::kMod:
      return checked_sub(a, checked_mul(floor_div_const(a, b), b));
    case DimOp::kMin:
      return std::min(a, b);
    case DimOp::kMax:
      return std::max(a, b);
    case DimOp::kSymbol:
      break;
  }
  fail(ErrorCode::kInternal, "a symbol is not an operation");
}

int64_t key(Dim d) { return d.constant(); }

/// A computed constant. The few lowest numbers stand for symbols.
Dim constant_dim(int64_t v) {
  require(Dim(v) == v, ErrorCode::kInvalidArgument, "size overflow: ", v, " is not a dimension");
  return v;
}

/// The expression behind a symbolic `d`. A number from outside that lies where symbols do is refused.
const SymbolTable::Expr& known(const std::vector<SymbolTable::Expr>& exprs, Dim d) {
  const size_t id = size_t(d.symbol_id());
  require(id < exprs.size(), ErrorCode::kInvalidArgument, "size overflow: ", d.constant(), " is not a dimension");
  return exprs[id];
}

/// Symbols, numbers and operations of `d` as its text has them, where parts that are shared repeat; at most `limit`.
size_t extent(const std::vector<SymbolTable::Expr>& exprs, Dim d, size_t limit) {
  if (d.is_const() || limit <= 1) return 1;
  const SymbolTable::Expr& e = known(exprs, d);
  if (e.op == DimOp::kSymbol) return 1;
  const size_t left = 1 + extent(exprs, e.a, limit - 1);
  return left >= limit ? left : left + extent(exprs, e.b, limit - left);
}

/// Larger expressions become symbols: nested ones that read a size twice double with every step.
constexpr size_t kMaxExtent = 1000;

}  // namespace

Dim SymbolTable::named(const std::string& name) {
  auto [it, added] = names_.try_emplace(name, int32_t(exprs_.size()));
  if (added) exprs_.push_back({DimOp::kSymbol, 0, 0, name});
  return Dim::symbol(it->second);
}

Dim SymbolTable::fresh(const std::string& hint) {
  std::string name;
  do name = cat(hint, "_", fresh_count_++);
  while (names_.count(name));
  return named(name);
}

Dim SymbolTable::intern(DimOp op, Dim a, Dim b) {
  auto [it, added] = interned_.try_emplace({op, key(a), key(b)}, int32_t(exprs_.size()));
  if (!added) return Dim::symbol(it->second);
  const size_t left = extent(exprs_, a, kMaxExtent);
  if (left + extent(exprs_, b, kMaxExtent) < kMaxExtent)
    exprs_.push_back({op, a, b, {}});
  else
    it->second = fresh("u").symbol_id();
  return Dim::symbol(it->second);
}

// A sum is kept as ((x + y) + constant) with symbols ordered by id; like terms k1*x + k2*x are merged.
Dim SymbolTable::add(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return constant_dim(checked_add(a.constant(), b.constant()));
  std::map<int32_t, int64_t> terms;  // symbol → coefficient
  int64_t constant = 0;
  auto collect = [&](auto&& self, Dim d, int64_t k) -> void {
    if (d.is_const()) {
      constant = checked_add(constant, checked_mul(k, d.constant()));
      return;
    }
    const Expr e = known(exprs_, d);
    if (e.op == DimOp::kAdd) {
      self(self, e.a, k);
      self(self, e.b, k);
    } else if (e.op == DimOp::kMul && e.b.is_const()) {
      self(self, e.a, checked_mul(k, e.b.constant()));
    } else {
      int64_t& c = terms[d.symbol_id()];
      c = checked_add(c, k);
    }
  };
  collect(collect, a, 1);
  collect(collect, b, 1);
  Dim sum = 0;
  bool first = true;
  for (auto [id, k] : terms) {
    if (k == 0) continue;
    Dim term = k == 1 ? Dim::symbol(id) : intern(DimOp::kMul, Dim::symbol(id), constant_dim(k));
    sum = first ? term : intern(DimOp::kAdd, sum, term);
    first = false;
  }
  if (first) return constant_dim(constant);
  return constant == 0 ? sum : intern(DimOp::kAdd, sum, constant_dim(constant));
}

Dim SymbolTable::mul(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return constant_dim(checked_mul(a.constant(), b.constant()));
  if (a.is_const()) std::swap(a, b);
  if (b.is_const()) {
    if (b.constant() == 0) return 0;
    if (b.constant() == 1) return a;
    const Expr e = known(exprs_, a);
    if (e.op == DimOp::kAdd) return add(mul(e.a, b), mul(e.b, b));
    if (e.op == DimOp::kMul && e.b.is_const()) return mul(e.a, constant_dim(checked_mul(e.b.constant(), b.constant())));
    return intern(DimOp::kMul, a, b);
  }
  const Expr ea = known(exprs_, a), eb = known(exprs_, b);
  if (ea.op == DimOp::kMul && ea.b.is_const()) return mul(mul(ea.a, b), ea.b);
  if (eb.op == DimOp::kMul && eb.b.is_const()) return mul(mul(a, eb.a), eb.b);
  std::vector<Dim> factors;
  auto collect = [&](auto&& self, Dim d) -> void {
    const Expr e = known(exprs_, d);
    if (e.op == DimOp::kMul) {
      self(self, e.a);
      self(self, e.b);
    } else {
      factors.push_back(d);
    }
  };
  collect(collect, a);
  collect(collect, b);
  std::sort(factors.begin(), factors.end(), [](Dim x, Dim y) { return x.symbol_id() < y.symbol_id(); });
  Dim product = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) product = intern(DimOp::kMul, product, factors[i]);
  return product;
}

Dim SymbolTable::floor_div(Dim a, Dim b) {
  if (b.is_const()) {
    require(b.constant() != 0, ErrorCode::kInvalidArgument, "dimension expression divides by zero");
    if (a.is_const()) return constant_dim(floor_div_const(a.constant(), b.constant()));
    if (b.constant() == 1) return a;
    const Expr e = known(exprs_, a);
    if (e.op == DimOp::kMul && e.b.is_const() && e.b.constant() % b.constant() == 0)
      return mul(e.a, e.b.constant() / b.constant());
    if (e.op == DimOp::kAdd) {  // (k*d*x + rest) / d = k*x + rest / d
      auto divisible = [&](Dim d) {
        if (d.is_const()) return d.constant() % b.constant() == 0;
        const Expr& m = known(exprs_, d);
        return m.op == DimOp::kMul && m.b.is_const() && m.b.constant() % b.constant() == 0;
      };
      if (divisible(e.b)) return add(floor_div(e.a, b), floor_div(e.b, b));
      if (divisible(e.a)) return add(floor_div(e.a, b), floor_div(e.b, b));
    }
  }
  if (a == b) return 1;
  if (!a.is_const() && !b.is_const()) {  // cancel a common symbol: (x*y) / y
    const Expr e = known(exprs_, a);
    if (e.op == DimOp::kMul && e.b == b) return e.a;
    if (e.op == DimOp::kMul && e.a == b) return e.b;
    if (e.op == DimOp::kMul && e.b.is_const() && !e.a.is_const()) {
      const Expr inner = known(exprs_, e.a);
      if (inner.op == DimOp::kMul && inner.b == b) return mul(inner.a, e.b);
      if (inner.op == DimOp::kMul && inner.a == b) return mul(inner.b, e.b);
    }
  }
  return intern(DimOp::kFloorDiv, a, b);
}

Dim SymbolTable::mod(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return apply(DimOp::kMod, a.constant(), b.constant());
  if (b == 1 || a == b) return 0;
  return intern(DimOp::kMod, a, b);
}

Dim SymbolTable::min(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return std::min(a.constant(), b.constant());
  if (a == b) return a;
  return intern(DimOp::kMin, a, b);
}

Dim SymbolTable::max(Dim a, Dim b) {
  if (a.is_const() && b.is_const()) return std::max(a.constant(), b.constant());
  if (a == b) return a;
  return intern(DimOp::kMax, a, b);
}

std::optional<int64_t> SymbolTable::evaluate(Dim d, const std::unordered_map<int32_t, int64_t>& bindings) const {
  if (d.is_const()) return d.constant();
  const Expr& e = exprs_.at(size_t(d.symbol_id()));
  if (auto it = bindings.find(d.symbol_id()); it != bindings.end()) return it->second;
  if (e.op == DimOp::kSymbol) return std::nullopt;
  auto a = evaluate(e.a, bindings), b = evaluate(e.b, bindings);
  if (!a || !b) return std::nullopt;
  return apply(e.op, *a, *b);
}

std::string SymbolTable::text(Dim d) const {
  if (d.is_const()) return cat(d.constant());
  const Expr& e = exprs_.at(size_t(d.symbol_id()));
  switch (e.op) {
    case DimOp::kSymbol:
      return e.name;
    case DimOp::kAdd:
      return cat("(", text(e.a), " + ", text(e.b), ")");
    case DimOp::kMul:
      return cat("(", text(e.a), " * ", text(e.b), ")");
    case DimOp::kFloorDiv:
      return cat("(", text(e.a), " // ", text(e.b), ")");
    case DimOp::kMod:
      return cat("(", text(e.a), " % ", text(e.b), ")");
    case DimOp::kMin:
      return cat("min(", text(e.a), ", ", text(e.b), ")");
    case DimOp::kMax:
      return cat("max(", text(e.a), ", ", text(e.b), ")");
  }
  return "?";
}

namespace {

// Recursive descent over the printed form. Depth is bounded: the input may come from a file.
struct Parser {
  SymbolTable& table;
  std::string_view s;
  size_t at = 0;
  int depth = 0;

  [[noreturn]] void bad() const { fail(ErrorCode::kInvalidModel, "malformed dimension '", s, "' at character ", at); }
  void skip() {
    while (at < s.size() && s[at] == ' ') ++at;
  }
  bool eat(std::string_view token) {
    skip();
    if (s.substr(at, token.size()) != token) return false;
    at += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!eat(token)) bad();
  }
  Dim term() {
    if (++depth > int(kMaxExtent)) bad();
    skip();
    Dim result;
    if (eat("(")) {
      Dim a = term();
      if (eat("+"))
        result = table.add(a, term());
      else if (eat("*"))
        result = table.mul(a, term());
      else if (eat("//"))
        result = table.floor_div(a, term());
      else if (eat("%"))
        result = table.mod(a, term());
      else
        bad();
      expect(")");
    } else if (at < s.size() && (std::isdigit(static_cast<unsigned char>(s[at])) || s[at] == '-')) {
      int64_t v = 0;
      auto [end, error] = std::from_chars(s.data() + at, s.data() + s.size(), v);
      if (error != std::errc()) bad();
      at = size_t(end - s.data());
      result = v;
    } else {
      size_t begin = at;
      while (at < s.size() && std::string_view(" ()+*%,").find(s[at]) == std::string_view::npos &&
             s.substr(at, 2) != "//")
        ++at;
      std::string name(s.substr(begin, at - begin));
      if (name.empty()) bad();
      if ((name == "min" || name == "max") && eat("(")) {
        Dim a = term();
        expect(",");
        Dim b = term();
        expect(")");
        result = name == "min" ? table.min(a, b) : table.max(a, b);
      } else {
        result = table.named(name);
      }
    }
    --depth;
    return result;
  }
};

}  // namespace

Dim SymbolTable::parse(std::string_view text) {
  Parser parser{*this, text};
  Dim d = parser.term();
  parser.skip();
  if (parser.at != text.size()) parser.bad();
  return d;
}

bool is_static(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](Dim d) { return d.is_const(); });
}

std::vector<int64_t> static_dims(const Shape& shape) {
  std::vector<int64_t> dims;
  dims.reserve(shape.size());
  for (Dim d : shape) {
    require(d.is_const(), ErrorCode::kInternal, "a dimension is still symbolic where a number is needed");
    dims.push_back(d.constant());
  }
  return dims;
}

Shape to_shape(std::span<const int64_t> dims) { return {dims.begin(), dims.end()}; }

}  // namespace tenon::ir
