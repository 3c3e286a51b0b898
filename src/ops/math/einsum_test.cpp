#include "ops/math/einsum.h"

#include <doctest/doctest.h>

#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

TEST_CASE("einsum: values") {
  const Tensor a = f32({2, 3}, {1, 2, 3, 4, 5, 6}), b = f32({3, 2}, {1, 0, 2, 1, 0, 3});
  auto run = [](const char* equation, std::vector<Tensor> in) {
    return run_op("Einsum", std::move(in), EinsumAttrs{equation});
  };
  CHECK(close(run("ij,jk->ik", {a, b}), {5, 11, 14, 23}));
  CHECK(close(run("ij,jk", {a, b}), {5, 11, 14, 23}));
  CHECK(close(run("ij->ji", {a}), {1, 4, 2, 5, 3, 6}));
  CHECK(close(run("ij->", {a}), {21}));
  CHECK(close(run("ij -> i", {a}), {6, 15}));
  CHECK(close(run("ii->i", {f32({2, 2}, {1, 2, 3, 4})}), {1, 4}));
  CHECK(close(run("ii", {f32({2, 2}, {1, 2, 3, 4})}), {5}));
  CHECK(close(run("i,j->ij", {f32({2}, {1, 2}), f32({2}, {3, 4})}), {3, 4, 6, 8}));
  CHECK(close(run("...j,j->...", {a, f32({3}, {1, 1, 1})}), {6, 15}));
  CHECK(close(run("...ij,...jk->...ik", {a.reshaped({1, 2, 3}), b}), {5, 11, 14, 23}));
  CHECK(close(run("ij,ij,ij->j", {a, a, a}), {65, 133, 243}));
  CHECK(run("ij,jk->ik", {i64({1, 2}, {INT64_MAX, 3}), i64({2, 1}, {2, 5})}).to_ints() == std::vector<int64_t>{13});
  CHECK(run("ij,jk->ik", {f32({2, 0}, {}), f32({0, 2}, {})}).to_doubles() == std::vector<double>{0, 0, 0, 0});
  CHECK(run("ij,jk->ik", {f32({0, 2}, {}), f32({2, 2}, {1, 2, 3, 4})}).dims() == Dims{0, 2});
}

TEST_CASE("einsum: import") {
  const Tensor a = noise({2, 3}, 1), b = noise({4, 3}, 2);
  FakeImport import("Einsum", 12, {a, b}, {{"equation", "ij,kj->ki"}});
  CHECK(close(import.import().run({})[0], run_op("Einsum", {a, b}, EinsumAttrs{"ij,kj->ki"}).to_doubles()));
}

TEST_CASE("einsum: shapes and bad input") {
  const Operand a = Typed(DType::kF32, "n, h, 4"), b = Typed(DType::kF32, "n, 4, w");
  CHECK(infer_op("Einsum", {a, b}, EinsumAttrs{"bij,bjk->bik"}).shape() == "[n, h, w]");
  CHECK(infer_op("Einsum", {a, b}, EinsumAttrs{"...ij,...jk->ik..."}).shape() == "[h, w, n]");
  for (const char* bad :
       {"", "bij->bik", "bij,bjk,b->b", "bij,bjk->bz", "bij,bjk->bb", "bij,b?k->bi", "bij,bj->b", "....ij,bjk->b"})
    CHECK(infer_error("Einsum", {a, b}, EinsumAttrs{bad}).find("equation") != std::string::npos);
  CHECK(infer_error("Einsum", {a, a}, EinsumAttrs{"bij,bji->b"}) == "");
  CHECK(infer_error("Einsum", {Typed(DType::kF32, "2, 3"), Typed(DType::kF32, "4, 2")}, EinsumAttrs{"ij,jk->ik"})
            .find("broadcast") != std::string::npos);
}

TEST_CASE("determinants") {
  CHECK(close(run_op("Det", {f32({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}), {-2, -1}));
  CHECK(close(run_op("Det", {f32({3, 3}, {2, 0, 1, 1, 3, 2, 1, 1, 1})}), {0}));
  CHECK(close(run_op("Det", {f32({0, 0}, {})}), {1}));
  CHECK(infer_error("Det", {Typed(DType::kF32, "2, 3")}).find("[2, 3]") != std::string::npos);
}

}  // namespace
}  // namespace tenon::ops
