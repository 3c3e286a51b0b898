#include "ops/nn/attention.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

/// softmax(scores + bias) v for one query, by definition.
std::vector<double> attend(const std::vector<double>& scores, const Tensor& v, int64_t first, int64_t width) {
  double top = -INFINITY, sum = 0;
  for (double s : scores) top = std::fmax(top, s);
  std::vector<double> y(static_cast<size_t>(width), 0);
  for (size_t j = 0; j < scores.size(); ++j) sum += std::exp(scores[j] - top);
  for (size_t j = 0; j < scores.size(); ++j)
    for (int64_t e = 0; e < width; ++e)
      y[size_t(e)] += std::exp(scores[j] - top) / sum * v.get((first + int64_t(j)) * width + e);
  return y;
}

TEST_CASE("attention: heads, groups, masks") {
  const int64_t b = 2, h = 4, g = 2, s = 3, t = 5, d = 2, e = 3;
  const Tensor q = noise({b, h, s, d}, 1), k = noise({b, g, t, d}, 2), v = noise({b, g, t, e}, 3),
               add = noise({s, t}, 4);
  for (int mode = 0; mode < 5; ++mode) {
    CAPTURE(mode);
    AttentionAttrs a;
    a.scale = mode == 1 ? 0.5f : 0;
    a.softcap = mode == 2 ? 0.3f : 0;
    a.causal = mode == 3;
    std::vector<Tensor> in{q, k, v};
    if (mode == 4) in.push_back(add);
    const Tensor y = run_op("Attention", in, a);
    std::vector<double> expected;
    for (int64_t n = 0; n < b * h * s; ++n) {
      const int64_t batch = n / s / h, group = batch * g + n / s % h / 2, i = n % s;
      std::vector<double> scores;
      for (int64_t j = 0; j < (mode == 3 ? i + 1 : t); ++j) {
        double sum = 0;
        for (int64_t m = 0; m < d; ++m) sum += q.get(n * d + m) * k.get((group * t + j) * d + m);
        sum *= mode == 1 ? 0.5 : 1 / std::sqrt(2.0);
        if (mode == 2) sum = double(0.3f) * std::tanh(sum / double(0.3f));
        scores.push_back(sum + (mode == 4 ? add.get(i * t + j) : 0));
      }
      const auto row = attend(scores, v, group * t, e);
      expected.insert(expected.end(), row.begin(), row.end());
    }
    CHECK(close(y, expected));
  }
}

TEST_CASE("attention: windows, offset, lengths, hidden rows") {
  const Tensor q = f32({1, 1, 3, 1}, {0, 0, 0}), k = f32({1, 1, 4, 1}, {0, 0, 0, 0}),
               v = f32({1, 1, 4, 1}, {1, 2, 4, 8});
  AttentionAttrs a;
  a.causal = true;
  CHECK(close(run_op("Attention", {q, k, v}, a), {1, 1.5, 7 / 3.}));
  CHECK(close(run_op("Attention", {q, k, v, Tensor(), i64({1}, {1})}, a), {1.5, 7 / 3., 3.75}));
  CHECK(close(run_op("Attention", {q, k, v, Tensor(), i64({1}, {-1})}, a), {0, 1, 1.5}));
  a.left_window = 1;
  CHECK(close(run_op("Attention", {q, k, v}, a), {1, 1.5, 3}));
  a = {};
  a.right_window = 1;
  CHECK(close(run_op("Attention", {q, k, v, boolean({1, 4}, {0, 1, 1, 1})}, a), {2, 3, 14 / 3.}));
  a = {};
  CHECK(close(run_op("Attention", {q, k, v, Tensor(), Tensor(), i64({1}, {2})}, a), {1.5, 1.5, 1.5}));
  a.scores = 3;
  const auto y = run_op_n("Attention", {q, k, v, boolean({3, 1}, {1, 0, 1})}, a, 2);
  CHECK(close(y[0], {3.75, 0, 3.75}));
  CHECK(close(y[1], {.25, .25, .25, .25, 0, 0, 0, 0, .25, .25, .25, .25}));
}

