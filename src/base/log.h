// Messages for the user. A Logger is passed explicitly to whatever has something to say.
#pragma once
#include <optional>
#include <string_view>

#include "base/text.h"

namespace tenon {

/// Most to least severe, with the numbers of the public interface.
enum class Severity { kInternalError = 0, kError = 1, kWarning = 2, kInfo = 3, kVerbose = 4 };
std::string_view name(Severity severity);
/// Accepts the names that name() gives: "internal_error", "error", "warning", "info", "verbose".
std::optional<Severity> parse_severity(std::string_view text);

/// Where messages go. log() may be called from several threads at once and must not throw.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void log(Severity severity, std::string_view message) noexcept = 0;
};

/// Writes "[warning] message" lines to standard error, each line whole.
LogSink& stderr_sink();

/// A sink with a threshold: less severe messages are dropped before their text is built. The sink must outlive it.
class Logger {
 public:
  explicit Logger(LogSink& sink = stderr_sink(), Severity threshold = Severity::kWarning)
      : sink_(&sink), threshold_(threshold) {}
  bool enabled(Severity severity) const { return severity <= threshold_; }
  template <class... Parts>
  void log(Severity severity, const Parts&... parts) const {
    if (enabled(severity)) sink_->log(severity, cat(parts...));
  }
  template <class... Parts>
  void error(const Parts&... parts) const {
    log(Severity::kError, parts...);
  }
  template <class... Parts>
  void warning(const Parts&... parts) const {
    log(Severity::kWarning, parts...);
  }
  template <class... Parts>
  void info(const Parts&... parts) const {
    log(Severity::kInfo, parts...);
  }
  template <class... Parts>
  void verbose(const Parts&... parts) const {
    log(Severity::kVerbose, parts...);
  }

 private:
  LogSink* sink_;
  Severity threshold_;
};

}  // namespace tenon
