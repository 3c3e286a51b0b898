// What is known of symbolic dimensions without their values. Every plain symbol counts as non-negative.
#pragma once
#include "ops/op.h"

namespace tenon::ops {

inline constexpr size_t kMaxRank = 64;  ///< of any value

/// The rank that a list of sizes of `length` entries asks for. Throws where it is not known, or more than kMaxRank.
size_t rank_from(const InferContext& c, Dim length);

/// False if the dimensions are two different numbers.
inline bool may_equal(Dim a, Dim b) { return a == b || !a.is_const() || !b.is_const(); }
/// True if `d` cannot be negative.
bool provably_nonnegative(ir::SymbolTable& table, Dim d);
/// True if `a` <= `b` for every value of the symbols; false if that is not known.
bool provably_at_most(ir::SymbolTable& table, Dim a, Dim b);
/// min and max that drop the side which provably loses.
Dim tight_min(ir::SymbolTable& table, Dim a, Dim b);
Dim tight_max(ir::SymbolTable& table, Dim a, Dim b);
/// The product of `num` divided by the product of `den`, common factors cancelled first, so that [0, 5] by [0] is 5.
/// The quotient of constants must be whole, else nullopt; a remaining zero divisor gives nullopt as well.
std::optional<Dim> divide_products(ir::SymbolTable& table, const Shape& num, const Shape& den);
Dim product(ir::SymbolTable& table, const Shape& dims);

}  // namespace tenon::ops
