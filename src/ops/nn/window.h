// Sliding windows: what convolutions and pooling share.
#pragma once
#include <vector>

#include "ops/import.h"

namespace tenon::ops {

/// One spatial axis of a convolution or pooling.
struct WindowAxis {
  Dim input, kernel;
  int64_t stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
};

/// Number of windows. With `ceil_mode` the last one may reach past the padded end but starts before the end padding.
/// Throws on a stride, dilation or kernel below 1, on a window that does not fit, and on overflow; messages name
/// `axis`, the number of the spatial axis.
Dim window_output(ir::SymbolTable& dims, const WindowAxis& window, bool ceil_mode, size_t axis);

/// Throws unless a convolution's bias, where input `i` is one, has an element for each output channel.
void expect_bias(InferContext& c, size_t i, Dim channels);

/// ONNX's attributes strides, dilations, pads and auto_pad.
struct WindowAttrs {
  std::vector<int64_t> strides, dilations, pads;
};
/// Reads them for input 0 [N, C, spatial…] and a kernel of the given size. SAME padding becomes explicit where its size
/// does not depend on a symbol; otherwise pads are 0 on all axes and pad_same() is to be applied.
WindowAttrs import_window(ImportContext& c, const std::vector<Dim>& kernel);
/// `x`, input 0 or a conversion of it, padded with `fill` by computed amounts if SAME padding depends on a symbol.
ir::ValueId pad_same(ImportContext& c, ir::ValueId x, const std::vector<Dim>& kernel,
                     const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations, double fill);
/// Whether pad_same() adds nodes.
bool needs_pad_same(ImportContext& c, const std::vector<int64_t>& strides);

}  // namespace tenon::ops
