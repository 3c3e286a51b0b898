// The one error type of the core. Thrown below the public interfaces, never across them.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace tenon {

/// What kind of failure an Error reports. The values are stable: they are part of tools' output and of the C++ façade.
enum class ErrorCode : uint8_t {
  kInvalidArgument,  ///< the caller passed something that no input could make right
  kInvalidModel,     ///< a model file or network breaks the rules of its format
  kUnsupported,      ///< valid, but nothing here can do it; the message names what is accepted
  kShapeMismatch,    ///< shapes or data types do not fit together or lie outside a profile
  kCorruptFile,      ///< a plan or cache is damaged; the message names section and offset
  kVersionMismatch,  ///< a file is from a newer format
  kIo,               ///< the operating system refused a file operation
  kOutOfMemory,
  kCancelled,  ///< the user's progress monitor asked to stop
  kInternal,   ///< a broken invariant of ours
  kDevice,     ///< the GPU's driver refused or failed a call
};
std::string_view name(ErrorCode code);

/// An error with a code, a message for the user, and the place it speaks of (node, section, file), which may be empty.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string message, std::string place = {})
      : std::runtime_error(place.empty() ? message : place + ": " + message),
        code_(code),
        message_(std::move(message)),
        place_(std::move(place)) {}
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& place() const noexcept { return place_; }
  /// The same error with an outer place put in front, e.g. the node around a failing attribute.
  Error at(std::string_view outer) const {
    return {code_, message_, place_.empty() ? std::string(outer) : cat(outer, ": ", place_)};
  }

 private:
  ErrorCode code_;
  std::string message_, place_;
};

/// Throws Error(code, cat(parts...)).
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, cat(parts...));
}

/// Throws unless `condition`. For input that a user controls and for invariants alike; never compiled out.
template <class... Parts>
void require(bool condition, ErrorCode code, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(code, parts...);
}

}  // namespace tenon
