#include "ops/rnn/rnn.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

struct Problem {
  const char* op;
  int64_t directions;
  std::vector<std::vector<double>> y;
};

/// Computed by ONNX Runtime 1.31 on the same inputs: reverse, and both directions with clip 0.8 (GRU also with
/// linear_before_reset); sequence lengths 3 and 2, initial states, and peepholes for LSTM.
const std::vector<Problem>& problems() {
  static const std::vector<Problem> table = {
      {"RNN",
       1,
       {{-0.8754643, 0.7473441, -0.03481632, 0.7426718, -0.6843801, 0.8887055, 0.02687192, -0.04357433, 0.2165411,
         0.993284, 0, 0},
        {-0.8754643, 0.7473441, -0.03481632, 0.7426718}}},
      {"RNN",
       2,
       {{0.02154589, 0.6640368, 0.139421,   0.4461302, -0.1071872, 0.6640368, -0.6640368, 0.6640368,
         -0.6199726, 0.6640368, -0.3727772, 0.3975221, -0.5651466, 0.6640368, -0.6640368, 0.6618962,
         -0.6640368, 0.6640368, 0,          0,         -0.6640368, 0.4540786, 0,          0},
        {-0.6640368, 0.6640368, -0.3727772, 0.3975221, -0.1071872, 0.6640368, -0.6640368, 0.6640368}}},
      {"GRU",
       1,
       {{-0.5690975, -0.1266043, -0.8979464, -0.04459454, -0.2393978, -0.2159448, -0.8373979, -0.2786179, 0.2925267,
         -0.3063322, 0, 0},
        {-0.5690975, -0.1266043, -0.8979464, -0.04459454}}},
      {"GRU",
       2,
       {{0.3727853,  -0.04142043, -0.7035066, -0.5008906,  0.1558945, 0.09689492, 0.4501282, 0.5541857,
         -0.1028886, 0.1444357,   -0.6829411, -0.06519085, 0.2637173, 0.4071436,  0.7639995, 0.4587439,
         -0.2938958, 0.2322315,   0,          0,           0.4622682, 0.3290138,  0,         0},
        {-0.2938958, 0.2322315, -0.6829411, -0.06519085, 0.1558945, 0.09689492, 0.4501282, 0.5541857}}},
      {"LSTM",
       1,
       {{-0.3513233, 0.4907586, -0.1281222, 0.2238703, -0.2881613, 0.4699657, -0.06086763, 0.03874725, -0.1563472,
         0.4588201, 0, 0},
        {-0.3513233, 0.4907586, -0.1281222, 0.2238703},
        {-1.230236, 0.9234298, -1.279055, 0.3908994}}},
      {"LSTM",
       2,
       {{-0.2524952, 0.4326289, -0.1910183, 0.05789746, -0.1196261, -0.0863021,  -0.1052863,  0.08276402,
         -0.2173232, 0.3912746, -0.1835877, 0.1649342,  -0.1011259, -0.01675721, -0.04891999, 0.2007442,
         -0.2372328, 0.3867944, 0,          0,          0.0776156,  0.08514676,  0,           0},
        {-0.2372328, 0.3867944, -0.1835877, 0.1649342, -0.1196261, -0.0863021, -0.1052863, 0.08276402},
        {-0.9159582, 0.7580867, -0.6810008, 0.2579277, -0.4069254, -0.273474, -0.3536462, 0.1205326}}},
  };
  return table;
}

TEST_CASE("rnn: LSTM, GRU and RNN agree with another implementation") {
  for (const Problem& p : problems()) {
    CAPTURE(std::string(p.op));
    const int64_t s = 3, b = 2, in = 2, h = 2, d = p.directions;
    const int64_t g = std::string(p.op) == "LSTM" ? 4 : std::string(p.op) == "GRU" ? 3 : 1;
    std::vector<Tensor> inputs{noise({s, b, in}, 1),
                               noise({d, g * h, in}, 2),
                               noise({d, g * h, h}, 3),
                               noise({d, 2 * g * h}, 4),
                               tensor<int64_t>(DType::kI32, {2}, {3, 2}),
                               noise({d, b, h}, 5)};
    std::map<std::string, FakeImport::Value> attrs{{"hidden_size", h},
                                                   {"direction", d == 2 ? "bidirectional" : "reverse"}};
    if (g == 4) {
      inputs.push_back(noise({d, b, h}, 6));
      inputs.push_back(noise({d, 3 * h}, 7));
    }
    if (d == 2) attrs.emplace("clip", 0.8f);
    if (g == 3 && d == 2) attrs.emplace("linear_before_reset", 1);
    const auto y = run_onnx(p.op, 14, inputs, attrs, p.y.size());
    for (size_t i = 0; i < p.y.size(); ++i) CHECK(close(y[i], p.y[i], 2e-6));
  }
}

