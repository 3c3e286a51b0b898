// Core nodes that compute, as layers: windows, activations, element-wise operations, products, reductions, selection.
#include "ops/trt/raise.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ops/data/tensor_scatter.h"
#include "ops/math/activation.h"
#include "ops/math/cast.h"
#include "ops/math/clip.h"
#include "ops/math/ordering.h"
#include "ops/math/predicate.h"
#include "ops/math/reduce.h"
#include "ops/nn/attention.h"
#include "ops/nn/conv.h"
#include "ops/nn/conv_transpose.h"
#include "ops/nn/matmul.h"
#include "ops/nn/norm.h"
#include "ops/nn/pool.h"
#include "ops/quant/quantize.h"
#include "ops/shape/axis_attrs.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

void set_window(RaiseContext& c, const Ints& strides, const Ints& pads) {
  const auto half = static_cast<std::ptrdiff_t>(pads.size() / 2);
  c.set("stride", strides);
  c.set("pre_padding", Ints(pads.begin(), pads.begin() + half));
  c.set("post_padding", Ints(pads.begin() + half, pads.end()));
}

/// Constant weights become the layer's own; others stay inputs 1 and 2.
template <class A>
void raise_convolution(RaiseContext& c, std::string_view layer, bool transposed, const Ints& pads) {
  const auto& a = c.attrs<A>();
  if (a.channels_last || !a.epilogue.empty()) return;
  Ints dims;
  for (const ir::Dim& d : c.shape(1)) {
    if (!d.is_const()) return;
    dims.push_back(d.constant());
  }
  c.become(layer);
  c.set("nb_output_maps", transposed ? dims.at(1) * a.group : dims.at(0));
  c.set("nb_groups", a.group);
  c.set("kernel_size", Ints(dims.begin() + 2, dims.end()));
  c.set("dilation", a.dilations);
  set_window(c, a.strides, pads);
  if (const Tensor* kernel = c.constant(1)) c.set("kernel_weights", *kernel), c.inputs[1] = ir::kNone;
  if (const Tensor* bias = c.constant(2)) c.set("bias_weights", *bias), c.inputs[2] = ir::kNone;
  while (c.inputs.back() == ir::kNone) c.inputs.pop_back();
}

void raise_conv(RaiseContext& c) {
  raise_convolution<ConvAttrs>(c, "trt.Convolution", false, c.attrs<ConvAttrs>().pads);
}
/// What the output is longer by is cut off less at its end.
void raise_conv_transpose(RaiseContext& c) {
  const auto& a = c.attrs<ConvTransposeAttrs>();
  Ints pads = a.pads;
  const size_t spatial = a.output_padding.size();
  for (size_t i = 0; i < spatial; ++i) {
    if (a.output_padding[i] > std::max<int64_t>(pads[spatial + i], 0)) return;
    pads[spatial + i] -= a.output_padding[i];
  }
  raise_convolution<ConvTransposeAttrs>(c, "trt.Deconvolution", true, pads);
}

void set_reduction(RaiseContext& c, size_t operation, int64_t axes, bool keep) {
  c.become("trt.Reduce");
  c.number("operation", operation);
  c.set("reduce_axes", axes);
  c.set("keep_dimensions", keep);
}

/// ReduceOperation's number of what a reduction does, or its count.
size_t reduction_of(ReduceKind kind) {
  static constexpr ReduceKind kKinds[] = {ReduceKind::kSum, ReduceKind::kProd, ReduceKind::kMax, ReduceKind::kMin,
                                          ReduceKind::kMean};
  return static_cast<size_t>(std::find(std::begin(kKinds), std::end(kKinds), kind) - std::begin(kKinds));
}

void raise_pool(RaiseContext& c) {
  const auto& a = c.attrs<PoolAttrs>();
  if (c.output_count() != 1 || a.channels_last || a.kind == PoolKind::kLp) return;
  if (std::any_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d != 1; })) return;
  const bool average = a.kind == PoolKind::kAverage;
  if (a.kernel.empty()) {  // the whole of every spatial axis
    const int64_t axes = ((int64_t{1} << c.shape(0).size()) - 1) & ~int64_t{3};
    return set_reduction(c, reduction_of(average ? ReduceKind::kMean : ReduceKind::kMax), axes, true);
  }
  c.become("trt.Pooling");
  c.set("pooling_type", int64_t{average});
  c.set("average_count_excludes_padding", !a.count_include_pad);
  c.set("window_size", a.kernel);
  set_window(c, a.strides, a.pads);
  if (a.ceil_mode) c.set("padding_mode", int64_t{kRoundUp});
}

