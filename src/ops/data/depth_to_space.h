#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

/// DepthToSpace and SpaceToDepth between [N, C, H, W] and blocks of blocksize². `column_row_depth` (ONNX's CRD)
/// takes the channels of the deep side as [C', block, block] instead of [block, block, C'].
struct DepthToSpaceAttrs {
  int64_t blocksize = 1;
  bool column_row_depth = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&DepthToSpaceAttrs::blocksize>("blocksize"),
                                  ir::field<&DepthToSpaceAttrs::column_row_depth>("column_row_depth")};
    return f;
  }
};

}  // namespace tenon::ops
