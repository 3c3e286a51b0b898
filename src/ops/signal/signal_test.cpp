#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "ops/random/random.h"
#include "ops/signal/fourier.h"
#include "ops/signal/window.h"
#include "ops/testing.h"

using namespace tenon;
using namespace tenon::ops;
using namespace tenon::ops::testing;

TEST_CASE("windows") {
  const Tensor hann = run_op("HannWindow", WindowAttrs{DType::kF64, true}, {i64({}, {4})})[0];
  const std::vector<double> expected{0, 0.5, 1, 0.5};
  for (int64_t i = 0; i < 4; ++i) CHECK(hann.get(i) == doctest::Approx(expected[size_t(i)]));
  const Tensor black = run_op("BlackmanWindow", WindowAttrs{DType::kF64, false}, {i64({}, {5})})[0];
  CHECK(black.get(2) == doctest::Approx(1));
  CHECK(black.get(0) == doctest::Approx(0));
  CHECK(run_op("HammingWindow", WindowAttrs{DType::kF32, false}, {i64({}, {1})})[0].get(0) == doctest::Approx(1));
  CHECK(run_op("HammingWindow", WindowAttrs{}, {i64({}, {0})})[0].count() == 0);
  CHECK_THROWS_AS(run_op("HannWindow", WindowAttrs{}, {i64({}, {-1})}), Error);
}

TEST_CASE("DFT and its inverse") {
  const Tensor x = f32({1, 5, 1}, {1, 2, 4, 3, 0});
  const Tensor y = run_op("DFT", DftAttrs{}, {x})[0];
  CHECK(y.dims() == Dims{1, 5, 2});
  CHECK(y.get(0) == doctest::Approx(10));
  const Tensor back = run_op("DFT", DftAttrs{-2, true, false}, {y})[0];
  for (int64_t i = 0; i < 5; ++i) CHECK(back.get(2 * i) == doctest::Approx(x.get(i)));
  const Tensor half = run_op("DFT", DftAttrs{-2, false, true}, {x})[0];
  CHECK(half.dims() == Dims{1, 3, 2});
  const Tensor real = run_op("DFT", DftAttrs{-2, true, true}, {half, i64({}, {5})})[0];
  CHECK(real.dims() == Dims{1, 5, 1});
  for (int64_t i = 0; i < 5; ++i) CHECK(real.get(i) == doctest::Approx(x.get(i)).epsilon(1e-5));
  CHECK(run_op("DFT", DftAttrs{}, {x, i64({}, {8}), i64({}, {1})})[0].dims() == Dims{1, 8, 2});
  CHECK_THROWS_AS(run_op("DFT", DftAttrs{-1, false, false}, {x}), Error);
  CHECK_THROWS_AS(run_op("DFT", DftAttrs{}, {x, i64({}, {0})}), Error);
  CHECK_THROWS_AS(run_op("DFT", DftAttrs{}, {x, i64({}, {INT64_MAX / 8})}), Error);
}

TEST_CASE("DFT of every length is what its definition says") {
  for (int64_t n : {1, 2, 3, 4, 7, 8, 15, 16, 17, 30, 31, 64, 97, 100, 255}) {
    CAPTURE(n);
    std::vector<double> values;
    for (int64_t i = 0; i < 2 * n; ++i) values.push_back(double(i * i % 23) - 11);
    const Tensor x = Tensor::of<double>(DType::kF64, {1, n, 2}, values);
    const Tensor y = run_op("DFT", DftAttrs{}, {x})[0], back = run_op("DFT", DftAttrs{-2, true, false}, {y})[0];
    double worst = 0;
    for (int64_t k = 0; k < n; ++k) {
      std::complex<double> sum;
      for (int64_t i = 0; i < n; ++i)
        sum += std::complex(x.get(2 * i), x.get(2 * i + 1)) *
               std::polar(1.0, -2 * std::numbers::pi * double(k * i % n) / double(n));
      worst = std::max(worst, std::abs(sum - std::complex(y.get(2 * k), y.get(2 * k + 1))));
    }
    CHECK(worst < 1e-9);
    for (int64_t i = 0; i < 2 * n; ++i) worst = std::max(worst, std::fabs(back.get(i) - x.get(i)));
    CHECK(worst < 1e-9);
  }
}

TEST_CASE("STFT") {
  const Tensor x = iota(DType::kF32, {1, 8, 1});
  const Tensor y = run_op("STFT", StftAttrs{}, {x, i64({}, {2}), Tensor(), i64({}, {4})})[0];
  CHECK(y.dims() == Dims{1, 3, 3, 2});
  CHECK(y.get(6) == doctest::Approx(2 + 3 + 4 + 5));
  CHECK(run_op("STFT", StftAttrs{false}, {x, i64({}, {4}), f32({4}, {1, 1, 1, 1})})[0].dims() == Dims{1, 2, 4, 2});
  CHECK_THROWS_AS(run_op("STFT", StftAttrs{}, {x, i64({}, {0}), Tensor(), i64({}, {4})}), Error);
  CHECK_THROWS_AS(run_op("STFT", StftAttrs{}, {x, i64({}, {1}), Tensor(), i64({}, {9})}), Error);
}

TEST_CASE("random numbers repeat and have the wanted moments") {
  const RandomAttrs a{1, 2, 7, DType::kF32, {50, 40}};
  const Tensor x = run_op("RandomNormal", a, {})[0];
  CHECK(x == run_op("RandomNormal", a, {})[0]);
  double sum = 0, squares = 0;
  for (double v : x.to_doubles()) sum += v, squares += (v - 1) * (v - 1);
  CHECK(sum / 2000 == doctest::Approx(1).epsilon(0.1));
  CHECK(squares / 2000 == doctest::Approx(4).epsilon(0.1));
  for (double v : run_op("RandomUniform", a, {x})[0].to_doubles()) CHECK((v >= 1 && v < 2));
  const Tensor p = numbers(DType::kF32, {1000}, std::vector<double>(1000, 0.3));
  double ones = 0;
  for (double v : run_op("Bernoulli", SampleAttrs{3, DType::kI32, 1}, {p})[0].to_doubles()) ones += v;
  CHECK(ones / 1000 == doctest::Approx(0.3).epsilon(0.15));
  const Tensor m = run_op("Multinomial", SampleAttrs{3, DType::kI64, 100}, {f32({1, 3}, {-1e30, 0, -1e30})})[0];
  for (int64_t i = 0; i < 100; ++i) CHECK(m.get_int(i) == 1);
  CHECK_THROWS_AS(run_op("Multinomial", SampleAttrs{3, DType::kI64, -1}, {f32({1, 1}, {0})}), Error);
  CHECK_THROWS_AS(run_op("RandomNormal", RandomAttrs{0, 1, 0, DType::kF32, {-1}}, {}), Error);
}
