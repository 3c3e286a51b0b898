// Where the values of a program live.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/alias.h"
#include "runtime/lanes.h"
#include "runtime/program.h"

namespace tenon::runtime {

/// Assigns a place to every value: views share their source's, outputs are written in place where that is possible.
class Placer {
 public:
  /// Steps of `program` have their kernels. Buffers begin at multiples of `alignment`.
  Placer(Program& program, const Aliases& aliases, int64_t alignment);
  /// Places all, spreads steps over at most so many streams beside the run's own, and lays out the memory.
  void run(int auxiliary_streams);
  Place of(ir::ValueId v) const;
  Place operand(ir::ValueId v) const { return v == ir::kNone ? Place{} : of(v); }
  int64_t bytes(ir::ValueId v) const;

 private:
  void find_roots();
  void claim_outputs();
  void spread(int auxiliary_streams);
  std::pair<int, int> stay_of(int s) const;
  void lay_out();

  Program& p_;
  const ir::Graph& g_;
  const Aliases& aliases_;
  std::vector<Place> place_;
  std::vector<ir::ValueId> root_;
  std::vector<int64_t> offset_;  ///< bytes from the root's start
  LanePlan lanes_;
  int64_t alignment_;
};

}  // namespace tenon::runtime
