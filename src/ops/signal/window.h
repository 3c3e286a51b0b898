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

/// y[i] = a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n), where n is the size, or 1 less if it is not periodic.
struct WindowCosines {
  double a0, a1, a2;
};
inline constexpr WindowCosines kHann{0.5, 0.5, 0}, kHamming{25.0 / 46, 21.0 / 46, 0}, kBlackman{0.42, 0.5, 0.08};

}  // namespace tenon::ops
