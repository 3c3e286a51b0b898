#include "ops/nn/pool.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

PoolAttrs pool_of(PoolKind kind, std::vector<int64_t> kernel, std::vector<int64_t> strides, std::vector<int64_t> pads) {
  PoolAttrs a;
  a.kind = kind;
  a.dilations.assign(kernel.size(), 1);
  a.kernel = std::move(kernel);
  a.strides = std::move(strides);
  a.pads = std::move(pads);
  return a;
}

const Tensor kSquare = f32({1, 1, 4, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});

TEST_CASE("pool: maximum, average and lp") {
  CHECK(close(run_op("Pool", {kSquare}, pool_of(PoolKind::kMax, {2, 2}, {2, 2}, {0, 0, 0, 0})), {6, 8, 14, 16}));
  CHECK(close(run_op("Pool", {kSquare}, pool_of(PoolKind::kAverage, {2, 2}, {2, 2}, {0, 0, 0, 0})),
              {3.5, 5.5, 11.5, 13.5}));
  CHECK(close(run_op("Pool", {kSquare}, pool_of(PoolKind::kLp, {1, 2}, {4, 2}, {0, 0, 0, 0})), {std::sqrt(5.), 5}));
  PoolAttrs padded = pool_of(PoolKind::kAverage, {3, 3}, {3, 3}, {1, 1, 1, 1});
  CHECK(close(run_op("Pool", {kSquare}, padded), {3.5, 5.5, 11.5, 13.5}));
  padded.count_include_pad = true;
  CHECK(close(run_op("Pool", {kSquare}, padded), {14 / 9., 22 / 9., 46 / 9., 54 / 9.}));
}

TEST_CASE("pool: ceil mode drops windows that start in the padding") {
  PoolAttrs a = pool_of(PoolKind::kMax, {3}, {2}, {0, 0});
  a.ceil_mode = true;
  CHECK(close(run_op("Pool", {f32({1, 1, 4}, {1, 2, 3, 4})}, a), {3, 4}));
  a = pool_of(PoolKind::kMax, {1}, {2}, {0, 0});
  a.ceil_mode = true;
  CHECK(close(run_op("Pool", {f32({1, 1, 4}, {1, 2, 3, 4})}, a), {1, 3}));
  a = pool_of(PoolKind::kAverage, {2}, {3}, {1, 1});
  a.ceil_mode = true;
  CHECK(close(run_op("Pool", {f32({1, 1, 4}, {1, 2, 3, 4})}, a), {1, 3.5}));
  // The part of the last window past the end padding never counts.
  a = pool_of(PoolKind::kAverage, {3}, {2}, {0, 0});
  a.ceil_mode = a.count_include_pad = true;
  CHECK(close(run_op("Pool", {f32({1, 1, 4}, {1, 2, 3, 4})}, a), {2, 3.5}));
}

TEST_CASE("pool: indices, dilation, NaN, channels last, global") {
  PoolAttrs a = pool_of(PoolKind::kMax, {2, 2}, {2, 2}, {0, 0, 0, 0});
  auto y = run_op_n("Pool", {f32({1, 2, 2, 2}, {1, 9, 3, 4, 8, 6, 7, 5})}, a, 2);
  CHECK(close(y[0], {9, 8}));
  CHECK(y[1].to_ints() == std::vector<int64_t>{1, 4});
  a.storage_order = 1;
  CHECK(run_op_n("Pool", {f32({1, 2, 2, 2}, {1, 9, 3, 4, 8, 6, 7, 5})}, a, 2)[1].to_ints() ==
        std::vector<int64_t>{2, 4});
  PoolAttrs dilated = pool_of(PoolKind::kMax, {2, 2}, {1, 1}, {0, 0, 0, 0});
  dilated.dilations = {2, 2};
  CHECK(close(run_op("Pool", {kSquare}, dilated), {11, 12, 15, 16}));
  CHECK(close(run_op("Pool", {f32({1, 1, 3}, {1, std::nan(""), 3})}, pool_of(PoolKind::kMax, {2}, {1}, {0, 0})),
              {std::nan(""), std::nan("")}));
  PoolAttrs last = pool_of(PoolKind::kMax, {2}, {1}, {0, 0});
  last.channels_last = true;
  CHECK(close(run_op("Pool", {f32({1, 3, 2}, {1, 6, 3, 4, 2, 5})}, last), {3, 6, 3, 5}));
  CHECK(close(run_onnx("GlobalAveragePool", 1, {kSquare})[0], {8.5}));
  CHECK(close(run_onnx("GlobalMaxPool", 22, {kSquare})[0], {16}));
  CHECK(close(run_onnx("MaxPool", 12, {kSquare},
                       {{"kernel_shape", std::vector<int64_t>{3, 3}},
                        {"strides", std::vector<int64_t>{2, 2}},
                        {"auto_pad", "SAME_UPPER"}})[0],
              {11, 12, 15, 16}));
  CHECK(run_op("Pool", {f32({0, 2, 3}, {})}, pool_of(PoolKind::kMax, {2}, {1}, {0, 0})).dims() == Dims{0, 2, 2});
}

