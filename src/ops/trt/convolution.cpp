// Convolution, deconvolution, pooling and fully connected layers.
#include <algorithm>

#include "base/checked.h"
#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

struct ConvolutionAttrs {
  int64_t nb_output_maps = 0, nb_groups = 1;
  Tensor kernel_weights, bias_weights;
  Ints kernel_size, stride, pre_padding, post_padding, dilation;
  int64_t padding_mode = 0;
  Ints output_size;  ///< spatial dims to give, whatever the padding behind them; empty: they follow from the padding
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(ConvolutionAttrs, nb_output_maps), TENON_TRT_FIELD(ConvolutionAttrs, nb_groups),
        TENON_TRT_FIELD(ConvolutionAttrs, kernel_weights), TENON_TRT_FIELD(ConvolutionAttrs, bias_weights),
        TENON_TRT_FIELD(ConvolutionAttrs, kernel_size),    TENON_TRT_FIELD(ConvolutionAttrs, stride),
        TENON_TRT_FIELD(ConvolutionAttrs, pre_padding),    TENON_TRT_FIELD(ConvolutionAttrs, post_padding),
        TENON_TRT_FIELD(ConvolutionAttrs, dilation),       TENON_TRT_FIELD(ConvolutionAttrs, padding_mode),
        TENON_TRT_FIELD(ConvolutionAttrs, output_size)};
    return f;
  }
};

struct PoolingAttrs {
  int64_t pooling_type = 0;  ///< max, average, blend of both
  float blend_factor = 0;
  bool average_count_excludes_padding = true;
  Ints window_size, stride, pre_padding, post_padding;
  int64_t padding_mode = 0;
  Ints output_size;  ///< as of convolutions
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(PoolingAttrs, pooling_type),
                                  TENON_TRT_FIELD(PoolingAttrs, blend_factor),
                                  TENON_TRT_FIELD(PoolingAttrs, average_count_excludes_padding),
                                  TENON_TRT_FIELD(PoolingAttrs, window_size),
                                  TENON_TRT_FIELD(PoolingAttrs, stride),
                                  TENON_TRT_FIELD(PoolingAttrs, pre_padding),
                                  TENON_TRT_FIELD(PoolingAttrs, post_padding),
                                  TENON_TRT_FIELD(PoolingAttrs, padding_mode),
                                  TENON_TRT_FIELD(PoolingAttrs, output_size)};
    return f;
  }
};

struct FullyConnectedAttrs {
  int64_t nb_output_channels = 0;
  Tensor kernel_weights, bias_weights;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(FullyConnectedAttrs, nb_output_channels),
                                  TENON_TRT_FIELD(FullyConnectedAttrs, kernel_weights),
                                  TENON_TRT_FIELD(FullyConnectedAttrs, bias_weights)};
    return f;
  }
};

Ints or_fill(const Ints& given, size_t count, int64_t value) {
  if (given.empty()) return Ints(count, value);
  require(given.size() == count, ErrorCode::kShapeMismatch, "a parameter has ", given.size(),
          " spatial dimensions, the input has ", count);
  return given;
}

Tensor in_type(const Tensor& weights, DType type) { return weights.dtype() == type ? weights : weights.cast(type); }

/// ONNX pads whose end makes the result as large as `output_size` says.
void set_output_size(LowerContext& c, Values& values, const ConvolutionAttrs& a, const Ints& window, bool transposed) {
  const size_t spatial = window.size();
  const Ints stride = or_fill(a.stride, spatial, 1), dilation = or_fill(a.dilation, spatial, 1),
             size = or_fill(a.output_size, spatial, 0);
  Ints pads = or_fill(a.pre_padding, spatial, 0), extra(spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t in = c.number(c.input(0), 2 + i), reach = checked_mul(window[i] - 1, dilation[i]) + 1;
    require(size[i] > 0, ErrorCode::kShapeMismatch, "output dimension ", i, " is to be ", size[i]);
    const int64_t steps = checked_mul((transposed ? in : size[i]) - 1, stride[i]);
    const int64_t post =
        transposed ? checked_add(steps, reach) - pads[i] - size[i] : checked_add(steps, reach) - in - pads[i];
    if (transposed && post < 0) extra[i] = -post;
    pads.push_back(transposed ? std::max<int64_t>(post, 0) : post);
  }
  if (transposed) values["output_padding"] = std::move(extra);
  values["pads"] = std::move(pads);
}

