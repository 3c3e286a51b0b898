#include <doctest/doctest.h>

#include <algorithm>

#include "ops/trt/raise_trial.h"

namespace tenon::ops::trt {

TEST_CASE("raise: layers that compute lower to what they came from") {
  const Operand image = Typed(kF32, "n, 4, 7, 9"), matrix = Typed(kF32, "n, 6");
  using I = std::vector<int64_t>;
  const Case cases[] = {
      {"Conv",
       "trt.Convolution",
       {image, weights({6, 2, 3, 2}), weights({6})},
       {{"group", 2}, {"strides", I{2, 1}}, {"pads", I{1, 0, 2, 1}}, {"dilations", I{1, 2}}}},
      {"Conv", "trt.Convolution", {image, Typed(kF32, "6, 4, 3, 3"), weights({6})}},
      {"ConvTranspose", "trt.Deconvolution", {image, weights({4, 3, 2, 2}), weights({3})}, {{"strides", I{2, 2}}}},
      {"ConvTranspose",
       "trt.Deconvolution",
       {image, weights({4, 3, 3, 3}), weights({3})},
       {{"strides", I{2, 2}}, {"pads", I{1, 1, 1, 1}}, {"output_padding", I{1, 1}}}},
      {"MaxPool", "trt.Pooling", {image}, {{"kernel_shape", I{2, 3}}, {"strides", I{2, 2}}, {"ceil_mode", 1}}},
      {"MaxPool", "Pool", {image}, {{"kernel_shape", I{2, 2}}, {"dilations", I{2, 1}}}},
      {"AveragePool",
       "trt.Pooling",
       {image},
       {{"kernel_shape", I{3, 3}}, {"pads", I{1, 1, 1, 1}}, {"count_include_pad", 1}}},
      {"AveragePool", "trt.Pooling", {image}, {{"kernel_shape", I{3, 3}}, {"pads", I{1, 0, 1, 1}}}},
      {"GlobalAveragePool", "trt.Reduce", {image}},
      {"GlobalMaxPool", "trt.Reduce", {image}},
      {"Relu", "trt.Activation", {image}},
      {"LeakyRelu", "trt.Activation", {image}, {{"alpha", 0.3F}}},
      {"Elu", "trt.Activation", {image}, {{"alpha", 0.7F}}},
      {"Selu", "trt.Activation", {image}},
      {"HardSigmoid", "trt.Activation", {image}, {{"alpha", 0.4F}, {"beta", 0.1F}}},
      {"ThresholdedRelu", "trt.Activation", {image}, {{"alpha", 0.2F}}},
      {"Softplus", "trt.Activation", {image}},
      {"Clip", "trt.Activation", {image, trial::f32({}, {-0.5}), trial::f32({}, {0.25})}},
      {"Clip", "trt.Activation", {image, trial::f32({}, {0})}},
      {"Erf", "trt.Unary", {image}},
      {"Reciprocal", "trt.Unary", {image}},
      {"Sub", "trt.ElementWise", {image, image}},
      {"Mul", "trt.ElementWise", {image, weights({7, 1})}},
      {"Less", "trt.ElementWise", {image, weights({1, 4, 1, 1})}},
      {"MatMul", "trt.MatrixMultiply", {Typed(kF32, "n, 3, 6"), weights({6, 5})}},
      {"Gemm", "trt.MatrixMultiply", {matrix, weights({5, 6}), weights({5})}, {{"transB", 1}}},
      {"Softmax", "trt.SoftMax", {image}, {{"axis", -3}}},
      {"ReduceMean", "trt.Reduce", {image}, {{"axes", I{-1, 1}}, {"keepdims", 0}}},
      {"ReduceLogSumExp",
       "trt.Reduce trt.ElementWise trt.Unary trt.Reduce trt.Unary trt.ElementWise",
       {image},
       {{"axes", I{1}}}},
      {"LayerNormalization",
       "trt.Normalization",
       {Typed(kF32, "n, 3, 8"), weights({8}), weights({8})},
       {{"epsilon", 0.01F}}},
      {"LRN", "trt.LRN", {image}, {{"size", 3}, {"alpha", 0.2F}}},
      {"TopK", "trt.TopK", {matrix, trial::i64({3})}, {{"largest", 0}}, 2},
      {"NonZero", "trt.NonZero", {matrix}},
      {"OneHot", "trt.OneHot", {trial::i64({1, 0, 3}), trial::i64({}, {5}), weights({2})}},
      {"QuantizeLinear", "trt.Quantize", {image, weights({4}), trial::tensor<int64_t>(DType::kI8, {4}, {0, 0, 0, 0})}},
      {"QuantizeLinear", "QuantizeLinear", {image, trial::f32({}, {0.1}), trial::tensor<int64_t>(DType::kU8, {}, {9})}},
      {"Cast", "trt.Cast", {image}, {{"to", DType::kI32}}},
      {"Where", "trt.Select", {trial::boolean({6}, {1, 0, 1, 1, 0, 0}), matrix, weights({1})}},
      {"PRelu", "trt.ParametricReLU", {image, weights({4, 1, 1})}},
      {"Einsum", "trt.Einsum", {matrix, weights({6, 5})}, {{"equation", "ij,jk->k"}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("raise: layers that move elements lower to what they came from") {
  const Operand image = Typed(kF32, "n, 4, 7, 9"), fixed = Typed(kF32, "2, 4, 7, 9");
  using I = std::vector<int64_t>;
  const Case cases[] = {
      {"Reshape", "trt.Shuffle", {image, trial::i64({0, -1, 9})}},
      {"Transpose", "trt.Shuffle", {image}, {{"perm", I{0, 2, 3, 1}}}},
      {"Flatten", "trt.Shuffle", {image}},
      {"Unsqueeze", "trt.Shuffle", {image, trial::i64({2})}},
      {"Unsqueeze", "trt.Shuffle", {image, trial::i64({0})}},
      {"Unsqueeze", "Unsqueeze", {Typed(kF32, "n, m"), trial::i64({0})}},
      {"Squeeze", "trt.Shuffle", {Typed(kF32, "n, 1, 5, 1"), trial::i64({1, 3})}},
      {"Slice",
       "trt.Slice",
       {image, trial::i64({-3, 1}), trial::i64({INT64_MAX, 8}), trial::i64({2, 3}), trial::i64({1, 2})}},
      {"Slice", "trt.Slice", {fixed, trial::i64({8}), trial::i64({INT64_MIN}), trial::i64({3}), trial::i64({-2})}},
      {"Slice",
       "trt.Shape trt.Gather trt.ElementWise trt.ElementWise trt.ElementWise trt.ElementWise trt.ElementWise "
       "trt.ElementWise trt.ElementWise trt.Slice",
       {image, trial::i64({0}), trial::i64({-1}), trial::i64({0})}},
      {"Pad", "trt.Padding", {image, trial::i64({0, 0, 1, 2, 0, 0, 0, -1})}},
      {"Pad", "trt.Slice", {fixed, trial::i64({0, 1, 0, 2, 0, 1, 1, 0}), trial::f32({}, {0.5})}},
      {"Pad", "trt.Slice", {fixed, trial::i64({0, 0, 1, 2, 0, 0, 3, 0})}, {{"mode", "reflect"}}},
      {"Pad",
       "trt.ElementWise trt.Shape trt.ElementWise trt.ElementWise trt.Slice",
       {image, trial::i64({0, 1, 0, 2, 0, 1, 1, 0})}},
      {"Resize", "trt.Resize", {image, Tensor(), trial::f32({4}, {1, 1, 2, 1.5})}, {{"mode", "linear"}}},
      {"Resize",
       "trt.Resize",
       {fixed, Tensor(), Tensor(), trial::i64({2, 4, 5, 20})},
       {{"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}}},
      {"Resize",
       "Resize",
       {fixed, Tensor(), Tensor(), trial::i64({2, 4, 5, 20})},
       {{"mode", "linear"}, {"antialias", 1}}},
      {"Gather", "trt.Gather", {image, trial::i64({2, 0})}, {{"axis", -3}}},
      {"GatherElements", "trt.Gather", {Typed(kF32, "2, 3"), trial::i64({1, 3}, {1, 0, 1})}},
      {"GatherND", "trt.Gather", {fixed, trial::i64({2, 1}, {3, 0})}, {{"batch_dims", 1}}},
      {"ScatterElements", "trt.Scatter", {Typed(kF32, "2, 3"), trial::i64({1, 3}, {1, 0, 1}), weights({1, 3})}},
      {"ScatterND", "ScatterND", {Typed(kF32, "3"), trial::i64({1, 1}, {2}), weights({1})}, {{"reduction", "add"}}},
      {"Concat", "trt.Concatenation", {image, image}, {{"axis", -1}}},
      {"Shape", "trt.Shape", {image}},
      {"Shape", "trt.Shape", {image}, {{"end", 4}}},
      {"Shape", "trt.Shape trt.Slice", {image}, {{"start", 1}}},
      {"Shape", "trt.Shape trt.Slice", {image}, {{"start", -3}, {"end", -1}}},
      {"Shape", "trt.Shape trt.Slice", {image}, {{"start", 3}, {"end", 2}}},
      {"GridSample", "trt.GridSample", {fixed, Typed(kF32, "2, 3, 3, 2")}, {{"padding_mode", "border"}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("raise: operators that are several layers") {
  const Operand image = Typed(kF32, "n, 4, 6, 10"), fixed = Typed(kF32, "2, 4, 6, 10");
  const Tensor positive = trial::f32({4}, {1, 0.5, 2, 0.25});
  using I = std::vector<int64_t>;
  const std::string slices = "trt.Slice trt.Slice trt.Slice";
  const Case cases[] = {
      {"Split", slices, {fixed, trial::i64({3, 1, 2})}, {{"axis", 2}}, 3},
      {"Split", slices, {image}, {{"axis", -1}, {"num_outputs", 3}}, 3},
      {"Split", slices, {image, trial::i64({1, 1, 2})}, {{"axis", 1}}, 3},
      {"Split",
       "trt.Shape trt.Gather trt.ElementWise trt.ElementWise trt.Slice trt.ElementWise trt.ElementWise trt.Slice",
       {Typed(kF32, "(2 * n), 4")},
       {{"num_outputs", 2}},
       2},
      {"BatchNormalization", "trt.Scale", {image, weights({4}), weights({4}), weights({4}), positive}},
      {"BatchNormalization",
       "trt.Shuffle trt.ElementWise trt.Unary trt.Shuffle trt.ElementWise trt.Shuffle "
       "trt.ElementWise trt.ElementWise trt.Shuffle trt.ElementWise",
       {image, Typed(kF32, "4"), weights({4}), weights({4}), positive}},
      {"InstanceNormalization", "trt.Shuffle trt.Shuffle trt.Normalization", {image, weights({4}), weights({4})}},
      {"GroupNormalization",  // opset 18 has a scale and a bias a group, which the import repeats
       "trt.Shuffle trt.Shuffle trt.Slice trt.Shuffle trt.Slice trt.Shuffle trt.Shuffle trt.Shuffle trt.Normalization",
       {image, weights({2}), weights({2})},
       {{"num_groups", 2}}},
      {"HardSwish", "trt.Activation trt.ElementWise", {image}},
      {"Mish", "trt.Activation trt.Activation trt.ElementWise", {image}},
      {"GreaterOrEqual", "trt.ElementWise trt.ElementWise trt.ElementWise", {fixed, weights({10})}},
      {"LessOrEqual", "trt.ElementWise trt.ElementWise trt.ElementWise", {fixed, fixed}},
      {"ReduceL1", "trt.Unary trt.Reduce", {image, trial::i64({-1, 1})}},
      {"ReduceL2", "trt.ElementWise trt.Reduce trt.Unary", {image, trial::i64({2})}, {{"keepdims", 0}}},
      {"ReduceSumSquare", "trt.ElementWise trt.Reduce", {image, trial::i64({2})}},
      {"ReduceLogSumExp",
       "trt.Reduce trt.ElementWise trt.Unary trt.Reduce trt.Unary trt.ElementWise",
       {image, trial::i64({2})}},
      {"ArgMax", "trt.TopK", {image}, {{"axis", 1}}},
      {"ArgMin", "trt.TopK trt.Shuffle", {image}, {{"axis", 1}, {"keepdims", 0}}},
      {"ArgMax",
       "trt.Shape trt.ElementWise trt.ElementWise trt.Gather trt.Shuffle trt.Slice trt.TopK trt.ElementWise",
       {image},
       {{"axis", 1}, {"select_last_index", 1}}},
      {"ConvTranspose",
       "trt.Deconvolution trt.Padding",
       {image, weights({4, 3, 2, 2})},
       {{"strides", I{2, 2}}, {"output_padding", I{1, 0}}}},
      {"DepthToSpace", "trt.Shuffle trt.Shuffle", {image}, {{"blocksize", 2}}},
      {"DepthToSpace", "trt.Shuffle trt.Shuffle", {image}, {{"blocksize", 2}, {"mode", "CRD"}}},
      {"SpaceToDepth", "trt.Shuffle trt.Shuffle", {image}, {{"blocksize", 2}}},
      {"Tile", "trt.Slice", {Typed(kF32, "2, 3"), trial::i64({3, 2})}},
      {"Expand", "trt.Slice", {Typed(kF32, "2, 1, 3"), trial::i64({2, 4, 1})}},
      {"Expand", "trt.Shuffle trt.Slice", {Typed(kF32, "3, 1"), trial::i64({2, 1, 4})}},
      {"CumSum", "trt.Cumulative", {image, Tensor::scalar_i64(2)}, {{"reverse", 1}}},
      {"Size", "trt.Shape trt.Reduce", {image}},
      {"TensorScatter",
       "trt.KVCacheUpdate",
       {Typed(kF32, "2, 3, 8, 4"), Typed(kF32, "2, 3, 2, 4"), trial::i64({2}, {5, 0})},
       {},
       1,
       24},
      {"RotaryEmbedding",
       "trt.RotaryEmbedding",
       {Typed(kF32, "2, 3, 5, 4"), Typed(kF32, "9, 2"), Typed(kF32, "9, 2"),
        trial::i64({2, 5}, {0, 1, 2, 3, 4, 4, 5, 6, 7, 8})},
       {{"interleaved", 1}},
       1,
       24},
      {"ReverseSequence",
       "trt.ReverseSequence",
       {fixed, trial::i64({2, 5, 6, 0})},
       {{"time_axis", 2}, {"batch_axis", 1}}},
      {"NonMaxSuppression",
       "trt.Shuffle trt.NMS",
       {trial::noise({1, 6, 4}, 3), trial::noise({1, 2, 6}, 4), trial::i64({2}), trial::f32({1}, {0.3}),
        trial::f32({1}, {0})}},
  };
  for (const Case& test : cases) check(test);
}

/// Every operator of ONNX's name that a parsed network shows as a plugin layer whatever its attributes are.
/// docs/interface.md says why; one that TensorRT has layers for gets a rule instead of a place here.
TEST_CASE("raise: the operators without a rule") {
  std::vector<std::string> without;
  for (const OpDef& op : all_ops())
    if (find_onnx_rule("", op.name, 24) && !has_layers(op.name)) without.emplace_back(op.name);
  std::sort(without.begin(), without.end());
  std::string names;
  for (const std::string& name : without) names += cat(names.empty() ? "" : " ", name);
  CHECK(
      names ==
      "AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Compress CumProd "
      "DFT DeformConv Det MaxRoiPool MaxUnpool Multinomial RoiAlign StringConcat StringNormalizer StringSplit Unique");
}

TEST_CASE("raise: weights of a convolution move into the layer") {
  FakeImport source("Conv", 11, {Typed(kF32, "n, 4, 7, 7"), weights({6, 4, 3, 3})});
  source.import();
  ir::Graph& graph = source.graph();
  const void* bytes = graph.constant(graph.node(0).inputs[1])->data().data();
  REQUIRE(raise_node(graph, 0));
  const ir::Node& layer = graph.node(0);
  CHECK(layer.inputs.size() == 1);
  const auto& kernel = layer.attrs.find("kernel_weights")->of<Tensor>(layer.attrs.data());
  CHECK(kernel.data().data() == bytes);  // shared, not copied
  CHECK(layer.attrs.find("nb_output_maps")->of<int64_t>(layer.attrs.data()) == 6);
}

}  // namespace tenon::ops::trt