TEST_CASE("attention: ONNX with flat heads and a cache") {
  const Tensor q = noise({2, 3, 4}, 1), k = noise({2, 5, 2}, 2), v = noise({2, 5, 2}, 3);
  const auto y = run_onnx("Attention", 23, {q, k, v}, {{"q_num_heads", 2}, {"kv_num_heads", 1}}, 3);
  CHECK(y[0].dims() == Dims{2, 3, 4});
  CHECK(y[1].dims() == Dims{2, 1, 5, 2});
  const Tensor one = f32({1, 1, 1, 1}, {1}), past = f32({1, 1, 2, 1}, {0, 0});
  const auto z = run_onnx("Attention", 23,
                          {f32({1, 1, 2, 1}, {0, 0}), f32({1, 1, 2, 1}, {0, 0}), f32({1, 1, 2, 1}, {4, 8}), Tensor(),
                           past, f32({1, 1, 2, 1}, {1, 2})},
                          {{"is_causal", 1}}, 3);
  CHECK(close(z[0], {7 / 3., 3.75}));
  CHECK(z[2].dims() == Dims{1, 1, 4, 1});
  // A mask shorter than the keys keeps the rest out.
  CHECK(close(run_onnx("Attention", 23, {one, past, f32({1, 1, 2, 1}, {3, 5}), boolean({1, 1}, {1})})[0], {3}));
  FakeImport symbolic("Attention", 24,
                      {Typed(DType::kF32, "n, s, 16"), Typed(DType::kF32, "n, t, 16"), Typed(DType::kF32, "n, t, 16")},
                      {{"q_num_heads", 4}, {"kv_num_heads", 4}});
  CHECK(symbolic.import().shape() == "[n, s, 16]");
  CHECK(import_error({"Attention", 23, {q, k, v}}).find("number of heads is 0") != std::string::npos);
  CHECK(import_error({"Attention", 23, {one, one, one, Tensor(), past}}).find("together") != std::string::npos);
  const Operand x = Typed(DType::kF32, "n, 3, s, 8"), y2 = Typed(DType::kF32, "n, 2, t, 8");
  CHECK(infer_error("Attention", {x, y2, y2}, AttentionAttrs{}).find("3 heads") != std::string::npos);
  CHECK(infer_error("Attention", {x, x, x, Typed(DType::kI32, "1")}, AttentionAttrs{}).find("mask has the type i32") !=
        std::string::npos);
}

TEST_CASE("rotary embedding") {
  const double c = std::cos(1.0), s = std::sin(1.0);
  const Tensor x = f32({1, 1, 2, 4}, {1, 2, 3, 4, 1, 2, 3, 4}), cos = f32({2, 2}, {1, 1, c, c}),
               sin = f32({2, 2}, {0, 0, s, s});
  const Tensor at = i64({1, 2}, {0, 1});
  const std::vector<double> half{1, 2, 3, 4, c - 3 * s, 2 * c - 4 * s, s + 3 * c, 2 * s + 4 * c};
  const std::vector<double> pairs{1, 2, 3, 4, c - 2 * s, s + 2 * c, 3 * c - 4 * s, 3 * s + 4 * c};
  CHECK(close(run_onnx("RotaryEmbedding", 23, {x, cos, sin, at})[0], half));
  CHECK(close(run_onnx("RotaryEmbedding", 23, {x, cos, sin, at}, {{"interleaved", 1}})[0], pairs));
  CHECK(close(run_onnx("RotaryEmbedding", 23, {x.reshaped({1, 2, 4}), cos.reshaped({1, 2, 2}), sin.reshaped({1, 2, 2})},
                       {{"num_heads", 1}})[0],
              half));
  CHECK(close(run_onnx("RotaryEmbedding", 1, {x, at, cos, sin}, {}, 1, "com.microsoft")[0], half));
  CHECK(close(run_onnx("RotaryEmbedding", 23, {x, f32({2, 1}, {1, c}), f32({2, 1}, {0, s}), at},
                       {{"rotary_embedding_dim", 2}})[0],
              {1, 2, 3, 4, c - 2 * s, s + 2 * c, 3, 4}));
  CHECK_THROWS_AS(run_onnx("RotaryEmbedding", 23, {x, cos, sin, i64({1, 2}, {0, 2})}), Error);
  CHECK(import_error({"RotaryEmbedding", 23, {x.reshaped({1, 2, 4}), cos, sin, at}}).find("num_heads is 0") !=
        std::string::npos);
}

}  // namespace
}  // namespace tenon::ops
