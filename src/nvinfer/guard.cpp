#include "nvinfer/guard.h"

#include <atomic>

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
std::atomic<nvinfer1::ILogger*> known_logger{nullptr};
}

nvinfer1::ILogger* first_logger() noexcept { return known_logger; }

void remember_logger(nvinfer1::ILogger* logger) noexcept {
  nvinfer1::ILogger* none = nullptr;
  known_logger.compare_exchange_strong(none, logger);
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
