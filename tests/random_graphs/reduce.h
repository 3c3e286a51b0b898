// The least network that still fails.
#pragma once
#include <functional>

#include "case.h"

namespace tenon::random_graphs {

/// Takes away outputs, nodes, sets of sizes and inputs of `c` as long as `fails` says yes, at most `trials` times.
Case reduce(Case c, const std::function<bool(const Case&)>& fails, int trials);

}  // namespace tenon::random_graphs