TEST_CASE("rnn: batch first") {
  const Tensor x = noise({2, 3, 2}, 1), w = noise({1, 4, 2}, 2), r = noise({1, 4, 1}, 3);
  Tensor xt(DType::kF32, {3, 2, 2});
  for (int64_t i = 0; i < 12; ++i) xt.set((i / 2 % 3) * 4 + i / 6 * 2 + i % 2, x.get(i));
  const auto a = run_onnx("LSTM", 14, {x, w, r}, {{"hidden_size", 1}, {"layout", 1}}, 3);
  const auto b = run_onnx("LSTM", 14, {xt, w, r}, {{"hidden_size", 1}}, 3);
  CHECK(a[0].dims() == Dims{2, 3, 1, 1});
  CHECK(a[1].dims() == Dims{2, 1, 1});
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t t = 0; t < 3; ++t) CHECK(a[0].get(n * 3 + t) == b[0].get(t * 2 + n));
  CHECK(close(a[2], b[2].to_doubles()));
}

TEST_CASE("rnn: activations, empty sequences") {
  const Tensor x = f32({1, 1, 1}, {2}), w = f32({1, 1, 1}, {1}), r = f32({1, 1, 1}, {0});
  auto run = [&](const char* f, std::vector<float> alpha, std::vector<float> beta) {
    return run_onnx("RNN", 14, {x, w, r},
                    {{"hidden_size", 1},
                     {"activations", std::vector<std::string>{f}},
                     {"activation_alpha", alpha},
                     {"activation_beta", beta}})[0]
        .get(0);
  };
  CHECK(run("Affine", {3}, {1}) == 7);
  CHECK(run("relu", {}, {}) == 2);
  CHECK(run("HardSigmoid", {}, {}) == doctest::Approx(0.9));
  CHECK(run("ScaledTanh", {2}, {0.5}) == doctest::Approx(2 * std::tanh(1.0)));
  CHECK(run("Softsign", {}, {}) == doctest::Approx(2 / 3.0));
  const auto empty = run_onnx("GRU", 14, {f32({0, 1, 1}, {}), f32({1, 3, 1}, {1, 1, 1}), f32({1, 3, 1}, {1, 1, 1})},
                              {{"hidden_size", 1}}, 2);
  CHECK(empty[0].dims() == Dims{0, 1, 1, 1});
  CHECK(close(empty[1], {0}));
}

TEST_CASE("rnn: shapes and bad input") {
  RnnAttrs a;
  a.hidden_size = 8;
  a.activations = {"Sigmoid", "Tanh", "Tanh"};
  const Operand x = Typed(DType::kF32, "s, n, 4"), w = Typed(DType::kF32, "1, 32, 4"),
                r = Typed(DType::kF32, "1, 32, 8");
  CHECK(infer_op("LSTM", {x, w, r}, a, 3).shape(0) == "[s, 1, n, 8]");
  CHECK(infer_op("LSTM", {x, w, r}, a, 3).shape(2) == "[1, n, 8]");
  CHECK(
      infer_error("LSTM", {x, Typed(DType::kF32, "1, 24, 4"), r}, a).find("W is [1, 24, 4], accepted is [1, 32, 4]") !=
      std::string::npos);
  CHECK(infer_error("LSTM", {x, w, r, Absent(), Typed(DType::kI32, "n, 1")}, a).find("sequence_lens") !=
        std::string::npos);
  for (int64_t h : {int64_t(0), int64_t(-1), INT64_MAX}) {
    a.hidden_size = h;
    CHECK(infer_error("LSTM", {x, w, r}, a) != "");
  }
  a.hidden_size = 8;
  a.activations = {"Sigmoid"};
  CHECK(infer_error("LSTM", {x, w, r}, a).find("1 activations") != std::string::npos);
  a.activations = {"Sigmoid", "Tanh", "Cube"};
  CHECK(infer_error("LSTM", {x, w, r}, a).find("Cube") != std::string::npos);
  CHECK(import_error({"GRU", 14, {x, w, r}, {{"direction", "sideways"}}}).find("sideways") != std::string::npos);
  CHECK_THROWS_AS(run_onnx("RNN", 14,
                           {noise({2, 1, 1}), noise({1, 1, 1}), noise({1, 1, 1}), Tensor(),
                            tensor<int64_t>(DType::kI32, {1}, {3})}),
                  Error);
}

}  // namespace
}  // namespace tenon::ops
