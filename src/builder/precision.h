// Running the passes at the precisions that are allowed, keeping a narrow type only where it is faster.
#pragma once
#include "builder/builder.h"

namespace tenon {
class ThreadPool;
}

namespace tenon::builder {

/// Optimises `graph` in place. Where bf16 or f16 is allowed and level > 0, each compute-heavy node is timed at `dims`
/// in both types, and those that gain nothing keep f32. Where f16 is allowed, so do layers whose range it does not
/// hold. Fills in the report's passes and wide layers.
void optimize(ir::Graph& graph, const BuildOptions& options, const std::vector<ir::Dims>& dims, const Backend& backend,
              ThreadPool& pool, BuildReport& report);

}  // namespace tenon::builder
