// Element-wise nodes as pointwise programs, and how programs are put together.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ops/fused/pointwise_program.h"

namespace tenon::passes {

/// What an element-wise node with one result computes: i<k> of `program` is operands[k].
struct Elementwise {
  ops::PointwiseProgram program;
  std::vector<ir::ValueId> operands;
};

/// nullopt unless the node is element-wise, has one result, and all types are f32, bf16, f16 or bool. Constants with
/// one element become numbers of the program where the result's shape does not depend on them.
std::optional<Elementwise> elementwise(const ir::Graph& graph, const ir::Node& node);

/// f32, bf16 or f16: what programs compute on.
bool is_pointwise_float(ir::DType type);

/// Grows a program from nodes in topological order. Operands are numbered by first use.
class ProgramBuilder {
 public:
  /// The name under which the program knows a value: an operand, or what add() bound it to.
  ops::PointwiseArg operand(ir::ValueId v);
  /// Appends a node's program; `result` then names its value.
  void add(const Elementwise& node, ir::ValueId result);
  void finish(ir::ValueId result);
  const std::vector<ir::ValueId>& operands() const { return operands_; }
  size_t size() const { return program_.instrs.size(); }
  std::string text() const { return ops::print_pointwise(program_); }

 private:
  ops::PointwiseProgram program_;
  std::vector<ir::ValueId> operands_;
  std::map<ir::ValueId, ops::PointwiseArg> names_;
};

}  // namespace tenon::passes
