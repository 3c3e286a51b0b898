// Placing buffers with known lifetimes in one arena.
#pragma once
#include <cstdint>
#include <vector>

namespace tenon::plan {

/// A buffer needed from step `first` to step `last`, both included.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<int64_t> offsets;  ///< one a lifetime, multiples of the alignment
  int64_t arena_bytes = 0;
  int64_t peak_live_bytes = 0;  ///< the most that is alive at once: no placement needs less
};

/// Buffers whose lifetimes overlap get disjoint places. Sizes are rounded up to `alignment` bytes. Best fit,
/// greedy by size, and again in orders that put first what reached highest, until nothing is lost.
MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes, int64_t alignment);

}  // namespace tenon::plan