void raise_reduce(RaiseContext& c) {
  const auto& a = c.attrs<ReduceAttrs>();
  int64_t axes = 0;
  for (int64_t axis : a.axes) axes |= int64_t{1} << c.axis(axis);
  const size_t operation = reduction_of(a.kind);
  if (axes != 0 && operation < 5) set_reduction(c, operation, axes, a.keepdims);
}

void raise_activation(RaiseContext& c, int64_t type, float alpha = 0, float beta = 0) {
  c.become("trt.Activation");
  c.set("activation_type", type);
  c.set("alpha", alpha);
  c.set("beta", beta);
}
/// Activations by ActivationType.
template <int64_t Type>
void raise_plain(RaiseContext& c) {
  raise_activation(c, Type);
}
template <int64_t Type>
void raise_alpha(RaiseContext& c) {
  raise_activation(c, Type, c.attrs<AlphaAttrs>().alpha);
}
template <int64_t Type>
void raise_alpha_beta(RaiseContext& c) {
  raise_activation(c, Type, c.attrs<AlphaBetaAttrs>().alpha, c.attrs<AlphaBetaAttrs>().beta);
}
void raise_softplus(RaiseContext& c) { raise_activation(c, 7, 1, 1); }
void raise_parametric_softplus(RaiseContext& c) {
  raise_activation(c, 7, c.attrs<AlphaBetaAttrs>().alpha, c.attrs<AlphaBetaAttrs>().beta);
}
void raise_clip(RaiseContext& c) { raise_activation(c, 8, c.attrs<ClipAttrs>().min, c.attrs<ClipAttrs>().max); }
void raise_gelu(RaiseContext& c) { raise_activation(c, c.attrs<GeluAttrs>().approximate ? 13 : 12); }

void raise_unary(RaiseContext& c) {
  if (c.op() == "IsInf" && !(c.attrs<IsInfAttrs>().detect_negative && c.attrs<IsInfAttrs>().detect_positive)) return;
  c.become("trt.Unary");
  c.number("operation", number_of(kUnaryOps, c.op()));
}

void raise_elementwise(RaiseContext& c) {
  c.become("trt.ElementWise");
  c.number("operation", number_of(kElementWiseOps, c.op()));
  c.set("mixed_ranks", c.shape(0).size() != c.shape(1).size());
}

void raise_matmul(RaiseContext& c) {
  const auto& a = c.attrs<MatMulAttrs>();
  if (a.alpha != 1 || !a.epilogue.empty()) return;
  if (c.has(2) && (c.shape(0).size() != 2 || c.shape(1).size() != 2)) return;
  c.become("trt.MatrixMultiply");
  c.set("operation0", int64_t{a.transpose_a});
  c.set("operation1", int64_t{a.transpose_b});
}

void raise_softmax(RaiseContext& c) {
  c.become("trt.SoftMax");
  c.set("axes", int64_t{1} << c.axis(c.attrs<AxisAttrs>().axis));
}

void raise_layer_norm(RaiseContext& c) {
  const auto& a = c.attrs<LayerNormAttrs>();
  if (c.output_count() != 1 || !c.has(2)) return;
  c.become("trt.Normalization");
  const int64_t all = (int64_t{1} << c.shape(0).size()) - 1, before = (int64_t{1} << c.axis(a.axis)) - 1;
  c.set("axes", all & ~before);
  c.set("epsilon", a.epsilon);
}

void raise_lrn(RaiseContext& c) {
  const auto& a = c.attrs<LrnAttrs>();
  c.become("trt.LRN");
  c.set("window_size", a.size);
  c.set("alpha", a.alpha);
  c.set("beta", a.beta);
  c.set("k", a.bias);
}

void raise_top_k(RaiseContext& c) {
  const auto& a = c.attrs<TopKAttrs>();
  c.become("trt.TopK");
  c.set("operation", int64_t{!a.largest});
  c.set("reduce_axes", int64_t{1} << c.axis(a.axis));
  c.set("indices_type", DType::kI64);
  if (const Ints k = c.ints(1); k.size() == 1) {
    c.set("k", k[0]);
    c.inputs.resize(1);
  }
}

