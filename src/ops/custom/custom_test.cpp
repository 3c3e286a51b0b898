#include "ops/custom/custom.h"

#include <doctest/doctest.h>

#include <cstring>

namespace tenon::ops {
namespace {

/// Keeps numbers above `least`; the second output says how many.
class Above final : public CustomOp {
 public:
  explicit Above(float least) : least_(least) {}
  std::unique_ptr<CustomRun> prepare(const std::vector<CustomTensor>& inputs,
                                     const std::vector<CustomTensor>&) const override {
    class Run final : public CustomRun {
     public:
      Run(int64_t count, float least) : count_(count), least_(least) {}
      int64_t workspace_bytes() const override { return count_ * 4; }
      void run(const void* const* in, void* const* out, void* workspace) const override {
        int64_t kept = 0;
        auto* scratch = static_cast<float*>(workspace);
        for (int64_t i = 0; i < count_; ++i)
          if (const float x = static_cast<const float*>(in[0])[i]; x > least_) scratch[kept++] = x;
        std::memcpy(out[0], scratch, size_t(kept) * 4);
        *static_cast<int64_t*>(out[1]) = kept;
      }

     private:
      int64_t count_;
      float least_;
    };
    return std::make_unique<Run>(inputs[0].dims[0], least_);
  }

 private:
  float least_;
};

CustomAttrs above(std::shared_ptr<const CustomOp> live) {
  CustomAttrs a;
  a.name = "Above";
  a.version = "2";
  a.types = {int64_t(DType::kF32), int64_t(DType::kI64)};
  a.shapes = {"s1", ""};
  a.limits = {"", "i0_0"};
  a.live = std::move(live);
  return a;
}

TEST_CASE("custom: shapes are expressions over the inputs") {
  ir::Graph g;
  const Dim n = g.symbols->named("n");
  const ir::ValueId x = g.add_input("x", DType::kF32, {n, 6}), e = g.add_input("e", DType::kI64, {2});
  g.value(e).contents = std::vector<Dim>{n, 5};
  CustomAttrs a;
  a.shape_inputs = 1;
  a.types = {int64_t(DType::kF16)};
  ir::SymbolTable own;
  a.shapes = {shape_text(own, {own.add(own.named("i0_0"), 1), own.floor_div(own.named("i0_1"), 4), own.named("e1_1"),
                               own.mul(own.named("e1_0"), 2), 7})};
  a.limits = {""};
  const ir::NodeId node = g.add_node("Custom", {x, e}, a, 1, "node");
  infer_node(g, node);
  const ir::Value& y = g.value(g.node(node).outputs[0]);
  CHECK(y.dtype == DType::kF16);
  CHECK(y.shape == Shape{g.symbols->add(n, 1), 1, 5, g.symbols->mul(n, 2), 7});
}

TEST_CASE("custom: an output is cut to the size that the implementation wrote") {
  ir::Graph g;
  const ir::ValueId x = g.add_input("x", DType::kF32, {5});
  const ir::NodeId node = g.add_node("Custom", {x}, above(std::make_shared<Above>(1.0F)), 2, "node");
  infer_node(g, node);
  CHECK(!g.value(g.node(node).outputs[0]).shape[0].is_const());
  const std::vector<float> data = {3, 0, 2, 1, 4};
  const auto y = eval_node(g.node(node), {Tensor::of<float>(DType::kF32, {5}, data)}, {DType::kF32, DType::kI64});
  CHECK(y[0].dims() == Dims{3});
  CHECK(y[0].to_doubles() == std::vector<double>{3, 2, 4});
  CHECK(y[1].get_int(0) == 3);
}

TEST_CASE("custom: what is missing is named") {
  ir::Graph g;
  const ir::ValueId x = g.add_input("x", DType::kF32, {5});
  const ir::NodeId node = g.add_node("Custom", {x}, above(nullptr), 2, "node");
  CHECK_THROWS_WITH_AS(eval_node(g.node(node), {Tensor(DType::kF32, {5})}, {DType::kF32, DType::kI64}),
                       doctest::Contains("no implementation of 'Above', version '2'"), Error);
  CustomAttrs odd = above(nullptr);
  odd.shapes[0] = "weight";
  const ir::NodeId other = g.add_node("Custom", {x}, odd, 2, "other");
  CHECK_THROWS_WITH_AS(infer_node(g, other), doctest::Contains("speaks of 'weight'"), Error);
}

}  // namespace
}  // namespace tenon::ops
