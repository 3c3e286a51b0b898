#include "plan/memory.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"

namespace tenon::plan {
namespace {

constexpr int kRounds = 32;

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

  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].first < items[b].first; });
  MemoryPlan best = place(items, sizes, order);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  // The buffer that reaches highest found its place last, or its neighbours stand badly: it goes first next time.
  for (int round = 0; round < kRounds && best.arena_bytes > peak; ++round) {
    MemoryPlan next = place(items, sizes, order);
    const auto highest = std::max_element(order.begin(), order.end(), [&](size_t a, size_t b) {
      return next.offsets[a] + sizes[a] < next.offsets[b] + sizes[b];
    });
    std::rotate(order.begin(), highest, highest + 1);
    if (next.arena_bytes < best.arena_bytes) best = std::move(next);
  }
  best.peak_live_bytes = peak;
  return best;
}

}  // namespace tenon::plan
