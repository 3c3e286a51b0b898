#include "plan/memory.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"

namespace tenon::plan {
namespace {

struct Placed {
  int64_t offset, end;
  size_t id;
};

// Tries one order of placement; each buffer goes into the smallest gap between overlapping ones that holds it.
MemoryPlan place(const std::vector<Lifetime>& items, const std::vector<int64_t>& sizes,
                 const std::vector<size_t>& order) {
  MemoryPlan plan;
  plan.offsets.assign(items.size(), 0);
  std::vector<Placed> placed;  // by offset
  for (size_t id : order) {
    if (sizes[id] == 0) continue;
    int64_t best = -1, best_gap = INT64_MAX, end = 0;
    for (const Placed& p : placed) {
      const Lifetime& other = items[p.id];
      if (other.last < items[id].first || other.first > items[id].last) continue;
      const int64_t gap = p.offset - end;
      if (gap >= sizes[id] && gap < best_gap) best = end, best_gap = gap;
      end = std::max(end, p.end);
    }
    if (best < 0) best = end;
    plan.offsets[id] = best;
    Placed mine{best, checked_add(best, sizes[id]), id};
    plan.arena_bytes = std::max(plan.arena_bytes, mine.end);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), mine,
                                   [](const Placed& a, const Placed& b) { return a.offset < b.offset; }),
                  mine);
  }
  return plan;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& items, int64_t alignment) {
  std::vector<int64_t> sizes(items.size());
  int last_step = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    sizes[i] = checked_add(items[i].bytes, alignment - 1) / alignment * alignment;
    last_step = std::max(last_step, items[i].last);
  }
  std::vector<int64_t> change(size_t(last_step) + 2, 0);
  for (size_t i = 0; i < items.size(); ++i) {
    change[size_t(items[i].first)] += sizes[i];
    change[size_t(items[i].last) + 1] -= sizes[i];
  }
  int64_t live = 0, peak = 0;
  for (int64_t c : change) peak = std::max(peak, live = live + c);

  std::vector<size_t> by_size(items.size()), by_start(items.size());
  std::iota(by_size.begin(), by_size.end(), size_t(0));
  by_start = by_size;
  std::stable_sort(by_size.begin(), by_size.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  MemoryPlan best = place(items, sizes, by_size);
  if (best.arena_bytes > peak) {
    std::stable_sort(by_start.begin(), by_start.end(),
                     [&](size_t a, size_t b) { return items[a].first < items[b].first; });
    MemoryPlan other = place(items, sizes, by_start);
    if (other.arena_bytes < best.arena_bytes) best = std::move(other);
  }
  best.peak_live_bytes = peak;
  return best;
}

}  // namespace tenon::plan