TEST_CASE("pool: maxima of bytes, whose padding is below them all") {
  for (DType t : {DType::kI8, DType::kU8}) {
    const int64_t low = t == DType::kI8 ? -128 : 0;
    const Tensor x = tensor<int64_t>(t, {1, 1, 3, 3}, std::vector<int64_t>(9, low));
    FakeImport same("MaxPool", 12, {Typed(t, "1, 1, h, w")},
                    {{"kernel_shape", std::vector<int64_t>{2, 2}},
                     {"strides", std::vector<int64_t>{2, 2}},
                     {"auto_pad", "SAME_UPPER"}});
    const Tensor y = same.import().run({x})[0];
    CHECK(y.dtype() == t);
    CHECK(y.dims() == Dims{1, 1, 2, 2});
    CHECK(y.to_ints() == std::vector<int64_t>(4, low));
  }
}

TEST_CASE("pool: a window of a million taps, most of them padding, costs what lies inside") {
  constexpr int64_t kPad = 1 << 20;
  PoolAttrs a = pool_of(PoolKind::kLp, {kPad, kPad}, {kPad, kPad}, {kPad, kPad, kPad, kPad});
  CHECK(close(run_op("Pool", {kSquare}, a), {0, 0, 0, std::sqrt(1496.)}));
  a.kind = PoolKind::kAverage;
  a.count_include_pad = true;
  CHECK(close(run_op("Pool", {kSquare}, a), {0, 0, 0, 136 / double(kPad) / double(kPad)}, 1e-16));
}

TEST_CASE("pool: symbolic shapes and bad input") {
  const Operand x = Typed(DType::kF32, "n, 3, h, 8");
  CHECK(infer_op("Pool", {x}, pool_of(PoolKind::kMax, {2, 2}, {2, 2}, {0, 0, 0, 0})).shape() == "[n, 3, (h // 2), 4]");
  CHECK(infer_op("Pool", {x}, PoolAttrs{}).shape() == "[n, 3, 1, 1]");
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2, 9}, {1, 1}, {0, 0, 0, 0})).find("larger than") !=
        std::string::npos);
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2, 2}, {0, 1}, {0, 0, 0, 0})).find("stride 0") !=
        std::string::npos);
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {0, 2}, {1, 1}, {0, 0, 0, 0})).find("kernel size 0") !=
        std::string::npos);
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2, 2}, {1, 1}, {-1, 0, 0, 0})).find("pads") !=
        std::string::npos);
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2, 2}, {1, 1}, {0, INT64_MAX, 0, INT64_MAX})) != "");
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2, INT64_MAX}, {1, 1}, {0, 0, 0, 0})) != "");
  CHECK(infer_error("Pool", {x}, pool_of(PoolKind::kMax, {2}, {1}, {0, 0})).find("2 entries") != std::string::npos);
  CHECK(import_error({"MaxPool", 12, {x}}).find("kernel_shape") != std::string::npos);
  CHECK(import_error({"MaxPool", 12, {x}, {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"auto_pad", "BEST"}}})
            .find("BEST") != std::string::npos);
}

}  // namespace
}  // namespace tenon::ops
