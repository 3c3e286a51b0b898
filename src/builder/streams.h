// Whether branches of a network run beside each other on a GPU.
#pragma once
#include "builder/builder.h"
#include "runtime/concretize.h"

namespace tenon {
class ThreadPool;
}

namespace tenon::builder {

/// Decides how many auxiliary streams a profile's runs use and writes it into the plan, whose kernels are chosen. Where
/// the chosen kernels' times promise something, whole runs are timed with and without; the fastest wins, fewer streams
/// where the difference is within the noise. Times are kept in options.timing_cache. On a GPU that is only described
/// the cache decides.
void choose_streams(plan::Plan& plan, int profile, const runtime::ConcreteGraph& concrete, const Backend& backend,
                    ThreadPool& pool, const BuildOptions& options, BuildReport& report);

}  // namespace tenon::builder
