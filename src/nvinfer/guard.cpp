#include "nvinfer/guard.h"

#include <mutex>

namespace tenon::nvinfer {

using nvinfer1::ILogger;

void Reports::set_recorder(nvinfer1::IErrorRecorder* recorder) noexcept {
  try {
    if (recorder) recorder->incRefCount();
    if (recorder_) recorder_->decRefCount();
  } catch (...) {
    log(ILogger::Severity::kERROR, "an error recorder's reference count threw an exception");
  }
  recorder_ = recorder;
}

void Reports::log(ILogger::Severity severity, const std::string& message) const noexcept {
  try {
    if (logger_) logger_->log(severity, message.c_str());
  } catch (...) {  // a logger that throws gets no second message
  }
}

void Reports::error(nvinfer1::ErrorCode code, const char* where, const std::string& message) const noexcept {
  try {
    const std::string text = cat(where, ": Error Code ", static_cast<int>(code), ": ", message);
    log(ILogger::Severity::kERROR, text);
    if (!recorder_) return;
    constexpr size_t kLongest = 127;  // descriptions of an error recorder are this long at most
    recorder_->reportError(code, text.substr(0, kLongest).c_str());
  } catch (...) {
    log(ILogger::Severity::kERROR, "an error recorder threw an exception");
  }
}

namespace {

struct FirstLogger {
  std::mutex mutex;
  ILogger* logger = nullptr;
  int64_t users = 0;
};

// Never destroyed: users' static objects may end after ours.
FirstLogger& first() {
  static FirstLogger& one = *new FirstLogger;
  return one;
}

}  // namespace

ILogger* first_logger() noexcept {
  std::lock_guard lock(first().mutex);
  return first().users > 0 ? first().logger : nullptr;
}

void remember_logger(ILogger* logger) noexcept {
  std::lock_guard lock(first().mutex);
  if (first().users == 0) first().logger = logger;
}

void Reports::use_logger(ILogger* logger) noexcept {
  if (!is_counted_ && !logger) {
    logger_ = nullptr;
    return;
  }
  std::lock_guard lock(first().mutex);
  first().users -= is_counted_;
  is_counted_ = logger && logger == first().logger;
  first().users += is_counted_;
  logger_ = logger;
}

nvinfer1::ErrorCode to_api(ErrorCode code) noexcept {
  using Api = nvinfer1::ErrorCode;
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kShapeMismatch:
      return Api::kINVALID_ARGUMENT;
    case ErrorCode::kInvalidModel:
      return Api::kINVALID_CONFIG;
    case ErrorCode::kUnsupported:
      return Api::kUNSUPPORTED_STATE;
    case ErrorCode::kCorruptFile:
    case ErrorCode::kVersionMismatch:
      return Api::kFAILED_INITIALIZATION;
    case ErrorCode::kOutOfMemory:
      return Api::kFAILED_ALLOCATION;
    case ErrorCode::kCancelled:
    case ErrorCode::kDevice:
      return Api::kFAILED_EXECUTION;
    case ErrorCode::kIo:
      return Api::kUNSPECIFIED_ERROR;
    case ErrorCode::kInternal:
      break;
  }
  return Api::kINTERNAL_ERROR;
}

void report_current(const Reports& reports, const char* where) noexcept {
  try {
    throw;
  } catch (const Error& e) {
    reports.error(to_api(e.code()), where, e.what());
  } catch (const std::bad_alloc&) {
    reports.error(nvinfer1::ErrorCode::kFAILED_ALLOCATION, where, "out of memory");
  } catch (const std::exception& e) {
    reports.error(nvinfer1::ErrorCode::kINTERNAL_ERROR, where, e.what());
  } catch (...) {
    reports.error(nvinfer1::ErrorCode::kINTERNAL_ERROR, where, "an exception that is no std::exception");
  }
}

}  // namespace tenon::nvinfer
