// Arithmetic of element values that shape inference knows: constants and expressions over dimensions.
#pragma once
#include "ops/op.h"

namespace tenon::ops {

/// f(a, b) on expressions; nullopt if it has no exact form.
using DimFn = std::optional<Dim> (*)(ir::SymbolTable&, Dim a, Dim b);

std::optional<Dim> dim_add(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_sub(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_mul(ir::SymbolTable& t, Dim a, Dim b);
/// Integer division, rounded towards zero.
std::optional<Dim> dim_div(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_mod(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_min(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_max(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_equal(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_less(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_less_equal(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_greater(ir::SymbolTable& t, Dim a, Dim b);
std::optional<Dim> dim_greater_equal(ir::SymbolTable& t, Dim a, Dim b);

/// Gives output 0 of a binary node its contents where both inputs' are known. `exact` serves two constants, `symbolic`
/// (may be null) the rest. Floating-point tensors take part while every element is a whole number.
void propagate_contents(InferContext& c, int64_t (*exact)(int64_t, int64_t, bool), DimFn symbolic);

/// Whether every value of `type` near `value` is exact and `value` itself fits, so that contents may keep it.
bool keeps_value(DType type, Dim value);

}  // namespace tenon::ops
