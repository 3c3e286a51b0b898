#include "ops/nn/conv_transpose.h"

#include <doctest/doctest.h>

#include "ops/nn/conv.h"
#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;
using Ints = std::vector<int64_t>;

ConvTransposeAttrs attrs(size_t spatial, int64_t stride = 1, int64_t pad = 0, int64_t dilation = 1, int64_t extra = 0) {
  ConvTransposeAttrs a;
  a.strides.assign(spatial, stride);
  a.dilations.assign(spatial, dilation);
  a.pads.assign(2 * spatial, pad);
  a.output_padding.assign(spatial, extra);
  return a;
}

TEST_CASE("conv transpose: values") {
  const Tensor x = f32({1, 1, 3}, {1, 2, 3}), w = f32({1, 1, 2}, {1, 10});
  CHECK(close(run_op("ConvTranspose", {x, w}, attrs(1)), {1, 12, 23, 30}));
  CHECK(close(run_op("ConvTranspose", {x, w}, attrs(1, 2)), {1, 10, 2, 20, 3, 30}));
  CHECK(close(run_op("ConvTranspose", {x, w}, attrs(1, 2, 1)), {10, 2, 20, 3}));
  CHECK(close(run_op("ConvTranspose", {x, w}, attrs(1, 1, 0, 2)), {1, 2, 13, 20, 30}));
  CHECK(close(run_op("ConvTranspose", {x, w, f32({1}, {0.5})}, attrs(1, 2, 0, 1, 1)),
              {1.5, 10.5, 2.5, 20.5, 3.5, 30.5, 0.5}));
}

TEST_CASE("conv transpose is the adjoint of convolution") {
  // <conv(x), y> = <x, conv_transpose(y)> for the same weights.
  struct Problem {
    int64_t group, stride, pad, dilation;
  };
  for (const Problem& p : {Problem{1, 1, 0, 1}, Problem{2, 2, 1, 1}, Problem{1, 3, 2, 2}, Problem{2, 1, 1, 2}}) {
    const Tensor w = noise({4, 6 / p.group, 3, 2}, 3), x = noise({2, 6, 8, 9}, 1);
    ConvAttrs c;
    c.strides = {p.stride, p.stride}, c.dilations = {p.dilation, p.dilation}, c.pads = {p.pad, p.pad, p.pad, p.pad};
    c.group = p.group;
    const Tensor cx = run_op("Conv", {x, w}, c), y = noise(cx.dims(), 2);
    ConvTransposeAttrs t = attrs(2, p.stride, p.pad, p.dilation);
    t.group = p.group;
    for (size_t i = 0; i < 2; ++i) {
      const int64_t window = (w.dims()[2 + i] - 1) * p.dilation + 1;
      t.output_padding[i] = x.dims()[2 + i] - ((cx.dims()[2 + i] - 1) * p.stride + window - 2 * p.pad);
    }
    const Tensor ty = run_op("ConvTranspose", {y, w}, t);
    REQUIRE(ty.dims() == x.dims());
    double left = 0, right = 0;
    for (int64_t i = 0; i < cx.count(); ++i) left += cx.get(i) * y.get(i);
    for (int64_t i = 0; i < x.count(); ++i) right += x.get(i) * ty.get(i);
    CHECK(left == doctest::Approx(right).epsilon(1e-5));
    // Channels last gives the same numbers.
    t.channels_last = true;
    Tensor last(DType::kF32, {y.dims()[0], y.dims()[2], y.dims()[3], 4});
    const int64_t plane = y.dims()[2] * y.dims()[3];
    for (int64_t i = 0; i < y.count(); ++i) last.set((i / plane / 4 * plane + i % plane) * 4 + i / plane % 4, y.get(i));
    const Tensor tl = run_op("ConvTranspose", {last, w}, t);
    double gap = 0;
    for (int64_t i = 0; i < ty.count(); ++i)
      gap += std::fabs(ty.get(i) - tl.get((i / 72 / 6 * 72 + i % 72) * 6 + i / 72 % 6));
    CHECK(gap < 1e-5);
  }
}

TEST_CASE("conv transpose: ONNX padding") {
  const Tensor x = noise({1, 1, 3, 3}), w = noise({1, 2, 3, 3}, 2);
  CHECK(run_onnx("ConvTranspose", 11, {x, w}, {{"strides", Ints{3, 2}}, {"output_shape", Ints{10, 8}}})[0].dims() ==
        Dims{1, 2, 10, 8});
  CHECK(run_onnx("ConvTranspose", 11, {x, w}, {{"strides", Ints{3, 2}}, {"output_padding", Ints{1, 1}}})[0].dims() ==
        Dims{1, 2, 10, 8});
  CHECK(run_onnx("ConvTranspose", 11, {x, w}, {{"strides", Ints{2, 2}}, {"auto_pad", "SAME_UPPER"}})[0].dims() ==
        Dims{1, 2, 6, 6});
  FakeImport same("ConvTranspose", 11, {Typed(DType::kF32, "n, 1, h, w"), w},
                  {{"strides", Ints{2, 2}}, {"auto_pad", "SAME_LOWER"}});
  CHECK(same.import().shape() == "[n, 2, (h * 2), (w * 2)]");
}

TEST_CASE("conv transpose: bad input") {
  const Operand x = Typed(DType::kF32, "n, 4, h"), w = Typed(DType::kF32, "4, 2, 3");
  CHECK(infer_op("ConvTranspose", {x, w}, attrs(1, 2, 1)).shape() == "[n, 2, ((h * 2) + -1)]");
  CHECK(infer_error("ConvTranspose", {x, Typed(DType::kF32, "5, 2, 3")}, attrs(1)).find("4 channels") !=
        std::string::npos);
  CHECK(infer_error("ConvTranspose", {x, w}, attrs(1, 0)).find("stride 0") != std::string::npos);
  CHECK(infer_error("ConvTranspose", {x, w}, attrs(2)).find("1 and 2 entries") != std::string::npos);
  CHECK(infer_error("ConvTranspose", {x, w}, attrs(1, INT64_MAX)) != "");
  CHECK(infer_error("ConvTranspose", {Typed(DType::kF32, "n, 4, 2"), w}, attrs(1, 1, 4)).find("negative") !=
        std::string::npos);
  ConvTransposeAttrs a = attrs(1);
  for (int64_t group : {int64_t(0), int64_t(3), int64_t(-2)}) {
    a.group = group;
    CHECK(infer_error("ConvTranspose", {x, w}, a).find("group") != std::string::npos);
  }
}

}  // namespace
}  // namespace tenon::ops
