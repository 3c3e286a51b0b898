#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// ReverseSequence. Inputs: data, lengths [batch]. The first lengths[b] entries along the time axis are reversed.
struct ReverseSequenceAttrs {
  int64_t batch_axis = 1, time_axis = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ReverseSequenceAttrs::batch_axis>("batch_axis"),
                                  ir::field<&ReverseSequenceAttrs::time_axis>("time_axis")};
    return f;
  }
};

}  // namespace tenon::ops
