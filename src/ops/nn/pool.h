#pragma once
#include "ir/attrs.h"

namespace tenon::ops {

enum class PoolKind : int64_t { kMax, kAverage, kLp };
std::span<const std::string_view> enum_names(PoolKind);

/// Pooling over any number of spatial axes. An empty `kernel` pools over the whole of every spatial axis; strides,
/// pads and dilations are then empty too.
///
/// Inputs: x. Outputs: y, and for kMax optionally indices (i64): the row-major position of each maximum in x, its
/// spatial part column-major when `storage_order` is 1. With `channels_last` x and y are [N, spatial…, C].
/// With `ceil_mode` the last window of an axis may reach past the padded end but must start before the end padding.
/// Padding never wins a maximum; it counts in an average only with `count_include_pad`, and what lies past it never
/// does.
struct PoolAttrs {
  PoolKind kind = PoolKind::kMax;
  std::vector<int64_t> kernel, strides, dilations;  ///< one a spatial axis
  std::vector<int64_t> pads;                        ///< begin of every spatial axis, then end of every spatial axis
  bool ceil_mode = false, count_include_pad = false, channels_last = false;
  int64_t p = 2;  ///< of kLp
  int64_t storage_order = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&PoolAttrs::kind>("kind"),
                                  ir::field<&PoolAttrs::kernel>("kernel"),
                                  ir::field<&PoolAttrs::strides>("strides"),
                                  ir::field<&PoolAttrs::pads>("pads"),
                                  ir::field<&PoolAttrs::dilations>("dilations"),
                                  ir::field<&PoolAttrs::ceil_mode>("ceil_mode"),
                                  ir::field<&PoolAttrs::count_include_pad>("count_include_pad"),
                                  ir::field<&PoolAttrs::p>("p"),
                                  ir::field<&PoolAttrs::channels_last>("channels_last"),
                                  ir::field<&PoolAttrs::storage_order>("storage_order")};
    return f;
  }
};

}  // namespace tenon::ops
