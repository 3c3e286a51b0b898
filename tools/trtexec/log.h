// Lines of the form "[MM/DD/YYYY-hh:mm:ss] [I] text", on standard output and, from errors up, on standard error.
#pragma once
#include <NvInferRuntime.h>

#include <string>

namespace trtexec {

class Log final : public nvinfer1::ILogger {
 public:
  explicit Log(bool verbose) : verbose_(verbose) {}
  /// From the library; marked [TRT].
  void log(Severity severity, const char* message) noexcept override;
  void info(const std::string& text) { line(Severity::kINFO, text); }
  void warning(const std::string& text) { line(Severity::kWARNING, text); }
  void error(const std::string& text) { line(Severity::kERROR, text); }
  bool verbose() const { return verbose_; }

 private:
  void line(Severity severity, const std::string& text);
  bool verbose_;
};

}  // namespace trtexec
