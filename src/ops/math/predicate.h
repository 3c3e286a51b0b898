#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// IsInf: which infinities count.
struct IsInfAttrs {
  bool detect_negative = true, detect_positive = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&IsInfAttrs::detect_negative>("detect_negative"),
                                  ir::field<&IsInfAttrs::detect_positive>("detect_positive")};
    return f;
  }
};

}  // namespace tenon::ops
