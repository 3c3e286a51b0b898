#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// GatherND. Inputs: data, indices [..., k]; each row of k indices names a sub-tensor of data after `batch_dims` axes
/// that data and indices share.
struct GatherNdAttrs {
  int64_t batch_dims = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&GatherNdAttrs::batch_dims>("batch_dims")};
    return f;
  }
};

}  // namespace tenon::ops
