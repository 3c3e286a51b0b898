// Steps that run beside each other on a device: which stream takes which step.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tenon::plan {
struct Plan;
}

namespace tenon::runtime {

struct ConcreteGraph;
struct PrepareOptions;

/// What a step reads and writes, by the buffers that values live in, and its estimated time.
struct StepUse {
  std::vector<uint32_t> reads, writes;
  double us = 0;
  bool alone = false;  ///< runs beside nothing
};

/// Which lane takes which step. Lane 0 is the stream that a run is put on, the others are auxiliary streams. Lanes work
/// beside each other only within sections, which begin when everything before has ended and end before what follows.
struct LanePlan {
  struct Section {
    size_t begin = 0, end = 0;  ///< steps
    int lanes = 1;              ///< those below this number are used
  };
  std::vector<int> lane;  ///< by step
  std::vector<Section> sections;
  double gain_us = 0;  ///< by the steps' times, less what it costs to part and to meet
  /// The section that step `s` is in, or null.
  const Section* section_of(size_t s) const;
};

/// Finds sections whose steps fall into groups that have nothing to do with each other, and spreads the groups over at
/// most `lanes` lanes. Steps are in an order that they can run in.
LanePlan plan_lanes(std::span<const StepUse> steps, int lanes);

/// The uses of a graph's nodes before anything is prepared: by values, with the times of options.choices or, where
/// nothing was timed, the estimates of the kernels.
std::vector<StepUse> estimated_uses(const ConcreteGraph& concrete, const PrepareOptions& options);

/// How many auxiliary streams a profile of the plan uses, as its builder decided; at most kMostAuxiliaryStreams.
inline constexpr int kMostAuxiliaryStreams = 3;
int auxiliary_streams(const plan::Plan& plan, int profile);
void set_auxiliary_streams(plan::Plan& plan, int profile, int streams);

}  // namespace tenon::runtime
