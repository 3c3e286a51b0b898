#include "base/error.h"

namespace tenon {

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kInvalidModel:
      return "invalid model";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kShapeMismatch:
      return "shape mismatch";
    case ErrorCode::kCorruptFile:
      return "corrupt file";
    case ErrorCode::kVersionMismatch:
      return "version mismatch";
    case ErrorCode::kIo:
      return "input/output error";
    case ErrorCode::kOutOfMemory:
      return "out of memory";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal error";
    case ErrorCode::kDevice:
      return "device error";
  }
  return "error";
}

}  // namespace tenon
