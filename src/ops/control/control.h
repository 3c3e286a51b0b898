// Attributes of control flow operators. Body graphs are closed; see body.h.
#pragma once
#include <memory>
#include <vector>

#include "ir/attrs.h"
#include "ir/graph.h"

namespace tenon::ops {

/// Inputs: condition (bool, one element), then what the then-branch captures (`then_captures` of them), then what the
/// else-branch captures. Outputs: those of the branch taken.
struct IfAttrs {
  std::shared_ptr<ir::Graph> then_branch, else_branch;
  int64_t then_captures = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&IfAttrs::then_branch>("then_branch"),
                                  ir::field<&IfAttrs::else_branch>("else_branch"),
                                  ir::field<&IfAttrs::then_captures>("then_captures")};
    return f;
  }
};

/// Inputs: trip count (i64, or absent), condition (bool, or absent), `carried` states, captures. Body inputs: iteration
/// (i64), condition, states, captures; body outputs: condition, states, elements to stack. Outputs: final states,
/// stacks along a new first axis.
struct LoopAttrs {
  std::shared_ptr<ir::Graph> body;
  int64_t carried = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&LoopAttrs::body>("body"), ir::field<&LoopAttrs::carried>("carried")};
    return f;
  }
};

/// Inputs: `states`, `scanned` tensors that the body sees slice by slice, captures. Body inputs: states, slices,
/// captures; body outputs: states, elements to stack. Axes and directions (1: backwards) have one entry a scanned input
/// or stack.
struct ScanAttrs {
  std::shared_ptr<ir::Graph> body;
  int64_t states = 0, scanned = 0;
  std::vector<int64_t> input_axes, input_directions, output_axes, output_directions;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&ScanAttrs::body>("body"),
                                  ir::field<&ScanAttrs::states>("states"),
                                  ir::field<&ScanAttrs::scanned>("scanned"),
                                  ir::field<&ScanAttrs::input_axes>("input_axes"),
                                  ir::field<&ScanAttrs::input_directions>("input_directions"),
                                  ir::field<&ScanAttrs::output_axes>("output_axes"),
                                  ir::field<&ScanAttrs::output_directions>("output_directions")};
    return f;
  }
};

}  // namespace tenon::ops
