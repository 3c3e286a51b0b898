// What the client programs share: a logger that keeps messages, and a check that names what failed.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "NvInfer.h"

/// Contexts of several threads may use one.
class KeepingLogger : public nvinfer1::ILogger {
 public:
  void log(Severity severity, char const* message) noexcept override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (severity <= Severity::kERROR) {
      errors.push_back(message);
    }
    if (severity <= Severity::kWARNING && std::getenv("CLIENT_VERBOSE")) {
      std::fprintf(stderr, "[%d] %s\n", static_cast<int>(severity), message);
    }
  }
  std::vector<std::string> errors;

 private:
  std::mutex mutex_;
};

inline int& failures() {
  static int count = 0;
  return count;
}

#define EXPECT(condition)                                                                \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      ++failures();                                                                      \
    }                                                                                    \
  } while (0)
