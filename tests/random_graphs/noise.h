// Evaluation in double precision, with or without rounding errors put in: how far results move under errors of a given
// size in every operand and result is what an engine's own rounding may amount to.
#pragma once
#include <vector>

#include "case.h"
#include "ir/graph.h"

namespace tenon::random_graphs {

class Noise {
 public:
  /// `relative`: of f32; narrower types have as much more as their mantissas are shorter. `narrow` is the least that
  /// any floating-point value gets.
  Noise(uint64_t seed, double relative, double narrow = 0) : draw_(seed), size_(relative), narrow_(narrow) {}
  /// A copy with each element moved by up to its share.
  Tensor move(const Tensor& t, DType type);
  /// The rounding error of a type over that of f32, at least 1.
  static double relative(DType type);

 private:
  Draw draw_;
  double size_, narrow_;
};

/// The graph's outputs; floating-point ones as f64. `inputs` may be f64 for any float.
std::vector<Tensor> evaluate_graph(const ir::Graph& graph, const std::vector<Tensor>& inputs, Noise* noise = nullptr);

}  // namespace tenon::random_graphs
