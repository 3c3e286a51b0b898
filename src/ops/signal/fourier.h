#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// DFT. Inputs: x [..., 1 or 2] (real, or real and imaginary), length (optional, one element), axis (optional, one
/// element; else the attribute). Output [..., 2]; `onesided` gives the first length / 2 + 1 bins of a real signal, and
/// with `inverse` takes those and gives the real signal [..., 1].
struct DftAttrs {
  int64_t axis = -2;
  bool inverse = false, onesided = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&DftAttrs::axis>("axis"), ir::field<&DftAttrs::inverse>("inverse"),
                                  ir::field<&DftAttrs::onesided>("onesided")};
    return f;
  }
};

/// STFT. Inputs: signal [batch, length, 1 or 2], step, window [frame] (optional), frame length (optional). Output:
/// [batch, frames, bins, 2].
struct StftAttrs {
  bool onesided = true;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&StftAttrs::onesided>("onesided")};
    return f;
  }
};

}  // namespace tenon::ops
