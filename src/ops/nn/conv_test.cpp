#include "ops/nn/conv.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
using Ints = std::vector<int64_t>;

struct Problem {
  int64_t n, c, h, w, m, kh, kw, group, stride, dilation, pad_begin, pad_end;
};

/// One output element by definition.
double element(const Problem& p, const Tensor& x, const Tensor& w, int64_t n, int64_t m, int64_t i, int64_t j) {
  double sum = 0;
  const int64_t per_group = p.c / p.group;
  for (int64_t k = 0; k < per_group; ++k)
    for (int64_t a = 0; a < p.kh; ++a)
      for (int64_t b = 0; b < p.kw; ++b) {
        const int64_t y = i * p.stride - p.pad_begin + a * p.dilation, z = j * p.stride - p.pad_begin + b * p.dilation;
        if (y < 0 || y >= p.h || z < 0 || z >= p.w) continue;
        const int64_t channel = m / (p.m / p.group) * per_group + k;
        sum += x.get(((n * p.c + channel) * p.h + y) * p.w + z) * w.get(((m * per_group + k) * p.kh + a) * p.kw + b);
      }
  return sum;
}

ConvAttrs attrs_of(const Problem& p) {
  ConvAttrs a;
  a.strides = {p.stride, p.stride};
  a.dilations = {p.dilation, p.dilation};
  a.pads = {p.pad_begin, p.pad_begin, p.pad_end, p.pad_end};
  a.group = p.group;
  return a;
}

