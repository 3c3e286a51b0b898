#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace tenon::ops {

/// Writes output 0 as epilogue(sums), element by element. `first_extra` is the input that the program calls i1; later
/// inputs follow. Extra operands broadcast against `dims`. An empty program stores `sums` as they are.
void store_with_epilogue(EvalContext& c, const std::string& program, size_t first_extra,
                         const std::vector<double>& sums, const Dims& dims);

}  // namespace tenon::ops