/// ONNX pads, with auto_pad or the extra rows that rounding up needs.
void set_padding(LowerContext& c, Values& values, const ConvolutionAttrs& a, const Ints& window,
                 bool round_up_by_padding, bool transposed) {
  const size_t spatial = window.size();
  if (!a.output_size.empty()) return set_output_size(c, values, a, window, transposed);
  if (a.padding_mode == kSameUpper || a.padding_mode == kSameLower) {
    values["auto_pad"] = std::string(a.padding_mode == kSameUpper ? "SAME_UPPER" : "SAME_LOWER");
    return;
  }
  Ints pre = or_fill(a.pre_padding, spatial, 0), post = or_fill(a.post_padding, spatial, 0);
  if (round_up_by_padding && (a.padding_mode == kRoundUp || a.padding_mode == kCaffeRoundUp)) {
    const Ints stride = or_fill(a.stride, spatial, 1), dilation = or_fill(a.dilation, spatial, 1);
    for (size_t i = 0; i < spatial; ++i) {
      if (stride[i] == 1) continue;
      const int64_t room =
          checked_add(c.number(c.input(0), 2 + i), checked_add(pre[i], post[i])) - ((window[i] - 1) * dilation[i] + 1);
      if (room > 0) post[i] += (stride[i] - room % stride[i]) % stride[i];
    }
  }
  pre.insert(pre.end(), post.begin(), post.end());
  values["pads"] = std::move(pre);
}

Tensor kernel_tensor(LowerContext& c, const ConvolutionAttrs& a, const Ints& window, bool transposed) {
  require(a.kernel_weights.defined(), ErrorCode::kInvalidModel, "there are neither kernel weights nor a kernel tensor");
  const int64_t channels = c.number(c.input(0), 1);
  require(a.nb_groups > 0 && a.nb_output_maps > 0, ErrorCode::kInvalidModel, a.nb_output_maps, " output maps in ",
          a.nb_groups, " groups");
  Ints dims(2 + window.size());
  dims[0] = transposed ? channels : a.nb_output_maps;
  dims[1] = (transposed ? a.nb_output_maps : channels) / a.nb_groups;
  std::copy(window.begin(), window.end(), dims.begin() + 2);
  require(checked_product(dims) == a.kernel_weights.count(), ErrorCode::kShapeMismatch, "the kernel has ",
          a.kernel_weights.count(), " weights, dims ", dims, " need ", checked_product(dims));
  return in_type(a.kernel_weights, c.dtype(c.input(0))).reshaped(dims);
}

void lower_convolution(LowerContext& c, const char* op, bool transposed) {
  const auto& a = c.attrs<ConvolutionAttrs>();
  const size_t rank = c.rank(c.input(0));
  require(rank >= 3, ErrorCode::kShapeMismatch, "the input has rank ", rank, ", 4 or 5 are accepted");
  Ints window = a.kernel_size;
  if (window.empty() && c.has(1)) {
    for (size_t i = 2; i < rank; ++i) window.push_back(c.number(c.input(1), i));
  }
  window = or_fill(window, rank - 2, 1);
  Values values{{"strides", or_fill(a.stride, rank - 2, 1)},
                {"dilations", or_fill(a.dilation, rank - 2, 1)},
                {"group", a.nb_groups}};
  set_padding(c, values, a, window, !transposed, transposed);
  const DType type = c.dtype(c.input(0));
  std::vector<ValueId> inputs{c.input(0), c.has(1) ? c.input(1) : c.constant(kernel_tensor(c, a, window, transposed))};
  if (c.has(2))
    inputs.push_back(c.input(2));
  else if (a.bias_weights.defined())
    inputs.push_back(c.constant(in_type(a.bias_weights, type)));
  c.output(0, c.onnx(op, std::move(inputs), std::move(values)));
}

void lower_conv(LowerContext& c) { lower_convolution(c, "Conv", false); }
void lower_deconv(LowerContext& c) { lower_convolution(c, "ConvTranspose", true); }