TEST_CASE("conv: two spatial axes, both layouts") {
  const Problem problems[] = {
      {1, 1, 5, 5, 1, 3, 3, 1, 1, 1, 0, 0}, {2, 3, 7, 6, 4, 3, 2, 1, 2, 1, 1, 1}, {1, 4, 9, 8, 6, 3, 3, 2, 1, 2, 2, 1},
      {2, 4, 5, 7, 4, 3, 3, 4, 1, 1, 1, 1}, {2, 8, 3, 5, 5, 1, 1, 1, 1, 1, 0, 0}, {1, 2, 4, 4, 3, 1, 1, 1, 2, 1, 1, 0},
      {1, 2, 3, 3, 2, 2, 2, 1, 3, 1, 4, 4}, {0, 2, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0}, {1, 2, 3, 3, 2, 3, 3, 1, 1, 3, 5, 5}};
  for (const Problem& p : problems) {
    const Tensor x = noise({p.n, p.c, p.h, p.w}, 1), w = noise({p.m, p.c / p.group, p.kh, p.kw}, 2),
                 bias = noise({p.m}, 3);
    const Tensor y = run_op("Conv", {x, w, bias}, attrs_of(p));
    const int64_t oh = y.dims()[2], ow = y.dims()[3];
    Tensor last(DType::kF32, {p.n, p.h, p.w, p.c});
    for (int64_t i = 0; i < x.count(); ++i)
      last.set((i / (p.c * p.h * p.w) * p.h * p.w + i % (p.h * p.w)) * p.c + i / (p.h * p.w) % p.c, x.get(i));
    ConvAttrs a = attrs_of(p);
    a.channels_last = true;
    const Tensor z = run_op("Conv", {last, w, bias}, a);
    a.x_channels_first = true;
    CHECK(run_op("Conv", {x, w, bias}, a) == z);
    for (int64_t i = 0; i < y.count(); ++i) {
      const int64_t col = i % ow, row = i / ow % oh, m = i / (ow * oh) % p.m, n = i / (ow * oh * p.m);
      const double expected = element(p, x, w, n, m, row, col) + bias.get(m);
      CHECK(y.get(i) == doctest::Approx(expected).epsilon(1e-6));
      CHECK(z.get(((n * oh + row) * ow + col) * p.m + m) == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("conv: one and three axes, epilogue") {
  ConvAttrs a;
  a.strides = a.dilations = {1};
  a.pads = {1, 0};
  a.epilogue = "relu(add(i0, i1))";
  CHECK(close(run_op("Conv", {f32({1, 1, 3}, {1, 2, 3}), f32({1, 1, 2}, {1, -1}), Tensor(), f32({1}, {0.5})}, a),
              {0, 0, 0}));
  CHECK(close(run_op("Conv", {f32({1, 1, 3}, {3, 2, 3}), f32({1, 1, 2}, {1, -1}), f32({1}, {1}), f32({1}, {0.5})}, a),
              {0, 2.5, 0.5}));
  a.strides = a.dilations = {1, 1, 1};
  a.pads.assign(6, 0);
  a.epilogue = "";
  CHECK(close(run_op("Conv", {f32({1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), f32({1, 1, 2, 1, 2}, {1, 1, 1, 1})}, a),
              {14, 22}));
}

TEST_CASE("conv: SAME padding of constant and symbolic sizes") {
  const Tensor x = noise({1, 2, 7, 8}, 1), w = noise({3, 2, 3, 4}, 2);
  for (const char* kind : {"SAME_UPPER", "SAME_LOWER"}) {
    const std::map<std::string, FakeImport::Value> attrs{{"auto_pad", kind}, {"strides", Ints{2, 3}}};
    FakeImport constant("Conv", 11, {Typed(DType::kF32, "1, 2, 7, 8"), w}, attrs),
        symbolic("Conv", 11, {Typed(DType::kF32, "n, 2, h, w"), w}, attrs);
    CHECK(constant.import().ops() == "Conv");
    CHECK(symbolic.import().ops().find("Pad Conv") != std::string::npos);
    const Tensor y = constant.run({x})[0];
    CHECK(y.dims() == Dims{1, 3, 4, 3});
    CHECK(symbolic.run({x})[0] == y);
  }
  FakeImport stride_one("Conv", 11, {Typed(DType::kF32, "n, 2, h, w"), w}, {{"auto_pad", "SAME_UPPER"}});
  CHECK(stride_one.import().ops() == "Conv");
  CHECK(stride_one.shape() == "[n, 3, h, w]");
  FakeImport pool("MaxPool", 12, {Typed(DType::kF32, "n, 2, h, w")},
                  {{"auto_pad", "SAME_UPPER"}, {"strides", Ints{2, 2}}, {"kernel_shape", Ints{3, 3}}});
  FakeImport fixed("MaxPool", 12, {Typed(DType::kF32, "1, 2, 7, 8")},
                   {{"auto_pad", "SAME_UPPER"}, {"strides", Ints{2, 2}}, {"kernel_shape", Ints{3, 3}}});
  CHECK(pool.import().run({x})[0] == fixed.import().run({x})[0]);
}

TEST_CASE("conv: shapes and bad input") {
  ConvAttrs a = attrs_of({1, 4, 0, 0, 0, 3, 3, 1, 2, 1, 1, 1});
  const Operand x = Typed(DType::kF32, "n, 4, h, 32"), w = Typed(DType::kF32, "8, 4, 3, 3");
  CHECK(infer_op("Conv", {x, w}, a).shape() == "[n, 8, (((h + -1) // 2) + 1), 16]");
  CHECK(infer_error("Conv", {x, Typed(DType::kF32, "8, 3, 3, 3")}, a).find("4 channels") != std::string::npos);
  CHECK(infer_error("Conv", {Typed(DType::kF32, "n, 4, 0, 32"), w}, a).find("larger than") != std::string::npos);
  for (int64_t bad : {int64_t(0), int64_t(-1), INT64_MIN}) {
    ConvAttrs b = a;
    b.strides[0] = bad;
    CHECK(infer_error("Conv", {x, w}, b).find("stride") != std::string::npos);
    b = a;
    b.dilations[1] = bad;
    CHECK(infer_error("Conv", {x, w}, b).find("dilation") != std::string::npos);
    b = a;
    b.group = bad;
    CHECK(infer_error("Conv", {x, w}, b).find("group") != std::string::npos);
  }
  ConvAttrs first = a;
  first.x_channels_first = true;
  CHECK(infer_error("Conv", {x, w}, first).find("without channels_last") != std::string::npos);
  first.channels_last = true;
  CHECK(infer_op("Conv", {x, w}, first).shape() == "[n, (((h + -1) // 2) + 1), 16, 8]");
  a.dilations[1] = INT64_MAX;
  CHECK(infer_error("Conv", {x, w}, a) != "");
  a.dilations = {1};
  CHECK(infer_error("Conv", {x, w}, a).find("entries") != std::string::npos);
  CHECK(import_error({"Conv", 11, {x, w}, {{"kernel_shape", Ints{5, 3}}}}).find("kernel_shape [5, 3]") !=
        std::string::npos);
  CHECK(import_error({"Conv", 11, {x, w}, {{"strides", Ints{2}}}}).find("entries") != std::string::npos);
}

TEST_CASE("conv: a bias has an element for each output channel") {
  const Tensor x(DType::kF32, {1, 2, 4, 4}), w(DType::kF32, {3, 2, 1, 1});
  const ConvAttrs a{.strides = {1, 1}, .dilations = {1, 1}, .pads = {0, 0, 0, 0}};
  CHECK(run_op("Conv", {x, w, Tensor(DType::kF32, {3})}, a).dims() == Dims{1, 3, 4, 4});
  CHECK_THROWS_AS(run_op("Conv", {x, w, Tensor(DType::kF32, {2})}, a), Error);
  CHECK_THROWS_AS(run_op("Conv", {x, w, Tensor(DType::kF32, {4})}, a), Error);
}

}  // namespace
}  // namespace tenon::ops
