#include "base/log.h"

#include <cstdio>

namespace tenon {
namespace {

class StderrSink final : public LogSink {
 public:
  void log(Severity severity, std::string_view message) noexcept override {
    const std::string_view label = name(severity);
    std::fprintf(stderr, "[%.*s] %.*s\n", int(label.size()), label.data(), int(message.size()), message.data());
  }
};

}  // namespace

std::string_view name(Severity severity) {
  switch (severity) {
    case Severity::kInternalError:
      return "internal_error";
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kInfo:
      return "info";
    case Severity::kVerbose:
      return "verbose";
  }
  return "unknown";
}

std::optional<Severity> parse_severity(std::string_view text) {
  for (int i = 0; i <= int(Severity::kVerbose); ++i)
    if (text == name(Severity(i))) return Severity(i);
  return std::nullopt;
}

LogSink& stderr_sink() {
  static StderrSink sink;
  return sink;
}

}  // namespace tenon
