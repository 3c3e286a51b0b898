#include <algorithm>
#include <charconv>

#include "builder/builder.h"

namespace tenon::builder {
namespace {

std::string fixed(double v, int digits) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, digits).ptr};
}

std::string line(const select::Candidate& c) {
  if (!c.refusal.empty()) return cat("    - ", c.kernel, ": refused, ", c.refusal, "\n");
  return cat("    ", c.chosen ? "* " : "  ", c.kernel, ": ",
             c.time_us > 0 ? cat(fixed(double(c.time_us), 1), " us", c.from_cache ? " (cached)" : "") : "not timed",
             ", estimate ", fixed(c.cost_us, 1), " us\n");
}

}  // namespace

std::string print(const BuildReport& report, bool candidates) {
  std::string out = passes::print(report.passes, candidates);
  for (const WideLayer& l : report.wide)
    out += cat("f16 is too narrow for ", l.name, ", which meets ", fixed(l.magnitude, 0), "\n");
  for (size_t p = 0; p < report.nodes.size(); ++p) {
    out += cat("profile ", p, ":\n");
    for (const select::NodeReport& node : report.nodes[p]) {
      auto chosen =
          std::find_if(node.candidates.begin(), node.candidates.end(), [](const auto& c) { return c.chosen; });
      out += cat("  ", node.name, " (", node.op, "): ", chosen == node.candidates.end() ? "none" : chosen->kernel,
                 chosen != node.candidates.end() && chosen->time_us > 0
                     ? cat(", ", fixed(double(chosen->time_us), 1), " us")
                     : "",
                 "\n");
      if (candidates)
        for (const auto& c : node.candidates) out += line(c);
    }
  }
  for (const StreamsReport& s : report.streams) {
    out += cat("profile ", s.profile, ": ", s.streams, " auxiliary streams; a run takes ");
    for (size_t i = 0; i < s.times.size(); ++i)
      out += cat(i ? ", " : "", fixed(double(s.times[i].second), 1), " us with ", s.times[i].first);
    out += s.from_cache ? " (cached)\n" : "\n";
  }
  out += cat("built in ", fixed(report.seconds, 2), " s (passes ", fixed(report.pass_seconds, 2), ", selection ",
             fixed(report.select_seconds, 2), ")\n");
  return out;
}

}  // namespace tenon::builder
