// Constants with one number a channel, and the weights they can be folded into.
#pragma once
#include "passes/rewrite.h"

namespace tenon::passes {

/// A Conv, ConvTranspose or MatMul whose weights and bias (if any) are floating-point constants, without epilogue.
struct Weighted {
  const ir::Node* node = nullptr;
  ir::ValueId weights = ir::kNone, bias = ir::kNone;
  size_t out_axis = 0, in_axis = 1;  ///< axes of the weights that are the result's and the operand's channels
  int64_t channels = 0;              ///< of the result
  size_t result_axis = 0;            ///< axis of the result that is its channels
};
/// nullopt if `v` is made by something else, is read elsewhere too, or is not f32.
std::optional<Weighted> weighted_producer(const ir::Graph& graph, ir::ValueId v);
/// With `any_epilogue`, an epilogue without operands of its own is accepted too.
std::optional<Weighted> weighted(const ir::Graph& graph, const ir::Node& node, bool any_epilogue = false);

/// Whether a channels-last convolution is a product of each pixel's channels: constant weights of one group whose
/// windows have one pixel, strides of one, no padding.
bool is_product_of_pixels(const ir::Graph& graph, const ir::Node& conv);

/// A constant that, broadcast against a tensor of shape `to`, depends on `axis` only, as a vector over that axis. A
/// constant with one element counts, repeated.
std::optional<ir::Tensor> channel_vector(const ir::Graph& graph, ir::ValueId constant, const ir::Shape& to,
                                         size_t axis);
/// The same test without making the vector; also true for values that are not constant.
bool depends_on_axis_only(const ir::Graph& graph, ir::ValueId v, const ir::Shape& to, size_t axis);

/// Dims of rank `rank`, all 1 but `count` at `axis`.
std::vector<int64_t> along(size_t rank, size_t axis, int64_t count);

}  // namespace tenon::passes