void lower_pooling(LowerContext& c) {
  const auto& a = c.attrs<PoolingAttrs>();
  const size_t rank = c.rank(c.input(0));
  require(rank >= 3, ErrorCode::kShapeMismatch, "the input has rank ", rank, ", 4 or 5 are accepted");
  ConvolutionAttrs window;
  window.stride = a.stride.empty() ? a.window_size : a.stride;
  window.pre_padding = a.pre_padding;
  window.post_padding = a.post_padding;
  window.padding_mode = a.padding_mode;
  window.output_size = a.output_size;
  Values values{{"kernel_shape", or_fill(a.window_size, rank - 2, 1)},
                {"strides", or_fill(window.stride, rank - 2, 1)}};
  set_padding(c, values, window, or_fill(a.window_size, rank - 2, 1), false, false);
  const bool rounds_up = a.padding_mode == kRoundUp || a.padding_mode == kCaffeRoundUp;
  if (rounds_up && a.output_size.empty()) values["ceil_mode"] = int64_t{1};
  Values average = values;
  average["count_include_pad"] = int64_t{!a.average_count_excludes_padding};
  const ValueId x = c.input(0);
  if (a.pooling_type == 0) return c.output(0, c.onnx("MaxPool", {x}, values));
  if (a.pooling_type == 1) return c.output(0, c.onnx("AveragePool", {x}, average));
  const DType type = c.dtype(x);
  const ValueId most = c.onnx("Mul", {c.onnx("MaxPool", {x}, values), c.scalar(type, 1 - a.blend_factor)});
  const ValueId mean = c.onnx("Mul", {c.onnx("AveragePool", {x}, average), c.scalar(type, a.blend_factor)});
  c.output(0, c.onnx("Add", {most, mean}));
}

// y[..., k, 1, 1] = sum over c, h, w of x[..., c, h, w] * kernel[k, c*h*w] + bias[k]
void lower_fully_connected(LowerContext& c) {
  const auto& a = c.attrs<FullyConnectedAttrs>();
  const ValueId x = c.input(0);
  const size_t rank = c.rank(x);
  require(rank >= 3, ErrorCode::kShapeMismatch, "the input has rank ", rank, ", 3 and more are accepted");
  int64_t volume = 1;
  for (size_t i = rank - 3; i < rank; ++i) volume = checked_mul(volume, c.number(x, i));
  ValueId kernel = c.has(1)
                       ? c.input(1)
                       : c.constant(in_type(a.kernel_weights, c.dtype(x)).reshaped({a.nb_output_channels, volume}));
  ValueId y = c.onnx("Reshape", {x, c.ints(rank == 3 ? Ints{1, volume} : Ints{-1, volume})});
  std::vector<ValueId> inputs{y, kernel};
  if (c.has(2))
    inputs.push_back(c.input(2));
  else if (a.bias_weights.defined()) {
    require(a.bias_weights.count() == a.nb_output_channels, ErrorCode::kShapeMismatch, "the bias has ",
            a.bias_weights.count(), " elements for ", a.nb_output_channels, " output channels");
    inputs.push_back(c.constant(in_type(a.bias_weights, c.dtype(x))));
  }
  y = c.onnx("Gemm", std::move(inputs), {{"transB", int64_t{1}}});
  Ints dims{a.nb_output_channels, 1, 1};
  bool rest = false;  // one leading dimension may be dynamic: -1
  for (size_t i = rank - 3; i-- > 0;) {
    const ir::Dim d = c.shape(x)[i];
    dims.insert(dims.begin(), d.is_const() || rest ? c.number(x, i) : -1);
    rest = rest || !d.is_const();
  }
  c.output(0, c.onnx("Reshape", {y, c.ints(dims)}));
}

}  // namespace

std::vector<Layer> convolution_layers() {
  const auto* conv = ir::schema_of<ConvolutionAttrs>();
  return {{"trt.Convolution", conv, 1, 3, lower_conv},
          {"trt.Deconvolution", conv, 1, 3, lower_deconv},
          {"trt.Pooling", ir::schema_of<PoolingAttrs>(), 1, 1, lower_pooling},
          {"trt.FullyConnected", ir::schema_of<FullyConnectedAttrs>(), 1, 3, lower_fully_connected}};
}

}  // namespace tenon::ops::trt