void raise_non_zero(RaiseContext& c) {
  c.become("trt.NonZero");
  c.set("indices_type", DType::kI64);
}

void raise_one_hot(RaiseContext& c) {  // the layer's inputs are indices, values, depth
  c.become("trt.OneHot");
  c.set("axis", c.attrs<AxisAttrs>().axis);
  std::swap(c.inputs.at(1), c.inputs.at(2));
}

/// Only symmetric quantization is a layer.
bool set_quantization(RaiseContext& c, std::string_view layer) {
  const auto& a = c.attrs<QuantizeAttrs>();
  if (a.block_size != 0 || !a.saturate) return false;
  if (c.has(2)) {
    const Tensor* zero = c.constant(2);
    for (int64_t i = 0; !zero || i < zero->count(); ++i)
      if (!zero || zero->get(i) != 0) return false;
  }
  c.become(layer);
  c.set("to_type", a.to);
  c.set("axis", a.axis < 0 ? a.axis + static_cast<int64_t>(c.shape(0).size()) : a.axis);
  c.inputs.resize(2);
  return true;
}
void raise_quantize(RaiseContext& c) { set_quantization(c, "trt.Quantize"); }
void raise_dequantize(RaiseContext& c) { set_quantization(c, "trt.Dequantize"); }

void raise_cast(RaiseContext& c) {
  if (!c.attrs<CastAttrs>().saturate) return;
  c.become("trt.Cast");
  c.set("to_type", c.attrs<CastAttrs>().to);
}
void raise_rotary(RaiseContext& c) {
  const auto& a = c.attrs<RotaryEmbeddingAttrs>();
  if (a.num_heads != 0 || c.shape(0).size() != 4) return;
  c.become("trt.RotaryEmbedding");
  c.set("interleaved", a.interleaved);
  c.set("rotary_embedding_dim", a.rotary_embedding_dim);
}
void raise_cache_write(RaiseContext& c) {
  const auto& a = c.attrs<TensorScatterAttrs>();
  if (c.has(2) && !a.circular && c.axis(a.axis) + 2 == c.shape(0).size()) c.become("trt.KVCacheUpdate");
}
void raise_identity(RaiseContext& c) { c.become("trt.Identity"); }
void raise_where(RaiseContext& c) { c.become("trt.Select"); }
void raise_prelu(RaiseContext& c) { c.become("trt.ParametricReLU"); }

}  // namespace

std::vector<RaiseRule> raise_compute_rules() {
  std::vector<RaiseRule> rules{{"Conv", raise_conv},
                               {"ConvTranspose", raise_conv_transpose},
                               {"Pool", raise_pool},
                               {"Reduce", raise_reduce},
                               {"Relu", raise_plain<0>},
                               {"Sigmoid", raise_plain<1>},
                               {"Tanh", raise_plain<2>},
                               {"LeakyRelu", raise_alpha<3>},
                               {"Elu", raise_alpha<4>},
                               {"Selu", raise_alpha_beta<5>},
                               {"Softsign", raise_plain<6>},
                               {"Softplus", raise_softplus},
                               {"Clip", raise_clip},
                               {"HardSigmoid", raise_alpha_beta<9>},
                               {"ScaledTanh", raise_alpha_beta<10>},
                               {"ThresholdedRelu", raise_alpha<11>},
                               {"Gelu", raise_gelu},
                               {"ParametricSoftplus", raise_parametric_softplus},
                               {"RotaryEmbedding", raise_rotary},
                               {"TensorScatter", raise_cache_write},
                               {"MatMul", raise_matmul},
                               {"Softmax", raise_softmax},
                               {"LayerNormalization", raise_layer_norm},
                               {"LRN", raise_lrn},
                               {"TopK", raise_top_k},
                               {"NonZero", raise_non_zero},
                               {"OneHot", raise_one_hot},
                               {"QuantizeLinear", raise_quantize},
                               {"DequantizeLinear", raise_dequantize},
                               {"Cast", raise_cast},
                               {"Identity", raise_identity},
                               {"Where", raise_where},
                               {"PRelu", raise_prelu}};
  for (const char* op : kUnaryOps) rules.push_back({op, raise_unary});
  for (const char* op : kElementWiseOps) rules.push_back({op, raise_elementwise});
  return rules;
}

}  // namespace tenon::ops::trt
