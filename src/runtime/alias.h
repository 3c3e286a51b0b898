// Values that live inside others: parts of a concatenation or a split that need no copy.
#pragma once
#include <vector>

#include "runtime/program.h"

namespace tenon::runtime {

/// Where a value's rows lie inside its owner. A value that lives on its own is its own owner.
struct Alias {
  ir::ValueId owner = ir::kNone;
  int64_t offset = 0;  ///< elements from the owner's start
  int64_t pitch = 0;   ///< elements between rows of the last axis; 0: dense
};

struct Aliases {
  std::vector<Alias> values;        ///< by value
  std::vector<bool> resolved_node;  ///< by node: nothing is left to do for it
};

/// Finds concatenations whose inputs can be written in place, and splits whose outputs can be read in place: along the
/// last axis where every kernel concerned takes a pitch for that operand, and along any axis before which all dims are
/// 1. Graph inputs, outputs and constants stay where they are, owners excepted. On a device parts start at multiples of
/// 16 bytes.
Aliases find_aliases(const ConcreteGraph& concrete, const PrepareOptions& options);

}  // namespace tenon::runtime
