// Minimum cut between a source and a sink (Dinic, "Algorithm for solution of a problem of maximum flow", 1970).
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace tenon::passes {

class MinCut {
 public:
  static constexpr int64_t kInfinite = std::numeric_limits<int64_t>::max() / 4;
  static constexpr int kSource = 0, kSink = 1;

  MinCut() : edges_of_(2) {}
  int add_vertex() {
    edges_of_.emplace_back();
    return int(edges_of_.size()) - 1;
  }
  /// Cutting `from` (source side) from `to` (sink side) costs `capacity`; the other way round `reverse`.
  void add_edge(int from, int to, int64_t capacity, int64_t reverse = 0) {
    edges_of_[size_t(from)].push_back(int(edges_.size()));
    edges_.push_back({to, capacity});
    edges_of_[size_t(to)].push_back(int(edges_.size()));
    edges_.push_back({from, reverse});
  }
  /// For each vertex whether it is on the source side, among all minimum cuts the one with the largest source side.
  std::vector<bool> solve() {
    while (level()) {
      next_.assign(edges_of_.size(), 0);
      while (push(kSource, kInfinite) > 0) {
      }
    }
    return source_side();
  }

 private:
  struct Edge {
    int to;
    int64_t rest;
  };

  bool level() {
    level_.assign(edges_of_.size(), -1);
    level_[kSource] = 0;
    std::vector<int> queue{kSource};
    for (size_t i = 0; i < queue.size(); ++i)
      for (int e : edges_of_[size_t(queue[i])]) {
        const Edge& edge = edges_[size_t(e)];
        if (edge.rest <= 0 || level_[size_t(edge.to)] >= 0) continue;
        level_[size_t(edge.to)] = level_[size_t(queue[i])] + 1;
        queue.push_back(edge.to);
      }
    return level_[kSink] >= 0;
  }

  // One augmenting path along rising levels; an explicit stack, since paths may be as long as the graph.
  int64_t push(int from, int64_t limit) {
    std::vector<int> path;
    int at = from;
    while (at != kSink) {
      size_t& i = next_[size_t(at)];
      const auto& list = edges_of_[size_t(at)];
      while (i < list.size() && !(edges_[size_t(list[i])].rest > 0 &&
                                  level_[size_t(edges_[size_t(list[i])].to)] == level_[size_t(at)] + 1))
        ++i;
      if (i < list.size()) {
        path.push_back(list[i]);
        at = edges_[size_t(list[i])].to;
        continue;
      }
      if (path.empty()) return 0;
      at = edges_[size_t(path.back() ^ 1)].to;
      path.pop_back();
      ++next_[size_t(at)];
    }
    for (int e : path) limit = std::min(limit, edges_[size_t(e)].rest);
    for (int e : path) {
      edges_[size_t(e)].rest -= limit;
      edges_[size_t(e ^ 1)].rest += limit;
    }
    return limit;
  }

  // The sink side is what still reaches the sink.
  std::vector<bool> source_side() const {
    std::vector<bool> reaches(edges_of_.size(), false);
    reaches[kSink] = true;
    std::vector<int> queue{kSink};
    for (size_t i = 0; i < queue.size(); ++i)
      for (int e : edges_of_[size_t(queue[i])]) {
        const int from = edges_[size_t(e)].to;
        if (reaches[size_t(from)] || edges_[size_t(e ^ 1)].rest <= 0) continue;
        reaches[size_t(from)] = true;
        queue.push_back(from);
      }
    reaches.flip();
    return reaches;
  }

  std::vector<std::vector<int>> edges_of_;
  std::vector<Edge> edges_;
  std::vector<int> level_;
  std::vector<size_t> next_;
};

}  // namespace tenon::passes
