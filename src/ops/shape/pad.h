#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class PadMode : int64_t { kConstant, kReflect, kEdge, kWrap };
inline std::span<const std::string_view> enum_names(PadMode) {
  static constexpr std::string_view names[] = {"constant", "reflect", "edge", "wrap"};
  return names;
}

/// Pad. Inputs: data, pads (begin of every padded axis, then end of every padded axis), value (optional scalar, zero
/// where absent), axes (optional; all axes where absent). Negative pads crop.
struct PadAttrs {
  PadMode mode = PadMode::kConstant;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&PadAttrs::mode>("mode")};
    return f;
  }
};

}  // namespace tenon::ops
