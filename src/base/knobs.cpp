#include "base/knobs.h"

#include <array>
#include <charconv>
#include <cstdlib>

#include "base/error.h"

namespace tenon {
namespace {

constexpr auto kKnobs = std::to_array<KnobInfo>({
#define TENON_KNOB(id, name, fallback, meaning) {name, fallback, meaning},
#include "base/knobs.inc"
#undef TENON_KNOB
});
static_assert(kKnobs.size() <= 20, "environment variables are a last resort");

}  // namespace

std::span<const KnobInfo> knobs() { return kKnobs; }

std::string knob_text(Knob knob) {
  const char* value = std::getenv(info(knob).name.data());
  return value && *value ? std::string(value) : std::string(info(knob).fallback);
}

int64_t knob_int(Knob knob, int64_t min, int64_t max) {
  const std::string text = knob_text(knob);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool ok = error == std::errc() && end == text.data() + text.size() && value >= min && value <= max;
  require(ok, ErrorCode::kInvalidArgument, info(knob).name, "=", text, " is not a whole number from ", min, " to ",
          max);
  return value;
}

}  // namespace tenon
