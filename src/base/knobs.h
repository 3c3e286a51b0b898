// Environment variables. knobs.inc is the one list; nothing else reads the environment.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tenon {

enum class Knob {
#define TENON_KNOB(id, name, fallback, meaning) id,
#include "base/knobs.inc"
#undef TENON_KNOB
};

struct KnobInfo {
  std::string_view name, fallback, meaning;
};
/// All knobs in the order of their ids.
std::span<const KnobInfo> knobs();
inline const KnobInfo& info(Knob knob) { return knobs()[size_t(knob)]; }

/// The variable's value now, or its default where it is unset or empty.
std::string knob_text(Knob knob);
/// The same as a number. Throws Error kInvalidArgument, naming variable, value and range, for anything else.
int64_t knob_int(Knob knob, int64_t min, int64_t max);

}  // namespace tenon
