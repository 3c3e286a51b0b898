#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// Split along one axis. Inputs: data, sizes (integer vector, optional). Without sizes every part but the last has
/// ceil(extent / outputs) entries; with `even` the extent must be a multiple of the number of outputs.
struct SplitAttrs {
  int64_t axis = 0;
  bool even = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&SplitAttrs::axis>("axis"), ir::field<&SplitAttrs::even>("even")};
    return f;
  }
};

}  // namespace tenon::ops
