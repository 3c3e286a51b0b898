#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// HannWindow, HammingWindow and BlackmanWindow. Input: the number of samples (one element). A periodic window is the
/// symmetric one of one more sample without its last.
struct WindowAttrs {
  ir::DType dtype = ir::DType::kF32;
  bool periodic = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&WindowAttrs::dtype>("dtype"),
                                  ir::field<&WindowAttrs::periodic>("periodic")};
    return f;
  }
};

}  // namespace tenon::ops
