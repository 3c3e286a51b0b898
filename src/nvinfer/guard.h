// The border of the public interface: every exception behind it, ours or one from a user's override, becomes a message
// to the user's logger, an entry in the error recorder, and a null, false or zero result.
#pragma once
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include <NvInfer.h>

#include "base/error.h"
#include "nvinfer/level.h"

namespace tenon::nvinfer {

/// Where the messages of one API object go. Either may be null.
class Reports {
 public:
  explicit Reports(nvinfer1::ILogger* logger = nullptr) noexcept { use_logger(logger); }
  Reports(const Reports& other) noexcept : Reports(other.logger_) { set_recorder(other.recorder_); }
  Reports& operator=(const Reports& other) noexcept {
    use_logger(other.logger_);
    set_recorder(other.recorder_);
    return *this;
  }
  ~Reports() { use_logger(nullptr), set_recorder(nullptr); }

  nvinfer1::ILogger* logger() const { return logger_; }
  nvinfer1::IErrorRecorder* recorder() const { return recorder_; }
  /// Holds a reference while the recorder is set.
  void set_recorder(nvinfer1::IErrorRecorder* recorder) noexcept;

  void log(nvinfer1::ILogger::Severity severity, const std::string& message) const noexcept;
  /// Logs with severity kERROR and tells the recorder.
  void error(nvinfer1::ErrorCode code, const char* where, const std::string& message) const noexcept;

 private:
  void use_logger(nvinfer1::ILogger* logger) noexcept;

  nvinfer1::ILogger* logger_ = nullptr;
  bool is_counted_ = false;  ///< among the users of the first logger
  nvinfer1::IErrorRecorder* recorder_ = nullptr;
};

/// The logger that the process's first builder, runtime or refitter was made with, while an object uses it: users may
/// delete it then. getLogger()'s answer.
nvinfer1::ILogger* first_logger() noexcept;
void remember_logger(nvinfer1::ILogger* logger) noexcept;

nvinfer1::ErrorCode to_api(ErrorCode code) noexcept;

/// Inside a catch block: reports the exception in flight.
void report_current(const Reports& reports, const char* where) noexcept;

/// Runs `body`; on an exception reports it and returns `fallback`.
template <class Body, class Result = std::invoke_result_t<Body>>
Result guard(const Reports& reports, const char* where, Body&& body,
             std::conditional_t<std::is_void_v<Result>, int, Result> fallback = {}) noexcept {
  try {
    return body();
  } catch (...) {
    report_current(reports, where);
  }
  if constexpr (!std::is_void_v<Result>) return fallback;
}

/// Whether a number that a user gave as an enumerator can be one.
template <class E>
constexpr bool is_known(E value) {
  if constexpr (requires { nvinfer1::impl::EnumMaxImpl<E>::kVALUE; })
    return static_cast<int64_t>(value) >= 0 && static_cast<int64_t>(value) < nvinfer1::impl::EnumMaxImpl<E>::kVALUE;
  else
    return true;
}

/// Throws kInvalidArgument naming the parameter unless is_known(value).
template <class E>
E need_known(E value, const char* parameter) {
  require(is_known(value), ErrorCode::kInvalidArgument, "parameter '", parameter, "' is ", static_cast<int64_t>(value),
          ", which no enumerator is");
  return value;
}

/// The bit that stands for a flag; 0, with an error, for a number that no flag has.
template <class Flag>
uint32_t bit_of(const Reports& reports, const char* where, Flag flag) noexcept {
  return guard(reports, where, [&] {
    require(is_known(flag) && static_cast<uint32_t>(flag) < 32, ErrorCode::kInvalidArgument, "flag ",
            static_cast<int64_t>(flag), " does not exist");
    return uint32_t{1} << static_cast<uint32_t>(flag);
  });
}

/// Throws kInvalidArgument naming the parameter if it is null.
template <class T>
T* need(T* pointer, const char* parameter) {
  require(pointer != nullptr, ErrorCode::kInvalidArgument, "parameter '", parameter, "' is null");
  return pointer;
}

}  // namespace tenon::nvinfer
