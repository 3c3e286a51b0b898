#pragma once
#include <string>

#include "ir/attrs.h"

namespace tenon::ops {

/// Assert: what a failure says.
struct AssertAttrs {
  std::string message;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&AssertAttrs::message>("message")};
    return f;
  }
};

}  // namespace tenon::ops
