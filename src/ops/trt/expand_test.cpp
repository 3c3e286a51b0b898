#include "ops/trt/expand.h"

#include <doctest/doctest.h>

#include "ops/control/control.h"
#include "ops/rnn/rnn.h"
#include "ops/trt/raise_trial.h"

namespace tenon::ops::trt {
namespace {

using I = std::vector<int64_t>;
const Operand kImage = Typed(kF32, "n, 4, 7, 9"), kFixed = Typed(kF32, "2, 4, 7, 9");

TEST_CASE("expand: constants and fills") {
  const Operand shape = Typed(DType::kI64, "2"), two = Typed(kF32, "n, 5");
  const Tensor half = trial::f32({1}, {0.5});
  const Tensor seven = trial::i64({1}, {7}), yes = trial::boolean({1}, {1});
  const Case cases[] = {
      {"ConstantOfShape", "trt.Constant", {trial::i64({2, 3})}, {{"value", half}}},
      {"ConstantOfShape", "trt.Fill", {trial::i64({70, 80})}, {{"value", half}}},
      {"ConstantOfShape", "trt.Fill", {shape}, {{"value", half}}, 1, 18, {{0, trial::i64({3, 2})}}},
      {"ConstantOfShape", "trt.Fill", {shape}, {{"value", seven}}, 1, 18, {{0, trial::i64({3, 2})}}},
      {"ConstantOfShape", "trt.Fill trt.Cast", {shape}, {{"value", yes}}, 1, 18, {{0, trial::i64({0, 2})}}},
      {"ConstantOfShape", "trt.Fill trt.Identity", {shape}, {{"value", yes}}, 1, 18, {{0, trial::i64({3, 2})}}, 7},
      {"EyeLike", "trt.Constant", {Typed(kF32, "3, 4")}, {{"k", 1}}},
      {"EyeLike", "trt.Shape trt.Gather trt.Fill trt.ElementWise trt.Cast", {two}, {{"k", -1}}},
      {"RandomNormal", "trt.Fill", {}, {{"shape", I{3, 4}}, {"mean", 2.0F}, {"seed", 5.0F}}},
      {"RandomUniform", "trt.Fill", {}, {{"shape", I{3}}, {"low", -1.0F}, {"high", 3.0F}}},
      {"RandomUniform", "trt.Fill trt.Cast", {}, {{"shape", I{3}}, {"dtype", DType::kF16}}},
      {"RandomUniformLike", "trt.Shape trt.Fill", {two}, {{"high", 3.0F}}},
      {"RandomNormalLike", "trt.Fill", {Typed(kF32, "3, 2")}, {{"scale", 0.5F}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("expand: ranges") {
  const auto number = [](DType type) { return Typed(type, ""); };
  const auto value = [](int64_t v) { return Tensor::scalar_i64(v); };
  const DType i64 = DType::kI64;
  const std::string by_one = "trt.Shuffle trt.ElementWise trt.Fill";
  for (const auto& [limit, layers] : {std::pair<int64_t, std::string>{5, by_one}, {-3, by_one}})
    check({"Range", layers, {value(0), number(i64), value(1)}, {}, 1, 18, {{0, value(limit)}}});
  for (const auto& [start, limit, step] : {std::tuple{2, 11, 3}, {9, -2, -4}, {3, 3, 1}, {5, 2, 1}, {-7, 8, 2}})
    check({"Range",
           "",
           {number(i64), number(i64), number(i64)},
           {},
           1,
           18,
           {{0, value(start)}, {1, value(limit)}, {2, value(step)}}});
  for (const auto& [start, limit, step] : {std::tuple{0.5, 2.25, 0.5}, {3.0, -1.0, -0.75}, {1.0, 0.0, 1.0}})
    check({"Range",
           "",
           {number(kF32), number(kF32), number(kF32)},
           {},
           1,
           18,
           {{0, trial::f32({}, {start})}, {1, trial::f32({}, {limit})}, {2, trial::f32({}, {step})}}});
}

TEST_CASE("expand: windows of signals and short-time spectra") {
  for (const char* op : {"HannWindow", "HammingWindow", "BlackmanWindow"})
    for (int64_t periodic : {0, 1})
      for (int64_t size : {1, 2, 9}) {
        check({op,
               "",
               {Typed(DType::kI32, "")},
               {{"periodic", periodic}},
               1,
               17,
               {{0, trial::tensor<int64_t>(DType::kI32, {}, {size})}},
               11,
               1e-5});
        check({op,
               "",
               {Tensor::scalar_i64(size)},
               {{"periodic", periodic}, {"output_datatype", DType::kF16}},
               1,
               17,
               {},
               7,
               1e-3});
      }
  const Operand fixed = Typed(kF32, "2, 20, 1"), open = Typed(kF32, "n, m, 1"), none;
  const Tensor step = Tensor::scalar_i64(3), length = Tensor::scalar_i64(8);
  const Tensor data = trial::noise({2, 20, 1}, 3);
  for (const Operand& x : {fixed, open})
    for (int64_t onesided : {0, 1}) {
      check({"STFT", "", {x, step, weights({8})}, {{"onesided", onesided}}, 1, 17, {{0, data}}, 11, 1e-5});
      check({"STFT", "", {x, step, none, length}, {{"onesided", onesided}}, 1, 17, {{0, data}}, 7, 1e-5});
    }
  check({"STFT", "", {fixed, step, Typed(kF32, "7"), Tensor::scalar_i64(7)}, {}, 1, 17, {{0, data}}, 10, 1e-5});
  check({"STFT", "STFT", {Typed(kF32, "2, 20, 2"), step, none, length}, {}, 1, 17});
}

TEST_CASE("expand: triangles") {
  const std::string layers = "trt.Shape trt.Gather trt.Concatenation trt.Fill trt.ElementWise trt.Select";
  check({"Trilu", layers, {Typed(kF32, "2, n, 5")}, {{"upper", 0}}});
  check({"Trilu", "trt.Fill trt.ElementWise trt.Select", {Typed(kF32, "4, 5"), Tensor::scalar_i64(1)}});
  for (int64_t k : {-2, 0, 3})
    for (int upper : {0, 1})
      check({"Trilu",
             "",
             {Typed(DType::kI64, "2, n, 4"), Typed(DType::kI64, "")},
             {{"upper", upper}},
             1,
             18,
             {{0, trial::i64({2, 3, 4}, std::vector<int64_t>(24, 7))}, {1, Tensor::scalar_i64(k)}}});
}

TEST_CASE("expand: activations and soft maxima") {
  const Operand whole = Typed(DType::kI64, "n, 3");
  const Tensor dividends = trial::i64({2, 3}, {7, -7, 8, -8, 0, 5}), divisors = trial::i64({3}, {3, 3, -3});
  const Case cases[] = {
      {"LogSoftmax", "trt.SoftMax trt.Unary", {kImage}, {{"axis", 1}}},
      {"Celu", "trt.ElementWise trt.Activation trt.ElementWise", {kImage}, {{"alpha", 0.4F}}},
      {"Celu", "trt.Activation", {kImage}},
      {"Shrink",
       "trt.ElementWise trt.ElementWise trt.ElementWise trt.Select trt.ElementWise trt.Select",
       {kImage},
       {{"bias", 0.25F}, {"lambd", 0.3F}}},
      {"Hardmax", "trt.TopK trt.ElementWise trt.Cast", {kImage}, {{"axis", -1}}},
      {"Hardmax", "trt.TopK trt.ElementWise trt.Identity", {kImage}, {{"axis", 2}}, 1, 18, {}, 7},
      {"Mod",
       "trt.ElementWise trt.ElementWise trt.ElementWise",
       {whole, Typed(DType::kI64, "3")},
       {},
       1,
       18,
       {{0, dividends}, {1, divisors}}},
      {"Mod",
       "trt.ElementWise trt.ElementWise trt.ElementWise",
       {whole, Typed(DType::kI64, "3")},
       {{"fmod", 1}},
       1,
       18,
       {{0, dividends}, {1, divisors}}},
      {"Mod",
       "trt.ElementWise trt.ElementWise trt.Unary trt.Unary trt.Select trt.ElementWise trt.ElementWise",
       {kImage, trial::f32({}, {0.375})},
       {{"fmod", 1}}},
      {"LpNormalization",
       "trt.ElementWise trt.Reduce trt.Unary trt.ElementWise trt.Select trt.ElementWise",
       {kImage},
       {{"axis", 1}}},
      {"LpNormalization", "", {kImage}, {{"axis", 3}, {"p", 1}}},
      {"ReduceLogSumExp", "", {kImage, trial::i64({1, 3})}, {{"keepdims", 0}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("expand: windows") {
  const Case cases[] = {
      {"LpPool",
       "trt.ElementWise trt.Pooling trt.ElementWise trt.Unary",
       {kImage},
       {{"kernel_shape", I{2, 3}}, {"strides", I{2, 1}}, {"pads", I{1, 0, 1, 2}}}},
      {"LpPool", "trt.Unary trt.Pooling trt.ElementWise", {kImage}, {{"kernel_shape", I{2, 2}}, {"p", 1}}},
      {"LpPool", "", {kImage}, {{"kernel_shape", I{2, 2}}, {"p", 3}}},
      {"GlobalLpPool", "trt.ElementWise trt.Reduce trt.Unary", {kImage}},
      {"MaxPool",
       "trt.Slice trt.Slice trt.ElementWise trt.Slice trt.ElementWise trt.Slice trt.ElementWise",
       {kFixed},
       {{"kernel_shape", I{2, 2}}, {"dilations", I{2, 1}}, {"pads", I{1, 0, 0, 1}}, {"strides", I{1, 2}}}},
      {"ConvTranspose",
       "trt.Deconvolution trt.Padding trt.Shuffle trt.ElementWise",
       {kImage, weights({4, 3, 2, 3}), weights({6})},
       {{"strides", I{3, 2}}, {"pads", I{0, 1, 1, 0}}, {"output_padding", I{2, 1}}, {"group", 2}}},
      {"ConvTranspose",
       "trt.Deconvolution trt.Padding trt.Shuffle trt.ElementWise",
       {Typed(kF32, "n, 4, 7"), Typed(kF32, "4, 3, 2"), weights({3})},
       {{"strides", I{3}}, {"output_padding", I{2}}}},
      {"ConvTranspose",
       "trt.Deconvolution trt.Shape trt.ElementWise trt.Slice trt.Shuffle trt.ElementWise",
       {Typed(kF32, "n, 2, 3, 2, 4"), weights({2, 3, 2, 2, 1}), weights({3})},
       {{"strides", I{2, 2, 2}}, {"output_padding", I{1, 0, 1}}}},
      {"AveragePool", "", {kFixed}, {{"kernel_shape", I{2, 3}}, {"dilations", I{3, 2}}}, 1, 19},
      {"AveragePool",
       "",
       {kFixed},
       {{"kernel_shape", I{2, 3}}, {"dilations", I{3, 2}}, {"pads", I{1, 1, 2, 0}}, {"count_include_pad", 1}},
       1,
       19},
      {"MaxPool", "Pool", {kImage}, {{"kernel_shape", I{2, 2}}, {"dilations", I{2, 1}}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("expand: the last of the extremes") {
  const Tensor data = trial::f32({2, 4}, {1, 3, 3, 0, 2, 2, 2, 2});
  for (const char* op : {"ArgMax", "ArgMin"})
    for (int64_t keep : {0, 1})
      for (const char* dims : {"2, 4", "n, 4", "n, m"})
        for (int64_t axis : {0, 1})
          check({op,
                 "",
                 {Typed(kF32, dims)},
                 {{"axis", axis}, {"keepdims", keep}, {"select_last_index", 1}},
                 1,
                 13,
                 {{0, data}}});
  check(
      {"ArgMax", "trt.Slice trt.TopK trt.ElementWise", {Typed(kF32, "2, 4")}, {{"axis", 1}, {"select_last_index", 1}}});
}

TEST_CASE("expand: what later releases have a number for") {
  const Operand x = Typed(kF32, "n, 4");
  const float inf = INFINITY;
  const std::map<size_t, Tensor> some{
      {0, trial::f32({3, 4}, {0.5, 1.5, -0.5, -1.5, 2.5, -2.5, 0.75, -3, inf, -inf, 0, 7.25})}},
      odd{{0, trial::f32({2, 4}, {NAN, 1, -inf, inf, 0, -1, 3, NAN})}};
  const std::string gelu = "trt.ElementWise trt.Unary trt.ElementWise trt.ElementWise trt.ElementWise";
  const std::pair<Case, int> cases[] = {
      {{"Round", "", {x}, {}, 1, 11, some}, 7},
      {{"Sign", "trt.ElementWise trt.Select trt.ElementWise trt.Select", {x}, {}, 1, 13, some}, 7},
      {{"Sign", "", {Typed(DType::kI32, "3")}, {}, 1, 13, {{0, trial::tensor<int64_t>(DType::kI32, {3}, {-4, 0, 9})}}},
       7},
      {{"IsNaN", "trt.ElementWise trt.Unary", {x}, {}, 1, 13, odd}, 8},
      {{"IsInf", "trt.Unary trt.ElementWise", {x}, {}, 1, 10, odd}, 7},
      {{"IsInf", "trt.ElementWise", {x}, {{"detect_negative", 0}}, 1, 10, odd}, 7},
      {{"IsInf", "trt.ElementWise", {x}, {{"detect_positive", 0}}, 1, 10, odd}, 7},
      {{"IsInf", "trt.Unary trt.ElementWise trt.ElementWise", {x}, {{"detect_positive", 0}}, 1, 10, odd}, 8},
      {{"Gelu", "", {x}, {}, 1, 20}, 8},
      {{"Gelu", "", {x}, {{"approximate", "tanh"}}, 1, 20}, 8},
      {{"LayerNormalization", "", {kImage, weights({9}), weights({9})}, {{"epsilon", 0.01F}}, 1, 17}, 7},
  };
  for (const auto& [each, level] : cases) {
    Case test = each;
    test.level = level;
    test.one_layer = false;
    check(test);
  }
}

TEST_CASE("expand: slices whose axes or steps are computed") {
  const Operand two = Typed(DType::kI64, "2"), x = Typed(kF32, "n, 5, 6"), none;
  const Tensor data = trial::noise({3, 5, 6}, 4);
  const auto check_with = [&](const I& starts, const I& ends, const I& axes, const I& steps, bool known_axes,
                              int level) {
    CAPTURE(starts[0]);
    std::map<size_t, Tensor> feeds{{0, data}, {1, trial::i64(starts)}, {2, trial::i64(ends)}};
    if (!known_axes) feeds.emplace(feeds.size(), trial::i64(axes));
    feeds.emplace(feeds.size(), trial::i64(steps));
    check({"Slice", "", {x, two, two, known_axes ? Operand(trial::i64(axes)) : two, two}, {}, 1, 18, feeds, level});
  };
  for (bool known : {false, true})
    for (int level : {8, 11}) {
      if (!known && level < 10) continue;
      check_with({-2, -9}, {9, -1}, {1, 2}, {1, 2}, known, level);
      check_with({4, 5}, {0, INT64_MIN}, {1, 2}, {-1, -2}, known, level);
      check_with({9, 0}, {INT64_MIN, 9}, {-1, 1}, {-4, 2}, known, level);
      check_with({3, 5}, {1, 2}, {1, 2}, {1, 1}, known, level);
      check_with({-1, 0}, {-3, 2}, {-3, 2}, {-1, 1}, known, level);
    }
  check({"Slice",
         "",
         {x, trial::i64({1}), trial::i64({4}), Typed(DType::kI64, "1")},
         {},
         1,
         18,
         {{0, data}, {1, trial::i64({-1})}}});
  check({"Slice",
         "",
         {x, Typed(DType::kI32, "3"), Typed(DType::kI32, "3"), none, Typed(DType::kI32, "3")},
         {},
         1,
         18,
         {{0, data},
          {1, trial::tensor<int64_t>(DType::kI32, {3}, {2, 0, -1})},
          {2, trial::tensor<int64_t>(DType::kI32, {3}, {0, 9, -9})},
          {3, trial::tensor<int64_t>(DType::kI32, {3}, {-1, 3, -2})}},
         8});
  check({"Slice",
         "Slice",
         {x, two, two, two},
         {},
         1,
         18,
         {{0, data}, {1, trial::i64({0, 0})}, {2, trial::i64({1, 1})}, {3, trial::i64({0, 2})}},
         8});
}

/// Bounds that lie inside, outside, on the other side, and from the end.
TEST_CASE("expand: slices and pads whose numbers are computed") {
  const Operand bounds = Typed(DType::kI64, "2"), x = Typed(kF32, "n, 5, 6");
  const Tensor data = trial::noise({3, 5, 6}, 4);
  struct Bounds {
    I starts, ends, axes, steps;
  };
  const Bounds all[] = {{{0, 1}, {2, 4}, {0, 2}, {1, 1}},     {{-2, -9}, {9, -1}, {1, 2}, {1, 1}},
                        {{1, 0}, {1, 9}, {1, 2}, {1, 3}},     {{4, 5}, {0, INT64_MIN}, {1, 2}, {-1, -2}},
                        {{-1, 3}, {-4, -2}, {2, 0}, {-1, 1}}, {{9, 0}, {INT64_MIN, 9}, {2, 1}, {-4, 2}},
                        {{3, 5}, {1, 2}, {1, 2}, {1, 1}}};
  for (const Bounds& b : all) {
    CAPTURE(cat(b.starts[0], " ", b.ends[0]));
    for (int level : {8, 11})
      check({"Slice",
             "",
             {x, bounds, bounds, trial::i64(b.axes), trial::i64(b.steps)},
             {},
             1,
             18,
             {{0, data}, {1, trial::i64(b.starts)}, {2, trial::i64(b.ends)}},
             level});
  }
  check({"Slice",
         "",
         {x, trial::i64({0, 1}), trial::Contents("k, -3"), trial::i64({0, 2})},
         {},
         1,
         18,
         {{0, data}, {1, trial::i64({2, -3})}}});
  const std::string layers =
      "trt.Gather trt.Gather trt.ElementWise trt.Shape trt.ElementWise trt.ElementWise trt.Slice";
  for (const char* mode : {"constant", "reflect", "edge", "wrap"})
    check({"Pad",
           layers,
           {x, Typed(DType::kI64, "6")},
           {{"mode", mode}},
           1,
           19,
           {{0, data}, {1, trial::i64({1, 0, 2, 0, 2, 1})}}});
  check({"Pad",
         layers,
         {x, Typed(DType::kI64, "6"), trial::f32({}, {2})},
         {},
         1,
         19,
         {{0, data}, {1, trial::i64({1, 0, -2, -1, 2, 1})}}});
  check({"Pad",
         "",
         {x, Typed(DType::kI64, "4"), trial::Absent(), trial::i64({2, 0})},
         {},
         1,
         19,
         {{0, data}, {1, trial::i64({1, 2, 3, 0})}}});
}

TEST_CASE("expand: parts, repetitions and broadcasts whose numbers are computed") {
  const Operand x = Typed(kF32, "n, 5, 6");
  const Tensor data = trial::noise({3, 5, 6}, 4);
  check({"Split", "", {x, Typed(DType::kI64, "2")}, {{"axis", 1}}, 2, 18, {{0, data}, {1, trial::i64({2, 3})}}});
  check({"Tile",
         "trt.Shape trt.ElementWise trt.Slice",
         {x, Typed(DType::kI64, "3")},
         {},
         1,
         18,
         {{0, data}, {1, trial::i64({2, 1, 3})}}});
  const Tensor nothing = trial::f32({0, 5, 6}, {});
  check({"Tile", "", {x, trial::i64({2, 1, 3})}, {}, 1, 18, {{0, nothing}}});
  check({"Pad", "", {x, trial::i64({0, 1, 0, 0, 1, 2})}, {{"mode", "reflect"}}, 1, 18, {{0, nothing}}});
  const Operand column = Typed(kF32, "3, 1");
  const Tensor one = trial::noise({3, 1}, 5);
  check({"Expand", "", {column, Typed(DType::kI64, "2")}, {}, 1, 18, {{0, one}, {1, trial::i64({1, 4})}}});
  check({"Expand", "", {column, Typed(DType::kI64, "3")}, {}, 1, 18, {{0, one}, {1, trial::i64({2, 3, 4})}}});
  check({"Expand", "", {column, Typed(DType::kI64, "1")}, {}, 1, 18, {{0, one}, {1, trial::i64({5})}}});
  check({"Reshape", "trt.Shuffle", {x, Typed(DType::kI64, "2")}, {}, 1, 18, {{0, data}, {1, trial::i64({-1, 10})}}});
  check({"Transpose", "trt.Shuffle", {x}});
  check({"IsInf",
         "trt.Unary trt.ElementWise trt.ElementWise",
         {Typed(kF32, "4")},
         {{"detect_negative", 0}},
         1,
         18,
         {{0, trial::f32({4}, {INFINITY, -INFINITY, 1, 0})}}});
  check({"Range",
         "",
         {Typed(DType::kF16, ""), Typed(DType::kF16, ""), Typed(DType::kF16, "")},
         {},
         1,
         18,
         {{0, trial::tensor<float>(DType::kF16, {}, {1})},
          {1, trial::tensor<float>(DType::kF16, {}, {5})},
          {2, trial::tensor<float>(DType::kF16, {}, {2})}}});
}

TEST_CASE("expand: normalization by the root mean square, attention") {
  const Operand q = Typed(kF32, "n, 4, 3, 8"), k = Typed(kF32, "n, 2, 5, 8"), v = Typed(kF32, "n, 2, 5, 6");
  const Tensor mask = trial::boolean({3, 5}, {1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
  const Operand none, lengths = Typed(DType::kI64, "n");
  const std::string statistics = "trt.ElementWise trt.Reduce trt.ElementWise trt.Unary trt.ElementWise ";
  const Case cases[] = {
      {"LayerNormalization", "trt.Normalization", {kImage, weights({7, 9})}, {{"axis", 2}}, 1, 17},
      {"LayerNormalization", "trt.Normalization", {kImage, Typed(kF32, "9")}, {}, 1, 17},
      {"LayerNormalization", "", {kImage, weights({9}), weights({9})}, {{"epsilon", 0.01F}}, 3, 17},
      {"LayerNormalization",
       "",
       {Typed(DType::kF16, "n, 3, 8"), Tensor(DType::kF16, {8})},
       {{"axis", -2}},
       2,
       17,
       {},
       11,
       1e-3},
      {"RMSNormalization", statistics + "trt.ElementWise", {kImage, weights({9})}, {{"epsilon", 0.01F}}, 1, 23},
      {"RMSNormalization", "", {Typed(DType::kF16, "n, 3, 8"), Tensor(DType::kF16, {3, 8})}, {{"axis", 1}}, 1, 23},
      {"Attention", "trt.ElementWise trt.Attention", {q, k, v}, {}, 1, 23},
      {"Attention", "trt.ElementWise trt.Attention", {q, k, v}, {{"is_causal", 1}, {"scale", 0.5F}}, 1, 23},
      {"Attention", "trt.ElementWise trt.Shuffle trt.Attention", {q, k, v, mask}, {}, 1, 23},
      {"Attention",
       "trt.Gather trt.MatrixMultiply trt.ElementWise trt.SoftMax trt.Gather trt.MatrixMultiply",
       {q, k, v},
       {},
       1,
       23,
       {},
       10},
      {"Attention", "", {q, k, v, mask}, {{"is_causal", 1}, {"softcap", 2.0F}}, 1, 23, {}, 8},
      {"Attention", "", {q, k, v, weights({4, 3, 5})}, {{"is_causal", 1}}, 1, 23, {}, 8},
      {"Attention", "", {q, k, v, none, none, none, lengths}, {}, 1, 24, {{3, trial::i64({4, 2})}}, 8},
      {"Attention", "", {q, k, v, none, none, none, lengths}, {{"is_causal", 1}}, 1, 24, {{3, trial::i64({4, 3})}}, 8},
      {"Attention", "", {q, k, v, none, none, none, lengths}, {{"is_causal", 1}}, 1, 24, {{3, trial::i64({4, 5})}}},
      {"Attention",
       "trt.ElementWise trt.Attention",
       {q, k, v, none, none, none, lengths},
       {},
       1,
       24,
       {{3, trial::i64({4, 2})}}},
  };
  for (const Case& test : cases) check(test);
}

TEST_CASE("expand: attention with windows, and its scores") {
  const Operand q = Typed(kF32, "n, 4, 3, 8"), k = Typed(kF32, "n, 2, 5, 8"), v = Typed(kF32, "n, 2, 5, 6"), none;
  const Operand lengths = Typed(DType::kI64, "n"), past_k = Typed(kF32, "n, 2, 2, 8"),
                past_v = Typed(kF32, "n, 2, 2, 6");
  const Tensor mask = trial::boolean({3, 5}, {1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
  using Attrs = std::map<std::string, FakeImport::Value>;
  const Attrs windows[] = {{{"left_window_size", 1}},
                           {{"right_window_size", 0}},
                           {{"left_window_size", 0}, {"right_window_size", 1}},
                           {{"left_window_size", 1}, {"is_causal", 1}, {"right_window_size", 2}},
                           {{"left_window_size", INT64_MAX}, {"right_window_size", INT64_MAX}}};
  for (const Attrs& attrs : windows) {
    check({"Attention", "", {q, k, v}, attrs, 1, 25});
    check({"Attention", "", {q, k, v, mask, past_k, past_v}, attrs, 3, 25, {}, 8});
    check({"Attention", "", {q, k, v, none, none, none, lengths}, attrs, 1, 25, {{3, trial::i64({4, 2})}}});
  }
  for (int64_t stage : {0, 1, 2, 3}) {
    check({"Attention",
           "",
           {q, k, v, mask, past_k, past_v},
           {{"qk_matmul_output_mode", stage}, {"softcap", 2.0F}},
           4,
           24});
    check({"Attention",
           "",
           {q, k, v, weights({3, 5}), past_k, past_v},
           {{"qk_matmul_output_mode", stage}, {"is_causal", 1}},
           4,
           24,
           {},
           8});
  }
}

/// Settings of a recurrent operator beside its sizes.
struct Recurrent {
  const char* op;
  RnnAttrs attrs;
  bool bias = false, lengths = false, states = false, peepholes = false;
};

void check_recurrent(const Recurrent& r, bool dynamic, bool computed = false) {
  const std::string op = r.op;
  CAPTURE(op);
  CAPTURE(dynamic);
  const int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1, h = 3, in = 2, batch = 2, steps = 4;
  const int64_t d = r.attrs.direction == RnnDirection::kBidirectional ? 2 : 1;
  ir::Graph graph;
  std::vector<Tensor> given{trial::noise({steps, batch, in}, 3)};
  const ir::Dim n = dynamic ? graph.symbols->named("n") : ir::Dim(batch),
                s = dynamic ? graph.symbols->named("s") : ir::Dim(steps);
  std::vector<ValueId> inputs{graph.add_input("x", kF32, {s, n, in})};
  const auto weight = [&](const ir::Dims& dims, uint64_t seed) {
    if (!computed) return graph.add_constant(trial::noise(dims, seed));
    given.push_back(trial::noise(dims, seed));
    return graph.add_input(cat("weight", seed), kF32, ir::Shape(dims.begin(), dims.end()));
  };
  inputs.push_back(weight({d, gates * h, in}, 4));
  inputs.push_back(weight({d, gates * h, h}, 5));
  inputs.push_back(r.bias ? weight({d, 2 * gates * h}, 6) : ir::kNone);
  inputs.push_back(ir::kNone);
  if (r.lengths) {
    inputs.back() = graph.add_input("lengths", DType::kI32, {n});
    given.push_back(trial::tensor<int64_t>(DType::kI32, {batch}, {2, 4}));
  }
  for (int i = 0; i < (op == "LSTM" ? 2 : 1); ++i) {
    inputs.push_back(r.states ? graph.add_input(cat("state", i), kF32, {d, n, h}) : ir::kNone);
    if (r.states) given.push_back(trial::noise({d, batch, h}, uint64_t(7 + i)));
  }
  if (r.peepholes) inputs.push_back(weight({d, 3 * h}, 9));
  RnnAttrs attrs = r.attrs;
  attrs.hidden_size = h;
  const ir::NodeId node = graph.add_node(op, inputs, attrs, op == "LSTM" ? 3 : 2, "cell");
  graph.outputs = graph.node(node).outputs;
  infer(graph);
  check_graph(graph, given, {.op = r.op, .layers = "", .operands = {}});
}

TEST_CASE("expand: recurrent operators as loops") {
  const std::vector<std::string> lstm{"Sigmoid", "Tanh", "Tanh"}, gru{"Sigmoid", "Tanh"};
  const auto both = [](const std::vector<std::string>& f) {
    std::vector<std::string> twice = f;
    twice.insert(twice.end(), f.begin(), f.end());
    return twice;
  };
  const RnnDirection reverse = RnnDirection::kReverse, two = RnnDirection::kBidirectional;
  const Recurrent all[] = {
      {.op = "LSTM", .attrs = {.activations = lstm}},
      {.op = "LSTM", .attrs = {.activations = lstm}, .bias = true, .states = true, .peepholes = true},
      {.op = "LSTM", .attrs = {.direction = reverse, .activations = lstm}, .bias = true, .lengths = true},
      {.op = "LSTM",
       .attrs = {.direction = two, .activations = both(lstm), .clip = 0.25F, .input_forget = true},
       .bias = true,
       .lengths = true,
       .states = true},
      {.op = "GRU", .attrs = {.activations = gru}, .bias = true},
      {.op = "GRU", .attrs = {.activations = gru, .linear_before_reset = true}, .bias = true, .lengths = true},
      {.op = "GRU",
       .attrs = {.direction = two,
                 .activations = {"HardSigmoid", "Softsign", "Sigmoid", "Affine"},
                 .activation_alpha = {0.3F, 0.7F},
                 .activation_beta = {0.4F, 0.1F},
                 .linear_before_reset = true},
       .states = true},
      {.op = "RNN", .attrs = {.activations = {"Relu"}}, .bias = true},
      {.op = "RNN",
       .attrs =
           {.direction = reverse, .activations = {"ScaledTanh"}, .activation_alpha = {0.5F}, .activation_beta = {2}},
       .bias = true,
       .states = true},
  };
  for (const Recurrent& r : all)
    for (bool dynamic : {false, true}) {
      check_recurrent(r, dynamic);
      check_recurrent(r, dynamic, true);
    }
}

/// x + step, and whether the sum stays below a bound.
std::shared_ptr<ir::Graph> growing_body(const std::shared_ptr<ir::SymbolTable>& symbols, bool bounded) {
  auto body = std::make_shared<ir::Graph>(symbols);
  const ValueId i = body->add_input("i", DType::kI64, {}), going = body->add_input("going", DType::kBool, {});
  const ValueId x = body->add_input("state", kF32, {2}), step = body->add_input("step", kF32, {2});
  const auto add = [&](const char* op, std::vector<ValueId> inputs) {
    const ir::NodeId n = body->add_node(op, std::move(inputs), ir::Attrs(find_op(op).attrs), 1, cat("body_", op));
    infer_node(*body, n);
    return body->node(n).outputs[0];
  };
  const ValueId next = add("Add", {x, step});
  ir::Attrs to(find_op("Cast").attrs);
  const ir::NodeId cast = body->add_node("Cast", {i}, to, 1);
  infer_node(*body, cast);
  const ValueId element = add("Mul", {next, body->node(cast).outputs[0]});
  ValueId on = going;
  if (bounded) {
    const ValueId first = body->add_constant(trial::i64({0}));
    ir::Attrs axis(find_op("Gather").attrs);
    const ir::NodeId picked = body->add_node("Gather", {next, first}, axis, 1);
    infer_node(*body, picked);
    on = add("Less", {body->node(picked).outputs[0], body->add_constant(trial::f32({1}, {2}))});
  }
  body->outputs = {on, next, element};
  return body;
}

TEST_CASE("expand: a loop as its boundary and its body") {
  for (bool bounded : {false, true})
    for (bool dynamic : {false, true}) {
      CAPTURE(bounded);
      CAPTURE(dynamic);
      ir::Graph graph;
      LoopAttrs attrs;
      attrs.carried = 1;
      attrs.body = growing_body(graph.symbols, bounded);
      const ValueId count = bounded && !dynamic ? ir::kNone
                            : dynamic           ? graph.add_input("count", DType::kI64, {})
                                                : graph.add_constant(Tensor::scalar_i64(5));
      const ValueId x = graph.add_input("x", kF32, {2}), step = graph.add_input("s", kF32, {2});
      const ir::NodeId n = graph.add_node("Loop", {count, ir::kNone, x, step}, attrs, 2, "loop");
      graph.outputs = graph.node(n).outputs;
      infer(graph);
      std::vector<Tensor> inputs{trial::f32({2}, {0.5, -1}), trial::f32({2}, {0.75, 0.25})};
      if (dynamic) inputs.insert(inputs.begin(), Tensor::scalar_i64(4));
      check_graph(graph, inputs, {.op = "Loop", .layers = "", .operands = {}});
    }
}

TEST_CASE("expand: a loop whose state grows stays whole") {
  ir::Graph graph;
  LoopAttrs attrs;
  attrs.carried = 1;
  attrs.body = std::make_shared<ir::Graph>(graph.symbols);
  ir::Graph& body = *attrs.body;
  const ir::Dim n = graph.symbols->named("n");
  body.add_input("i", DType::kI64, {});
  const ValueId going = body.add_input("going", DType::kBool, {}), state = body.add_input("state", kF32, {n});
  const ValueId x = body.add_input("x", kF32, {2});
  const ir::NodeId joined = body.add_node("Concat", {state, x}, ir::Attrs(find_op("Concat").attrs), 1);
  infer_node(body, joined);
  body.outputs = {going, body.node(joined).outputs[0]};
  const ValueId count = graph.add_constant(Tensor::scalar_i64(3));
  const std::vector<ValueId> inputs{count, ir::kNone, graph.add_input("first", kF32, {n}),
                                    graph.add_input("x", kF32, {2})};
  const ir::NodeId loop = graph.add_node("Loop", inputs, attrs, 1, "loop");
  graph.outputs = graph.node(loop).outputs;
  infer(graph);
  int64_t regions = 0;
  CHECK(!expand_node(graph, loop, {}, regions));
  CHECK(ops_of(graph) == "Loop");
}

TEST_CASE("expand: a scan, forwards and backwards") {
  for (int64_t direction : {0, 1}) {
    ir::Graph graph;
    auto body = std::make_shared<ir::Graph>(graph.symbols);
    const ValueId state = body->add_input("state", kF32, {3}), slice = body->add_input("slice", kF32, {3});
    const ir::NodeId sum = body->add_node("Add", {state, slice}, {}, 1, "sum");
    infer_node(*body, sum);
    const ir::NodeId square = body->add_node("Mul", {body->node(sum).outputs[0], slice}, {}, 1, "square");
    infer_node(*body, square);
    body->outputs = {body->node(sum).outputs[0], body->node(square).outputs[0]};
    ScanAttrs attrs;
    attrs.body = body;
    attrs.states = attrs.scanned = 1;
    attrs.input_axes = {1}, attrs.input_directions = {direction};
    attrs.output_axes = {-1}, attrs.output_directions = {direction};
    const ValueId first = graph.add_constant(Tensor(kF32, {3}));
    const ValueId x = graph.add_input("x", kF32, {3, graph.symbols->named("s")});
    const ir::NodeId n = graph.add_node("Scan", {first, x}, attrs, 2, "scan");
    graph.outputs = graph.node(n).outputs;
    infer(graph);
    check_graph(graph, {trial::noise({3, 4}, 8)}, {.op = "Scan", .layers = "", .operands = {}});
  }
}

TEST_CASE("expand: a conditional") {
  for (int64_t taken : {0, 1}) {
    ir::Graph graph;
    IfAttrs attrs;
    const auto branch = [&](const char* op) {
      auto body = std::make_shared<ir::Graph>(graph.symbols);
      const ValueId x = body->add_input("x", kF32, {2, 3});
      const ir::NodeId n = body->add_node(op, {x}, {}, 1, op);
      infer_node(*body, n);
      body->outputs = body->node(n).outputs;
      return body;
    };
    attrs.then_branch = branch("Exp");
    attrs.else_branch = branch("Neg");
    attrs.then_captures = 1;
    const ValueId condition = graph.add_input("c", DType::kBool, {1}), x = graph.add_input("x", kF32, {2, 3});
    const ir::NodeId n = graph.add_node("If", {condition, x, x}, attrs, 1, "if");
    graph.outputs = graph.node(n).outputs;
    infer(graph);
    const std::string layers = "trt.Shuffle trt.Condition trt.IfInput trt.IfInput Exp Neg trt.IfOutput";
    check_graph(graph, {trial::boolean({1}, {taken}), trial::noise({2, 3}, 2)},
                {.op = "If", .layers = layers, .operands = {}});
  }
}

TEST_CASE("expand: a conditional whose branches are constants") {
  ir::Graph graph;
  IfAttrs attrs;
  const auto branch = [&](double value) {
    auto body = std::make_shared<ir::Graph>(graph.symbols);
    body->outputs = {body->add_constant(trial::f32({2}, {value, -value}))};
    return body;
  };
  attrs.then_branch = branch(1);
  attrs.else_branch = branch(2);
  const ir::NodeId n = graph.add_node("If", {graph.add_input("c", DType::kBool, {})}, attrs, 1, "if");
  graph.outputs = graph.node(n).outputs;
  infer(graph);
  check_graph(graph, {trial::boolean({}, {1})}, {.op = "If", .layers = "trt.Condition trt.IfOutput", .operands = {}});
}

TEST_CASE("fold: what was changed or is seen stays in layers, all else folds") {
  ir::Graph graph;
  const ValueId x = graph.add_input("x", kF32, {2, 3});
  const auto add = [&](const char* op, ValueId v, const char* name) {
    const ir::NodeId n = graph.add_node(op, {v}, ir::Attrs(find_op(op).attrs), 1, name);
    infer_node(graph, n);
    return n;
  };
  const ir::NodeId first = add("LogSoftmax", x, "first");
  const ir::NodeId second = add("Hardmax", graph.node(first).outputs[0], "second");
  graph.outputs = graph.node(second).outputs;
  Expansions expansions;
  for (ir::NodeId n : {first, second}) expand(graph, n, {}, expansions);
  REQUIRE(ops_of(graph) == "trt.SoftMax trt.Unary trt.TopK trt.ElementWise trt.Cast");
  const auto folded = [&](const Expansions& these, ValueId seen = ir::kNone) {
    ir::Graph copy = graph.clone();
    these.fold(copy, [&](ValueId v) { return v == seen; });
    copy.check_links();
    infer(copy);
    return ops_of(copy);
  };
  CHECK(folded(expansions) == "LogSoftmax Hardmax");
  const std::vector<ir::NodeId> nodes = graph.topological_order();
  CHECK(folded(expansions, graph.node(nodes[0]).outputs[0]) == "trt.SoftMax trt.Unary Hardmax");
  CHECK(folded(expansions, graph.node(nodes[1]).outputs[0]) == "LogSoftmax Hardmax");  // a result, not inside
  Expansions changed = expansions;
  changed.keep(nodes[2]);
  CHECK(folded(changed) == "LogSoftmax trt.TopK trt.ElementWise trt.Cast");
  graph.outputs.push_back(graph.node(nodes[3]).outputs[0]);
  CHECK(folded(expansions) == "LogSoftmax trt.TopK trt.ElementWise trt.Cast");
  const auto never = [](ValueId) { return false; };
  CHECK(expansions.folded_name(graph, never, nodes[1]) == "first");
  CHECK(!expansions.folded_name(graph, never, nodes[2]));
  CHECK(expansions.output_of("second", 0) == graph.outputs[0]);
}

}  // namespace
}  // namespace tenon::ops::trt
